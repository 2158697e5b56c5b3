"""When a job costs something else than recorded."""

from __future__ import annotations

import pytest
from benchmarks.cost.count import TOLERATED, differences

BASELINE = {"Redis commands": 1.0, "round trips": 0.01, "calls of Python functions": 40.0, "calls of C functions": 50.0}


def test_everything_that_is_recorded_has_its_tolerance():
    assert TOLERATED.keys() == BASELINE.keys()


def test_what_differs_from_run_to_run_is_no_difference():
    assert differences({name: 1.04 * value for name, value in BASELINE.items()}, BASELINE) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("Redis commands", 2.0, "100% more Redis commands for each job: 2 instead of 1"),
        ("round trips", 0.1, "900% more round trips for each job: 0.1 instead of 0.01"),
        ("calls of Python functions", 44.0, "10% more calls of Python functions for each job: 44 instead of 40"),
        ("calls of C functions", 25.0, "50% fewer calls of C functions for each job: 25 instead of 50"),
    ],
)
def test_what_is_more_or_fewer_is_said_with_both_figures(name, value, said):
    assert differences(BASELINE | {name: value}, BASELINE) == [said]
