"""The heartbeat slot: 64 bytes of memory shared by one worker and its parent.

Written by the threads that must make progress, read by the parent without asking anybody.  A memfd, not a
file: no disk can block a heartbeat.
"""

import mmap
import os
import struct
from typing import NamedTuple

_SIZE = 64
_MAIN_TICK, _FETCH_TICK, _BUSY, _IN_HAND, _STATE = 0, 8, 16, 20, 24
_LAYOUT = struct.Struct("<QQIII")
_U64 = struct.Struct("<Q")
_U32 = struct.Struct("<I")

BOOTING, READY, QUIET, DRAINING = range(4)


class Ticks(NamedTuple):
    """What a worker last said.  Ticks are monotonic nanoseconds, 0 before the first."""

    main_tick: int
    fetch_tick: int
    busy: int
    in_hand: int
    state: int


class Slot:
    """One worker's slot.  Every field has one writer, so that no lock is needed."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._memory = mmap.mmap(fd, _SIZE)

    @classmethod
    def create(cls) -> "Slot":
        fd = os.memfd_create("jobsup-slot", os.MFD_CLOEXEC)
        os.ftruncate(fd, _SIZE)
        return cls(fd)

    @classmethod
    def from_fd(cls, fd: int) -> "Slot":
        return cls(fd)

    def read(self) -> Ticks:
        return Ticks(*_LAYOUT.unpack_from(self._memory, 0))

    def tick_main(self, now: float) -> None:
        _U64.pack_into(self._memory, _MAIN_TICK, int(now * 1e9))

    def tick_fetch(self, now: float) -> None:
        _U64.pack_into(self._memory, _FETCH_TICK, int(now * 1e9))

    def set_work(self, busy: int, in_hand: int) -> None:
        _U32.pack_into(self._memory, _BUSY, busy)
        _U32.pack_into(self._memory, _IN_HAND, in_hand)

    def set_state(self, state: int) -> None:
        _U32.pack_into(self._memory, _STATE, state)

    def close(self) -> None:
        self._memory.close()
        os.close(self.fd)
