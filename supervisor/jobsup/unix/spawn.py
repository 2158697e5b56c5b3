"""Start a program with exactly the descriptors it is meant to have."""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

_NOT_INHERITED = frozenset(
    ("NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC")
)
_DEFAULTS = [sig for sig in signal.valid_signals() if sig not in (signal.SIGKILL, signal.SIGSTOP)]


@dataclass(frozen=True, slots=True)
class Spawned:
    """A child of ours that nobody has reaped.  *pidfd* is close-on-exec and the caller's to close."""

    pid: int
    pidfd: int


@contextmanager
def masked() -> Iterator[None]:
    """Block every signal; what arrives meanwhile is delivered at the end, not lost."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """*environment* without what systemd said to this process alone."""
    return {name: value for name, value in environment.items() if name not in _NOT_INHERITED}


def spawn(
    command: Sequence[str], *, env: Mapping[str, str], fds: Sequence[int] = (), stdout: int | None = None
) -> Spawned:
    """posix_spawn *command* in a process group of its own, no signal blocked, every handler default.

    *fds* keep their numbers in the child; every other descriptor above 2 is close-on-exec.  Only for a
    process with one thread: another thread's fork could copy *fds* while they are inheritable.

    Raises:
        OSError: the program cannot be started now, for want of a process or a descriptor.
    """
    actions = [] if stdout is None else [(os.POSIX_SPAWN_DUP2, stdout, 1)]
    with masked():
        for fd in fds:
            os.set_inheritable(fd, True)
        try:
            pid = os.posix_spawnp(
                command[0],
                list(command),
                child_environment(env),
                file_actions=actions,
                setpgroup=0,
                setsigmask=[],
                setsigdef=_DEFAULTS,
            )
        finally:
            for fd in fds:
                os.set_inheritable(fd, False)
        # Safe by pid: it is our child, and nobody else reaps in this process.
        try:
            return Spawned(pid, os.pidfd_open(pid))
        except OSError:
            os.kill(pid, signal.SIGKILL)  # no descriptor to name it by
            raise
