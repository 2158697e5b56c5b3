"""Fork processes that become the children of our parent, not ours.

A template forks twice: the *middle* process forks the workers, names each to the supervisor by a pidfd while
it is still its parent, and ends; the kernel then gives the workers to the nearest subreaper, the supervisor.
So a template can come and go without its workers, and the supervisor can reap each of them exactly.
Linux only (subreaper, pidfd).
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import NoReturn

from jobsup.unix import process
from jobsup.unix.spawn import masked

_REPARENT_POLL = 0.0005
_MIDDLE_FAILED = 1


def fork_for(
    supervisor: int, report: Callable[[str, int, int], None], bodies: Mapping[str, Callable[[], NoReturn]]
) -> bool:
    """Run each of *bodies* in a new child of process *supervisor*.

    *report* is called in the middle process with the key of a body, the pid and a pidfd of its process; until it has
    returned, that body does not begin, and if it fails, never.  A body runs with all signals blocked: whoever wants
    them sets its handlers, then unblocks (a signal sent right after the fork thus meets the right handler instead of an
    inherited one).

    Returns:
        False when the system had no process for one of them, or the middle process died: those that were not
        reported do not exist.
    """
    with masked():
        try:
            middle = os.fork()
        except OSError:
            return False
        if middle == 0:
            _be_middle(supervisor, report, bodies)
        _, status = os.waitpid(middle, 0)
    return status == 0


def _be_middle(
    supervisor: int, report: Callable[[str, int, int], None], bodies: Mapping[str, Callable[[], NoReturn]]
) -> NoReturn:
    # os._exit everywhere: nothing that was registered in the template (atexit, buffers) is ours to run.
    status = _MIDDLE_FAILED
    try:
        middle = os.getpid()
        for name, body in bodies.items():
            named, naming = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(naming)
                _be_grandchild(middle, supervisor, named, body)
            with contextlib.suppress(PermissionError, ProcessLookupError):
                os.setpgid(pid, pid)  # in both: a killpg must never meet a child that has not done it yet
            pidfd = os.pidfd_open(pid)
            report(name, pid, pidfd)
            os.write(naming, b"!")
            # Before the next fork: a copy of the writing end would keep this one waiting when we die.
            for fd in (named, naming, pidfd):
                os.close(fd)
        status = 0
    finally:
        os._exit(status)


def _be_grandchild(middle: int, supervisor: int, named: int, body: Callable[[], NoReturn]) -> NoReturn:
    try:
        os.setpgid(0, 0)
        # EOF: the middle process died, or failed, before anybody was told of us.  Whoever is unknown must not begin:
        # nobody would reap it by name, nor give back what it took.
        if not os.read(named, 1):
            os._exit(_MIDDLE_FAILED)
        os.close(named)
        # The death signal belongs to the parent of the moment, so wait until that is the supervisor.
        while os.getppid() == middle:
            time.sleep(_REPARENT_POLL)
        process.die_with_parent(supervisor)
        body()
    finally:
        os._exit(_MIDDLE_FAILED)


def reset_signals() -> None:
    """Default action for every signal that has a handler in Python.  The mask stays, and so does what is
    ignored: the interpreter ignores SIGPIPE so that a broken pipe is an exception.
    """
    signal.set_wakeup_fd(-1)
    for sig in signal.valid_signals():
        if callable(signal.getsignal(sig)):
            signal.signal(sig, signal.SIG_DFL)
