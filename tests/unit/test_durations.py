"""What a histogram of durations tells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsup.durations import Durations, bucket, length, merged


def measured(*seconds: float) -> Durations:
    return merged(Durations({bucket(s): 1}) for s in seconds)


@given(st.floats(0.001, 1e8))
def test_a_run_is_remembered_to_within_five_percent(seconds: float) -> None:
    assert length(bucket(seconds)) == pytest.approx(seconds, rel=0.05)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-9, 1e30])
def test_no_run_is_too_short_or_too_long_to_be_counted(seconds: float) -> None:
    assert measured(seconds).runs == 1


def test_the_quantiles_are_those_of_the_runs() -> None:
    many = measured(*range(1, 101))

    assert many.quantile(0.5) == pytest.approx(50, rel=0.05)
    assert many.quantile(0.95) == pytest.approx(95, rel=0.05)
    assert many.total == pytest.approx(5050, rel=0.05)
    assert Durations().quantile(0.95) == 0.0


def test_a_job_that_has_run_for_long_is_compared_with_the_runs_that_lasted_as_long() -> None:
    mostly_short = measured(*[1.0] * 90, *[60.0] * 10)

    assert mostly_short.chance(0.0, 25.0) == pytest.approx(0.9)
    assert mostly_short.chance(5.0, 25.0) == 0.0
    assert mostly_short.chance(40.0, 25.0) == 1.0


def test_a_job_that_outlasts_all_that_was_measured_is_not_expected_to_end() -> None:
    assert measured(1.0, 2.0).chance(10.0, 25.0) == 0.0


def test_of_what_was_never_measured_nothing_is_said() -> None:
    assert Durations().chance(0.0, 25.0) is None


def test_a_stop_is_felt_by_a_run_only_while_its_end_is_further_away_than_the_budget() -> None:
    assert measured(100.0, 10.0).beyond(25.0) == pytest.approx(75.0, rel=0.1)


@given(st.lists(st.floats(0.0005, 1e5)), st.integers(0, 24))
def test_how_many_runs_ended_within_a_power_of_two_milliseconds_is_exact(seconds: list[float], power: int) -> None:
    limit = 2**power / 1000
    assert measured(*seconds).within(1 << power) == sum(s <= limit for s in seconds)
