"""Facts and settings of processes that Python has no function for.  Linux; elsewhere they raise OSError."""

import contextlib
import ctypes
import errno
import os
import signal
from typing import NamedTuple

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")

_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Orphaned descendants become children of this process from now on (prctl(2))."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int, sig: signal.Signals = signal.SIGTERM) -> None:
    """Have *sig* sent to this process when its parent, process *parent*, ends.

    Is the parent gone already, *sig* is raised here at once: nobody else would send it.  The kernel ties
    this to the parent's *thread* that made us, one more reason for a parent with one thread.
    """
    _prctl(_PR_SET_PDEATHSIG, sig)
    if os.getppid() != parent:
        os.kill(os.getpid(), sig)


def resident_bytes(pid: int) -> int:
    """Memory of *pid* that is in RAM; 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/statm") as statm:
            return int(statm.read().split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return 0


class Activity(NamedTuple):
    """What a process or thread does: the kernel's letter for its state, and CPU seconds it has used."""

    state: str
    cpu: float


def activity(pid: int, thread: int | None = None) -> Activity | None:
    """Of process *pid*, or of one of its threads; None when it is gone.  Source: proc(5), ``/proc/pid/stat``."""
    path = f"/proc/{pid}/stat" if thread is None else f"/proc/{pid}/task/{thread}/stat"
    try:
        with open(path, encoding="utf-8", errors="replace") as stat:
            # The name, in parentheses, may hold anything: count from behind it.
            fields = stat.read().rpartition(")")[2].split()
        return Activity(fields[0], (int(fields[11]) + int(fields[12])) / _TICKS)
    except (OSError, ValueError, IndexError):
        return None


def waits_in(pid: int, thread: int) -> str:
    """The kernel's function in which a thread sleeps; "" when it runs, or we may not know."""
    try:
        with open(f"/proc/{pid}/task/{thread}/wchan", encoding="utf-8", errors="replace") as wchan:
            return wchan.read(200).strip().removeprefix("0")
    except OSError:
        return ""


def starved(error: BaseException) -> bool:
    """Whether *error* says that the system had no process, thread, memory or descriptor to spare."""
    if isinstance(error, OSError):
        return error.errno in (errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
    return isinstance(error, RuntimeError) and "can't start new thread" in str(error)


def kill_group(pgid: int) -> None:
    """SIGKILL what is left of a process group.  Its leader must be a child of ours that is not reaped:
    only so long can its number not have become somebody else's.
    """
    if pgid > 1 and pgid != os.getpgrp():
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody is left
            os.killpg(pgid, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"prctl({option}): {os.strerror(errno)}")
