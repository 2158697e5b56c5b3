import os
import select
import signal
from collections.abc import Iterator

import pytest

from jobsup.unix.wakeup import Wakeup


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    before = {sig: signal.getsignal(sig) for sig in (signal.SIGUSR1, signal.SIGUSR2)}
    wakeup = Wakeup(signal.SIGUSR1, signal.SIGUSR2)
    yield wakeup
    wakeup.close()
    for sig, handler in before.items():
        signal.signal(sig, handler)


def test_signals_are_reported_in_the_order_of_their_arrival(wakeup: Wakeup) -> None:
    os.kill(os.getpid(), signal.SIGUSR2)
    os.kill(os.getpid(), signal.SIGUSR1)

    assert wakeup.drain() == [signal.SIGUSR2, signal.SIGUSR1]
    assert wakeup.drain() == []


def test_an_arrived_signal_makes_the_descriptor_readable(wakeup: Wakeup) -> None:
    assert select.select([wakeup], [], [], 0)[0] == []

    os.kill(os.getpid(), signal.SIGUSR1)

    assert select.select([wakeup], [], [], 0)[0] == [wakeup]


def test_closing_gives_the_signals_their_default_action_back() -> None:
    wakeup = Wakeup(signal.SIGUSR1)

    wakeup.close()

    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    assert signal.set_wakeup_fd(-1) == -1
