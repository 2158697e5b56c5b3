"""What the first jobs of a new generation say about its code."""

from math import comb

import pytest

from jobsup.parent.canary import Finding, Tally, at_least, judge


def find(new: tuple[int, int], old: tuple[int, int], jobs: int = 1, waited: float = 0.0) -> Finding:
    return judge(Tally(*new), Tally(*old), jobs, waited, 5.0)


def test_it_waits_for_its_first_job() -> None:
    assert find((0, 0), (100, 0)) is Finding.WAIT
    assert find((1, 0), (100, 0)) is Finding.GOOD


def test_it_waits_for_as_many_jobs_as_asked_for() -> None:
    assert find((9, 0), (100, 0), jobs=10) is Finding.WAIT
    assert find((10, 0), (100, 0), jobs=10) is Finding.GOOD


def test_without_any_job_time_alone_decides() -> None:
    assert find((0, 0), (100, 0), waited=5.0) is Finding.GOOD


def test_a_failure_where_none_was_before_is_bad() -> None:
    assert find((1, 1), (100, 0)) is Finding.BAD


def test_failures_as_usual_are_not_held_against_it() -> None:
    assert find((1, 1), (100, 20)) is Finding.GOOD
    assert find((20, 4), (100, 20)) is Finding.GOOD
    assert find((1_000_000, 40_000), (1000, 50)) is Finding.GOOD


def test_clearly_more_failures_than_usual_are() -> None:
    assert find((20, 12), (100, 20)) is Finding.BAD


def test_an_old_generation_that_hardly_ran_proves_little() -> None:
    assert find((1, 1), (0, 0)) is Finding.GOOD
    assert find((6, 6), (0, 0)) is Finding.BAD


@pytest.mark.parametrize(("failed", "finished", "rate"), [(1, 5, 0.1), (3, 10, 0.3), (10, 10, 0.9), (7, 60, 0.01)])
def test_the_tail_is_that_of_the_binomial_distribution(failed: int, finished: int, rate: float) -> None:
    exact = sum(comb(finished, k) * rate**k * (1 - rate) ** (finished - k) for k in range(failed, finished + 1))
    assert at_least(failed, finished, rate) == pytest.approx(exact)


def test_the_tail_of_very_many_jobs_is_found_at_once() -> None:
    assert at_least(60_000, 1_000_000, 0.05) < 1e-9
    assert at_least(50_001, 1_000_000, 0.05) == pytest.approx(0.5, abs=0.01)
