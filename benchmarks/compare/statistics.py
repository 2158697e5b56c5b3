"""What many rounds say together.  Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Summary:
    """Of one figure over all rounds."""

    median: float
    least: float
    most: float
    rounds: int


def summary(values: Sequence[float]) -> Summary:
    return Summary(statistics.median(values), min(values), max(values), len(values))


def ratio(ours: Sequence[float | None], theirs: Sequence[float | None]) -> float | None:
    """The median of *ours* / *theirs* round by round, of the rounds that both have.

    Round by round, because neighbours in time saw the same machine; None where there is no such round.
    """
    pairs = [(mine, other) for mine, other in zip(ours, theirs, strict=True) if mine is not None and other]
    return statistics.median(mine / other for mine, other in pairs) if pairs else None


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def ideal(milliseconds: float, slots: int, processors: int | None = None) -> float:
    """Jobs per second when every slot runs one of that length after the other.

    Computing jobs need a processor as well as a slot: give how many there are for them.
    """
    return min(slots, slots if processors is None else processors) * 1000 / milliseconds
