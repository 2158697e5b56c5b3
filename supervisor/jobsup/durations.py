"""How long jobs take: a histogram that a few small numbers describe.  Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

_PER_OCTAVE = 8
"""Buckets from a duration to its double: what is read from one is at most 5 % off."""
_LONGEST = 8 * 40
"""The last bucket; beyond 30 years."""

Counts: TypeAlias = dict[int, int]
"""Bucket -> runs."""


def bucket(seconds: float) -> int:
    """The bucket of a run of *seconds*; 0 holds all up to a millisecond."""
    if seconds <= 1e-3:
        return 0
    return min(_LONGEST, math.ceil(_PER_OCTAVE * math.log2(seconds * 1000)))


def length(number: int) -> float:
    """Seconds that stand for every run in bucket *number*: its geometric middle."""
    return float(2.0 ** ((number - 0.5) / _PER_OCTAVE)) / 1000


@dataclass(frozen=True, slots=True)
class Durations:
    """What was measured of one class of jobs.

    Attributes:
        counts: runs that succeeded, by bucket.
        timeout: seconds that its jobs may use once a stop has begun; None: what the profile says.
        pauses: it stops between two items and goes on elsewhere, so that no stop interrupts it.
    """

    counts: Mapping[int, int] = field(default_factory=dict)
    timeout: float | None = None
    pauses: bool = False

    @property
    def runs(self) -> int:
        return sum(self.counts.values())

    @property
    def total(self) -> float:
        """Seconds over all runs."""
        return sum(length(number) * count for number, count in self.counts.items())

    def within(self, ms: int) -> int:
        """Runs of at most *ms* milliseconds, a power of two: there buckets end, so that the number is exact."""
        last = _PER_OCTAVE * (ms.bit_length() - 1)
        return sum(count for number, count in self.counts.items() if number <= last)

    def quantile(self, share: float) -> float:
        """Seconds within which *share* of the runs ended; 0.0 when nothing was measured."""
        seen = 0
        for number in sorted(self.counts):
            seen += self.counts[number]
            if seen >= share * self.runs:
                return length(number)
        return 0.0

    def chance(self, age: float, within: float) -> float | None:
        """How likely a job that has run for *age* seconds ends *within* so many more; None: nothing was measured.

        Of the runs that lasted longer, the share that ended in time; 0.0 when none ever did last so long.
        """
        if not self.counts:
            return None
        longer = [(length(number), count) for number, count in self.counts.items() if length(number) > age]
        ended = sum(count for seconds, count in longer if seconds <= age + within)
        return ended / sum(count for _, count in longer) if longer else 0.0

    def beyond(self, budget: float) -> float:
        """Seconds that the runs spent, over all, too far from their end for a stop with *budget* to wait for them.

        A stop comes at any moment, so that it meets a run as likely as the run is long.
        """
        return sum(max(0.0, length(number) - budget) * count for number, count in self.counts.items())


def merged(parts: Iterable[Durations]) -> Durations:
    """As one: the runs of all, the longest timeout."""
    counts: Counts = {}
    timeout, pauses = None, False
    for part in parts:
        for number, count in part.counts.items():
            counts[number] = counts.get(number, 0) + count
        if part.timeout is not None:
            timeout = max(timeout or 0.0, part.timeout)
        pauses = pauses or part.pauses
    return Durations(counts, timeout, pauses)
