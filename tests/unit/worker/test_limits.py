"""How long a job may run."""

from __future__ import annotations

from jobsup.clock import FOREVER
from jobsup.worker import limits
from jobsup.worker.unit import UnitOfWork


def unit(limit: float = FOREVER, cancelled_at: float = FOREVER) -> UnitOfWork:
    made = UnitOfWork("a", b"")
    made.limit, made.cancelled_at = limit, cancelled_at
    return made


def test_a_job_without_a_limit_is_never_overdue_and_never_stuck() -> None:
    assert not limits.overdue(unit(), 1e12)
    assert limits.stuck_at(unit(), 5.0) == FOREVER


def test_a_job_is_overdue_at_its_limit_and_stuck_a_grace_later() -> None:
    assert not limits.overdue(unit(100.0), 99.9)
    assert limits.overdue(unit(100.0), 100.0)
    assert limits.stuck_at(unit(100.0), 5.0) == 105.0


def test_a_cancelled_job_is_stuck_a_grace_after_it_was_asked() -> None:
    assert limits.stuck_at(unit(100.0, cancelled_at=50.0), 5.0) == 55.0
    assert limits.stuck_at(unit(cancelled_at=50.0), 5.0) == 55.0


def test_the_next_moment_is_the_first_that_has_not_passed() -> None:
    units = [unit(100.0), unit(120.0), unit()]

    assert limits.next_moment(units, 5.0, 99.0) == 100.0
    assert limits.next_moment(units, 5.0, 100.0) == 105.0
    assert limits.next_moment(units, 5.0, 105.0) == 120.0
    assert limits.next_moment(units, 5.0, 125.0) == FOREVER
    assert limits.next_moment([], 5.0, 0.0) == FOREVER
