"""When a worker is to be replaced although it works."""

from __future__ import annotations

from typing import Any

import pytest
from running import profile

from jobsup.parent.wear import worn

MB = 1 << 20


def judged(spread: float = 1.0, age: float = 60.0, finished: int = 5, held: int = 50 * MB, **limits: Any) -> str:
    return worn(profile(**limits), spread, age=age, finished=finished, held=held)


def test_without_limits_nobody_is_worn() -> None:
    assert judged(age=1e9, finished=10**9, held=1 << 40) == ""


def test_who_holds_more_than_its_memory_is_worn_and_the_sentence_has_both_figures() -> None:
    assert judged(held=100 * MB, max_memory=100 * MB) == ""
    assert judged(held=1638 * MB, max_memory=1024 * MB) == "it holds 1.6G (max_memory 1G)"


def test_who_has_finished_no_job_is_not_too_large_as_its_successor_would_be_too() -> None:
    assert judged(held=900 * MB, finished=0, max_memory=100 * MB) == ""
    assert judged(held=900 * MB, finished=1, max_memory=100 * MB)


@pytest.mark.parametrize(("spread", "last"), [(1.0, 100), (0.9, 90), (0.901, 91)])
def test_a_worker_has_its_own_share_of_max_jobs(spread: float, last: int) -> None:
    assert judged(spread, finished=last - 1, max_jobs=100) == ""
    assert judged(spread, finished=last, max_jobs=100) == f"it has run {last} jobs (max_jobs 100)"


def test_a_single_job_is_always_allowed() -> None:
    assert judged(0.9, finished=0, max_jobs=1) == ""
    assert judged(0.9, finished=1, max_jobs=1)


def test_a_worker_has_its_own_share_of_max_lifetime() -> None:
    assert judged(0.95, age=3419.9, max_lifetime=3600.0) == ""
    assert judged(0.95, age=3420.0, max_lifetime=3600.0) == "it has lived for 3420s (max_lifetime 3600s)"
