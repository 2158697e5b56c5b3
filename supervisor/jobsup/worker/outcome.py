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
class Interrupted:
    """The process is stopping.  Not a failure: it costs the job no attempt."""


Outcome: TypeAlias = Succeeded | RetryAt | Buried | Discarded | Interrupted
