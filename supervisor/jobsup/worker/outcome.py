"""What happened to a job: made in one place (``executor``), consumed in one place (``settle``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Succeeded:
    """``perform`` returned."""


@dataclass(frozen=True, slots=True)
class RetryAt:
    """It failed and is to run again.

    Attributes:
        when: Unix seconds.
        payload: what goes into the retry set.
    """

    when: float
    payload: bytes


@dataclass(frozen=True, slots=True)
class Buried:
    """It failed for the last time, or was no job at all; *payload* goes into the dead set."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Discarded:
    """It failed, and its options say that nothing is to be kept."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Somebody asked to end it, and it did.  Not a failure."""


@dataclass(frozen=True, slots=True)
class GivenBack:
    """It goes back and costs the job no attempt: nobody started it, or it stands at a place of its own choice."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A stop ended it before it was done.  Not a failure, but counted where there is a limit.

    Attributes:
        most: how often this may happen; None for as often as there are stops, which nobody counts.
        buried: what goes into the dead set when it happened more often; empty for nothing at all.
    """

    most: int | None = None
    buried: bytes = b""


Outcome: TypeAlias = Succeeded | RetryAt | Buried | Discarded | Cancelled | GivenBack | Interrupted
