"""Where a process lives, so that somebody else on the same host can prove that it is dead."""

from __future__ import annotations

import contextlib
import os


def here() -> str:
    """This boot of this kernel and this pid namespace: pids compare only within one place.  "" if unknown."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return f"{file.read().strip()}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def start_of(pid: int) -> str:
    """When *pid* started, in clock ticks since boot (field 22 of proc(5) stat); "" if there is no such process.

    With the pid it names one process for ever: a recycled pid has another start.

    Raises:
        PermissionError: somebody else has that pid, and we are not shown more (``ProtectProc=``, ``hidepid``).
        OSError: it cannot be told now, for want of a descriptor: whoever lives must not be taken for dead.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)  # finds also who is hidden from us, and then is not permitted
        return ""
    # A zombie holds nothing any more.
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()
