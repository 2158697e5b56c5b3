"""The heartbeat slot: memory shared by one worker and its parent.

Written by the threads that must make progress, read by the parent without asking anybody.  A memfd, not a
file: no disk can block a heartbeat.

It also holds the *running table*: one entry for each job that may run at once.  It outlives the worker in the
parent's hands, so that after any death it is known which jobs were running and which were merely taken.

Layout, little-endian: a header of 64 bytes, then the entries, of 256 bytes each.  What follows belongs
to whoever writes stacks into the file while the process dies.
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import NamedTuple

_HEADER = 64
_MAIN_TICK, _FETCH_TICK, _BUSY, _IN_HAND, _STATE, _THREADS, _RSS, _DONE = 0, 8, 16, 20, 24, 28, 32, 40
_LAYOUT = struct.Struct("<QQIIIIQ")
_U64 = struct.Struct("<Q")
_U32 = struct.Struct("<I")
_TWO_U64 = struct.Struct("<QQ")

_ENTRY = 256
_BEGUN = _U64
_JID = 48
_JOB = struct.Struct(f"<QQIII{_JID}s80s80sQ")
"""limit, thread, native thread, check, flags, jid, class, queue, timeout: what follows ``begun`` in an entry."""
_LIMIT_AT = 8
_FLAGS_AT = 8 + 8 + 8 + 4 + 4
_CANCELLED, _PAUSES, _AWAITS = 1, 2, 4

_STACKS = 16_384
"""Bytes of stacks that are read, at most."""
AWAITED = "Async job (most recent call first):\n"
"""Stands above the stack of an async job."""

BOOTING, READY, QUIET, DRAINING = range(4)


class Ticks(NamedTuple):
    """What a worker last said.  Ticks are monotonic nanoseconds, 0 before the first; ``rss`` is in bytes."""

    main_tick: int
    fetch_tick: int
    busy: int
    in_hand: int
    state: int
    threads: int
    rss: int


class Running(NamedTuple):
    """One job that runs, or ran when its process died.

    Attributes:
        begun: monotonic seconds.
        limit: monotonic seconds of its hard time limit; 0.0 for none.
        thread, native: the thread's ident in Python and in the kernel.
        check: CRC-32 of the payload as it was taken; with the queue it tells which one it is.
        cancelled: somebody asked to end it.
        jid, klass, queue: as in the payload, cut to the entry's fields; for people, and to tell equal checks apart.
        timeout: seconds it may use once a stop has begun; 0.0: what its profile says.
        pauses: a stop does not interrupt it, it stops by itself between two items.
        awaits: it shares its thread, that of an event loop, with others.
    """

    begun: float
    limit: float
    thread: int
    native: int
    check: int
    cancelled: bool
    jid: str
    klass: str
    queue: str
    timeout: float = 0.0
    pauses: bool = False
    awaits: bool = False

    def named(self, jid: str) -> bool:
        """Whether this is the job *jid*, as far as the entry's field holds it."""
        return self.jid == as_held(jid)


def as_held(jid: str) -> str:
    """What the running table holds of *jid*: all of it, if it is one of ours."""
    return jid.encode("utf-8", "replace")[:_JID].decode("utf-8", "replace")


class Entry:
    """One line of the running table.  Only the thread whose job it names begins and ends it."""

    def __init__(self, memory: mmap.mmap, at: int) -> None:
        self._memory = memory
        self._at = at

    def begin(
        self,
        begun: float,
        limit: float,
        thread: int,
        native: int,
        check: int,
        jid: str,
        klass: str,
        queue: str,
        *,
        timeout: float = 0.0,
        pauses: bool = False,
        awaits: bool = False,
    ) -> None:
        """The thread starts a job; arguments as in ``Running``."""
        _JOB.pack_into(
            self._memory,
            self._at + 8,
            int(limit * 1e9),
            thread,
            native,
            check,
            (_PAUSES if pauses else 0) | (_AWAITS if awaits else 0),
            jid.encode("utf-8", "replace"),
            klass.encode("utf-8", "replace"),
            queue.encode("utf-8", "replace"),
            int(timeout * 1e9),
        )
        # Last, and by itself: whoever finds it set finds all of the entry written.
        _BEGUN.pack_into(self._memory, self._at, int(begun * 1e9))

    def end(self) -> None:
        """It runs nothing any more."""
        _BEGUN.pack_into(self._memory, self._at, 0)

    def set_limit(self, limit: float) -> None:
        """The job's hard time limit, monotonic seconds."""
        _U64.pack_into(self._memory, self._at + _LIMIT_AT, int(limit * 1e9))

    def cancel(self) -> None:
        """Note that somebody asked to end the job."""
        (flags,) = _U32.unpack_from(self._memory, self._at + _FLAGS_AT)
        _U32.pack_into(self._memory, self._at + _FLAGS_AT, flags | _CANCELLED)


