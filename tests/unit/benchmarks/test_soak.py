"""What the soak calls flat."""

from __future__ import annotations

import copy

import pytest
from benchmarks.soak.__main__ import failures
from benchmarks.soak.growth import Growth, growth

GOOD = {
    "growth": {"worker 1": {"rss": [30.0, 31.0], "descriptors": [20.0, 20.0], "threads": [8.0, 8.0]}},
    "runs": {"expected": 100, "counted": 100},
    "same_processes": True,
    "exit_code": 0,
    "leftovers": {"in_flight": 0, "processes": 0},
}


def test_growth_is_between_the_second_and_the_last_fifth_whatever_the_first_did():
    assert growth([1, 2, 10, 10, 10, 10, 10, 10, 12, 12]) == Growth(early=10, late=12)


def test_one_outlier_is_no_growth():
    samples = [5.0] * 50
    samples[-1] = 90.0
    assert growth(samples) == Growth(5.0, 5.0)


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="4 samples are too few"):
        growth([1, 2, 3, 4])


def test_a_flat_run_has_not_failed():
    assert failures(GOOD) == []


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        (("growth", "worker 1", "rss"), [30.0, 32.0], "rss of worker 1 grew from 30 to 32"),
        (("growth", "worker 1", "descriptors"), [20.0, 21.0], "descriptors of worker 1 grew from 20 to 21"),
        (("growth", "worker 1", "threads"), [8.0, 9.0], "threads of worker 1 grew from 8 to 9"),
        (("runs", "counted"), 99, "99 runs instead of 100"),
        (("same_processes",), False, "a process was replaced"),
        (("exit_code",), 10, "exit code 10"),
        (("leftovers", "in_flight"), 2, "2 in_flight left"),
    ],
)
def test_a_run_has_failed_by_any_of(where, value, said):
    result = copy.deepcopy(GOOD)
    *path, last = where
    place = result
    for key in path:
        place = place[key]
    place[last] = value
    assert failures(result) == [said]
