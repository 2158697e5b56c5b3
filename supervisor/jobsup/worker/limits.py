"""How long a job may run, and how long it may take to heed that.  Pure; times on the monotonic clock, in seconds.

At its limit a job is asked to end (``TimeLimitExceeded``), or earlier by whoever cancels it.  One that has not ended
a *grace* later is stuck: no exception reaches it, so only the end of its process can end it.
"""

from __future__ import annotations

from collections.abc import Iterable

from jobsup.worker.unit import UnitOfWork


def stuck_at(unit: UnitOfWork, grace: float) -> float:
    """From when on *unit* is waited for no longer."""
    return min(unit.limit, unit.cancelled_at) + grace


def overdue(unit: UnitOfWork, now: float) -> bool:
    """Whether *unit* has used up its time."""
    return now >= unit.limit


def next_moment(units: Iterable[UnitOfWork], grace: float, now: float) -> float:
    """When one of *units* is next to be looked at; infinite when none has a limit."""
    moments = [at for unit in units for at in (unit.limit, stuck_at(unit, grace)) if at > now]
    return min(moments, default=float("inf"))