class Slot:
    """One worker's slot.  Every field has one writer, so that no lock is needed."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._memory = mmap.mmap(fd, 0)

    @classmethod
    def create(cls, threads: int) -> Slot:
        """A new slot with a running table for *threads* threads.

        Raises:
            OSError: the system has no descriptor or memory to spare.
        """
        fd = os.memfd_create("jobsup-slot", os.MFD_CLOEXEC)
        try:
            os.ftruncate(fd, _HEADER + _ENTRY * threads)
            slot = cls(fd)
        except OSError:
            os.close(fd)
            raise
        _U32.pack_into(slot._memory, _THREADS, threads)
        os.lseek(
            fd, 0, os.SEEK_END
        )  # shared by both sides: whatever is written to the descriptor lies behind the table
        return slot

    @classmethod
    def from_fd(cls, fd: int) -> Slot:
        return cls(fd)

    def read(self) -> Ticks:
        return Ticks(*_LAYOUT.unpack_from(self._memory, 0))

    def done(self) -> tuple[int, int]:
        """Jobs that ended since the process began, and how many of them failed."""
        finished, failed = _TWO_U64.unpack_from(self._memory, _DONE)
        return finished, failed

    def running(self) -> list[Running]:
        """The jobs that run now; of a dead worker, those that ran when it died."""
        found = []
        for index in range(self.read().threads):
            at = _HEADER + _ENTRY * index
            (begun,) = _BEGUN.unpack_from(self._memory, at)
            if begun:
                limit, thread, native, check, flags, *texts, timeout = _JOB.unpack_from(self._memory, at + 8)
                jid, klass, queue = (text.rstrip(b"\0").decode("utf-8", "replace") for text in texts)
                ours = (bool(flags & _CANCELLED), jid, klass, queue, timeout / 1e9)
                how = (bool(flags & _PAUSES), bool(flags & _AWAITS))
                found.append(Running(begun / 1e9, limit / 1e9, thread, native, check, *ours, *how))
        return found

    def stacks(self) -> str:
        """What was written to the descriptor: stacks, when the process died of a fault or was asked for them."""
        end = _HEADER + _ENTRY * self.read().threads
        return os.pread(self.fd, _STACKS, end).decode("utf-8", "replace")

    def add_stack(self, lines: str) -> None:
        """Add that of an async job, which no thread has."""
        os.write(self.fd, f"{AWAITED}{lines}".encode("utf-8", "replace"))

    def clear_stacks(self) -> None:
        """Drop what was written, and have the next writing begin in its place."""
        end = _HEADER + _ENTRY * self.read().threads
        os.ftruncate(self.fd, end)
        os.lseek(self.fd, end, os.SEEK_SET)

    def entry(self, index: int) -> Entry:
        """Line *index* of the running table."""
        return Entry(self._memory, _HEADER + _ENTRY * index)

    def tick_main(self, now: float) -> None:
        _U64.pack_into(self._memory, _MAIN_TICK, int(now * 1e9))

    def tick_fetch(self, now: float) -> None:
        _U64.pack_into(self._memory, _FETCH_TICK, int(now * 1e9))

    def set_work(self, busy: int, in_hand: int) -> None:
        _U32.pack_into(self._memory, _BUSY, busy)
        _U32.pack_into(self._memory, _IN_HAND, in_hand)

    def set_state(self, state: int) -> None:
        _U32.pack_into(self._memory, _STATE, state)

    def set_rss(self, size: int) -> None:
        _U64.pack_into(self._memory, _RSS, size)

    def set_done(self, finished: int, failed: int) -> None:
        _TWO_U64.pack_into(self._memory, _DONE, finished, failed)

    def close(self) -> None:
        self._memory.close()
        os.close(self.fd)
