"""What the parent says of itself, in memory that it shares with the keeper.

In memory and not over their link: a keeper that waits for Redis reads no messages, and the question whether the
parent still moves must be answered just then.
"""

from __future__ import annotations

import mmap
import os
import struct
from typing import NamedTuple

_TICK = struct.Struct("<Q")
_FACTS = struct.Struct("<4I")
_SIZE = _TICK.size + _FACTS.size


class Facts(NamedTuple):
    """What held when the parent's loop last went round.

    Attributes:
        at: when that was, monotonic seconds; 0.0: not once yet.
        started: every pool has had all its workers at one time.
        stopping: a stop has begun.
        able: workers that are READY, or were and have been made quiet since.
        failed: pools that were given up.
    """

    at: float = 0.0
    started: bool = False
    stopping: bool = False
    able: int = 0
    failed: int = 0


class Pulse:
    """One writer, the parent's loop; any number of readers.  Every field is written whole, so there is no lock."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._memory = mmap.mmap(fd, _SIZE)

    @classmethod
    def create(cls) -> Pulse:
        """Raises: OSError: the system has no descriptor or memory to spare."""
        fd = os.memfd_create("jobsup-pulse", os.MFD_CLOEXEC)
        os.ftruncate(fd, _SIZE)
        return cls(fd)

    def beat(self, facts: Facts) -> None:
        """The loop went round."""
        _FACTS.pack_into(self._memory, _TICK.size, *facts[1:])
        _TICK.pack_into(self._memory, 0, int(facts.at * 1e9))

    def read(self) -> Facts:
        """What was last written."""
        started, stopping, able, failed = _FACTS.unpack_from(self._memory, _TICK.size)
        (tick,) = _TICK.unpack_from(self._memory, 0)
        return Facts(tick / 1e9, bool(started), bool(stopping), able, failed)
