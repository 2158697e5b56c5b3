"""Whether a series of samples is flat.  Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Growth:
    """Medians of the second and of the last fifth of a series: the first fifth is for warming up."""

    early: float
    late: float

    @property
    def by(self) -> float:
        return self.late - self.early


def growth(samples: Sequence[float]) -> Growth:
    fifth = len(samples) // 5
    if not fifth:
        raise ValueError(f"{len(samples)} samples are too few: at least five are needed")
    return Growth(statistics.median(samples[fifth : 2 * fifth]), statistics.median(samples[-fifth:]))
