"""Children named by descriptors: a pidfd never means another process, however pids are reused."""

import os
import signal
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: with an exit code, by a signal, or (both None) unseen."""

    code: int | None = None
    signal: int | None = None

    def __str__(self) -> str:
        if self.signal is not None:
            try:
                return f"killed by {signal.Signals(self.signal).name}"
            except ValueError:  # a real-time signal has no name
                return f"killed by signal {self.signal}"
        return "unseen" if self.code is None else f"exit code {self.code}"


def reap(pidfd: int) -> Ended | None:
    """How the child ended; None while it runs.

    Raises:
        ChildProcessError: it is not our child: never was, is reaped, or has died and is about to be
            reparented to us, which the kernel does a moment after it lets the pidfd poll readable.
    """
    found = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    if found is None:
        return None
    if found.si_code == os.CLD_EXITED:
        return Ended(code=found.si_status)
    return Ended(signal=found.si_status)


def send(pidfd: int, sig: signal.Signals) -> bool:
    """Send *sig*; False when the process has ended."""
    try:
        signal.pidfd_send_signal(pidfd, sig)
    except ProcessLookupError:
        return False
    return True


def reap_strangers(ours: Collection[int]) -> bool:
    """Reap ended children that nobody asked for (pid 1 and subreapers inherit them); True when none is left.

    *ours* are the pids that are reaped by their pidfd.  Only peeking (WNOWAIT) tells whose status would be
    next without taking it; one of ours in front ends this call, and a later one goes on.
    """
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return True
        if found is None:
            return True
        if found.si_pid in ours:
            return False
        os.waitpid(found.si_pid, os.WNOHANG)
