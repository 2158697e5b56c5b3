"""Fork a process that becomes the child of our parent, not ours.

A template forks twice: the *middle* process forks the worker, names it to the supervisor by a pidfd while
it is still its parent, and ends; the kernel then gives the worker to the nearest subreaper, the supervisor.
So a template can come and go without its workers, and the supervisor can reap each of them exactly.
Linux only (subreaper, pidfd).
"""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from typing import NoReturn

from jobsup.unix import process
from jobsup.unix.spawn import masked

_REPARENT_POLL = 0.0005
_MIDDLE_FAILED = 1


def fork_for(supervisor: int, report: Callable[[int, int], None], body: Callable[[], NoReturn]) -> bool:
    """Run *body* in a new child of process *supervisor*; False when the system had no process for it.

    *report* is called in the middle process with the pid and a pidfd of the new one; until it has returned, *body*
    does not begin, and if it fails, never.  *body* runs with all signals blocked: whoever wants them sets its
    handlers, then unblocks (a signal sent right after the fork thus meets the right handler instead of an inherited
    one).
    """
    with masked():
        try:
            middle = os.fork()
        except OSError:
            return False
        if middle == 0:
            _be_middle(supervisor, report, body)
        _, status = os.waitpid(middle, 0)
    return status == 0


def _be_middle(supervisor: int, report: Callable[[int, int], None], body: Callable[[], NoReturn]) -> NoReturn:
    # os._exit everywhere: nothing that was registered in the template (atexit, buffers) is ours to run.
    status = _MIDDLE_FAILED
    try:
        middle = os.getpid()
        named, naming = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(naming)
            _be_grandchild(middle, supervisor, named, body)
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.setpgid(pid, pid)  # in both: a killpg must never meet a child that has not done it yet
        report(pid, os.pidfd_open(pid))
        os.write(naming, b"!")
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
        random.seed()
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
