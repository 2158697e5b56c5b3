"""What the parent says of itself and of its pools, in memory that it shares with the keeper.

In memory and not over their link: a keeper that waits for Redis reads no messages, and the question whether the
parent still moves must be answered just then.

Layout, little-endian: when the loop last went round (monotonic nanoseconds, u64), four facts (u32), the number of pools
(u32, padded to 8 bytes), then one entry for each pool: its name, eight u32 and four u64.  An entry belongs to the same
pool for good, so that no reader finds one pool's name with another's counters.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Mapping
from typing import NamedTuple

_TICK = struct.Struct("<Q")
_FACTS = struct.Struct("<4I")
_COUNT = struct.Struct("<I4x")
_COUNT_AT = _TICK.size + _FACTS.size
_POOLS_AT = _COUNT_AT + _COUNT.size
_NAME = struct.Struct("272s")
"""As long as a file's name and what the name of a quarantine adds to it; longer ones are cut."""
_POOL = struct.Struct("<8I4Q")
_ENTRY = _NAME.size + _POOL.size
_MOST_POOLS = 512
"""Pools that a parent can tell of while it lives; of further ones nothing is told."""
_SIZE = _POOLS_AT + _ENTRY * _MOST_POOLS


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


class Pool(NamedTuple):
    """What held of one pool.  The last four only grow while the parent lives.

    Attributes:
        wanted: workers that it is to have.
        ready: workers that are READY.
        threads: of those.
        busy: threads that run a job, of all its workers.
        in_hand: jobs that its workers took and have not settled.
        generation: the one that its workers are to have.
        workers: processes of any generation and state.
        failed: 1 when it was given up.
        started: worker processes that were started.
        deaths: of those, how many ended without having been asked to.
        processed: jobs that ended in them.
        failures: of those, how many failed.
    """

    wanted: int = 0
    ready: int = 0
    threads: int = 0
    busy: int = 0
    in_hand: int = 0
    generation: int = 0
    workers: int = 0
    failed: int = 0
    started: int = 0
    deaths: int = 0
    processed: int = 0
    failures: int = 0


class Pulse:
    """One writer, the parent's loop; any number of readers.  Every field is written whole, so there is no lock."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._memory = mmap.mmap(fd, _SIZE)
        self._entries: dict[bytes, int] = {}

    @classmethod
    def create(cls) -> Pulse:
        """Raises: OSError: the system has no descriptor or memory to spare."""
        fd = os.memfd_create("jobsup-pulse", os.MFD_CLOEXEC)
        os.ftruncate(fd, _SIZE)
        return cls(fd)

    def beat(self, facts: Facts, pools: Mapping[str, Pool]) -> None:
        """The loop went round, and found *pools*, by name."""
        for name, pool in pools.items():
            self._tell(_name(name), pool)
        _FACTS.pack_into(self._memory, _TICK.size, *facts[1:])
        _TICK.pack_into(self._memory, 0, int(facts.at * 1e9))

    def _tell(self, name: bytes, pool: Pool) -> None:
        index = self._entries.get(name, len(self._entries))
        if index == _MOST_POOLS:
            return
        at = _POOLS_AT + _ENTRY * index
        _POOL.pack_into(self._memory, at + _NAME.size, *pool)
        if name not in self._entries:
            self._entries[name] = index
            _NAME.pack_into(self._memory, at, name)
            # Last: whoever counts the entry finds all of it written.
            _COUNT.pack_into(self._memory, _COUNT_AT, len(self._entries))

    def read(self) -> Facts:
        """What was last written of the whole."""
        started, stopping, able, failed = _FACTS.unpack_from(self._memory, _TICK.size)
        (tick,) = _TICK.unpack_from(self._memory, 0)
        return Facts(tick / 1e9, bool(started), bool(stopping), able, failed)

    def pools(self, *names: str) -> dict[str, Pool]:
        """What was last written of those of *names* that there are."""
        (count,) = _COUNT.unpack_from(self._memory, _COUNT_AT)
        entries = {}
        for at in range(_POOLS_AT, _POOLS_AT + _ENTRY * count, _ENTRY):
            (name,) = _NAME.unpack_from(self._memory, at)
            entries[name.rstrip(b"\0")] = at + _NAME.size
        return {
            name: Pool(*_POOL.unpack_from(self._memory, entries[_name(name)]))
            for name in names
            if _name(name) in entries
        }

    def close(self) -> None:
        self._memory.close()
        os.close(self.fd)


def _name(name: str) -> bytes:
    return name.encode("utf-8", "replace")[: _NAME.size].rstrip(b"\0")
