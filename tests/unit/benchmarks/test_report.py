"""When a chaos run has failed."""

from __future__ import annotations

import copy

import pytest
from benchmarks.chaos.report import exits, failures

GOOD = {
    "lost": {"count": 0},
    "ran_again": {"unexplained": 0},
    "quiet_after": 3.0,
    "leftovers": {
        "in_flight": 0,
        "leases": 0,
        "processes": 0,
        "zombies": 0,
        "descriptors": {"at_start": 9, "at_end": 9},
    },
    "supervisor": {"exits": exits({0: 1, -9: 4, 71: 1}), "last": "stopped"},
}


def test_a_run_without_loss_surprise_or_leftover_has_not_failed():
    assert failures(GOOD) == []


@pytest.mark.parametrize(
    ("where", "value", "said"),
    [
        (("lost", "count"), 1, "1 lost"),
        (("ran_again", "unexplained"), 2, "2 unexplained second runs"),
        (("quiet_after",), None, "it did not become quiet"),
        (("leftovers", "in_flight"), 3, "3 in_flight left"),
        (("leftovers", "zombies"), 1, "1 zombies left"),
        (("leftovers", "descriptors", "at_end"), 10, "descriptors grew from 9 to 10"),
        (("supervisor", "exits"), exits({70: 1}), "UNEXPECTED exit code 70"),
        (("supervisor", "last"), "did not stop", "the last stop: did not stop"),
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
