"""What the parent tells systemd, heard at a socket like systemd's; the parent and its signals are real."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from running import Parent, profile

from conftest import eventually, never
from jobsup.parent.notices import EXTENSION

pytestmark = pytest.mark.system


class Systemd:
    """Everything that was said, in order, each with when it was heard."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(path))
        self._heard: list[tuple[float, str, str]] = []

    def heard(self, *names: str) -> list[str]:
        """The values of *names*; of several, the names themselves."""
        self.listen()
        return [value if len(names) == 1 else name for _, name, value in self._heard if name in names]

    def times(self, name: str) -> list[float]:
        self.listen()
        return [at for at, heard, _ in self._heard if heard == name]

    def listen(self) -> None:
        while True:
            try:
                message = self._socket.recv(65536).decode()
            except BlockingIOError:
                return
            for line in message.splitlines():
                name, _, value = line.partition("=")
                self._heard.append((time.monotonic(), name, value))

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    systemd = Systemd(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    yield systemd
    systemd.close()


STATES = ("READY", "RELOADING", "STOPPING")


def test_ready_is_said_when_every_pool_has_its_workers_and_not_before(parent: Parent, systemd: Systemd) -> None:
    parent.config = replace(parent.config, profiles=(profile(boot_timeout=1.0), profile("late", boot_timeout=1.0)))
    parent.set("worker-hangs-1")
    parent.start(ready=False)
    eventually(lambda: len(parent.trace("worker", "boot")) >= 3)
    assert not systemd.heard("READY")
    assert systemd.heard("STATUS")[-1] == "Starting: 0 of 4 workers ready"
    (parent.home / "worker-hangs-1").unlink()

    eventually(lambda: systemd.heard("READY"), within=25)
    assert len(parent.workers()) == 4
    eventually(lambda: systemd.heard("STATUS")[-1] == "4 workers ready in 2 pools")


def test_a_reload_says_that_it_began_and_when_and_that_it_is_over(parent: Parent, systemd: Systemd) -> None:
    parent.start()
    parent.resolves_to(config=parent.config.dump())
    asked = time.monotonic()
    parent.signal(signal.SIGHUP)

    eventually(lambda: systemd.heard(*STATES) == ["READY", "RELOADING", "READY"])
    [began] = systemd.heard("MONOTONIC_USEC")
    assert asked <= int(began) / 1e6 <= time.monotonic()
    eventually(lambda: systemd.heard("STATUS")[-1] == "2 workers ready in 1 pool")
    assert any(status.startswith("Reloading, generation 2: ") for status in systemd.heard("STATUS"))


def test_a_refused_reload_is_over_too_and_the_reason_can_be_read(parent: Parent, systemd: Systemd) -> None:
    parent.start()
    parent.resolves_to(problems=["main.yml:3: no such key"])
    parent.signal(signal.SIGHUP)

    eventually(lambda: systemd.heard(*STATES) == ["READY", "RELOADING", "READY"])
    eventually(lambda: "refused: main.yml:3: no such key" in systemd.heard("STATUS")[-1])


def test_quiet_is_no_stop_and_a_reload_that_is_refused_then_is_answered(parent: Parent, systemd: Systemd) -> None:
    parent.start()
    parent.ask("quiet")
    eventually(lambda: systemd.heard("STATUS")[-1] == "Quiet: fetching nothing more, 0 jobs running")
    assert systemd.heard(*STATES) == ["READY"]

    parent.signal(signal.SIGHUP)
    eventually(lambda: systemd.heard(*STATES) == ["READY", "RELOADING", "READY"])


def test_a_stop_says_stopping_once_and_asks_for_time_until_it_is_over(parent: Parent, systemd: Systemd) -> None:
    parent.config = replace(parent.config, profiles=(profile(timeout=3.0, max_timeout=3.0),))
    parent.set("busy")
    parent.start()
    eventually(lambda: systemd.heard("READY"))
    before = len(systemd.heard("EXTEND_TIMEOUT_USEC"))
    parent.signal(signal.SIGTERM)
    parent.signal(signal.SIGTERM)
    parent.wait()

    assert systemd.heard(*STATES) == ["READY", "STOPPING"]
    extensions = [int(usec) / 1e6 for usec in systemd.heard("EXTEND_TIMEOUT_USEC")[before:]]
    assert len(extensions) >= 3
    assert all(0 < seconds <= EXTENSION for seconds in extensions)


def test_signs_of_life_come_twice_in_the_time_that_is_allowed_and_stop_with_the_loop(
    parent: Parent, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    parent.start()
    eventually(lambda: len(systemd.times("WATCHDOG")) >= 5)
    times = systemd.times("WATCHDOG")
    gaps = [after - before for before, after in pairwise(times[1:])]
    assert max(gaps) < 1.0, gaps

    parent.signal(signal.SIGSTOP)
    time.sleep(0.1)
    said = len(systemd.times("WATCHDOG"))
    never(lambda: len(systemd.times("WATCHDOG")) > said, within=1.5)
    parent.signal(signal.SIGCONT)
    eventually(lambda: len(systemd.times("WATCHDOG")) > said)


def test_no_sign_of_life_is_owed_by_another_process_than_the_one_named(
    parent: Parent, systemd: Systemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    parent.start()
    eventually(lambda: systemd.heard("READY"))

    never(lambda: systemd.heard("WATCHDOG"), within=0.6)


def test_no_child_can_speak_for_the_parent(parent: Parent, systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    parent.start()

    for pid in [*parent.pids(), parent.helper("Keeper"), parent.helper("Template")]:
        environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert not [entry for entry in environ if entry.startswith((b"NOTIFY_", b"WATCHDOG_"))]
