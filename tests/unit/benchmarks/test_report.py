"""When a chaos run has failed."""

from __future__ import annotations

import copy

import pytest
from benchmarks.chaos.report import exits, failures, reloaded
from benchmarks.chaos.verdict import Fault

GOOD = {
    "lost": {"count": 0},
    "ran_again": {"unexplained": 0},
    "items": {"lost": 0, "unexplained": 0},
    "given_back": {"jobs": 24, "behind": [], "swapped": 3},
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
        (("items", "lost"), 2, "2 items lost"),
        (("items", "unexplained"), 1, "1 items done again without a reason"),
        (("given_back", "behind"), [7], "1 given back behind what never ran"),
        (("given_back", "jobs"), 0, "the last stop but one gave nothing back"),
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


def test_a_worker_that_became_ready_in_an_old_generation_during_a_reload_was_reloaded_too():
    lines = [
        "2026-01-01T00:00:00.000Z INFO    parent pid=7 Worker main is ready (pid 10, generation 1) after 0.1s",
        "2026-01-01T00:00:01.000Z INFO    parent pid=7 Reloading: generation 2",
        "2026-01-01T00:00:01.100Z INFO    parent pid=7 Worker main is ready (pid 11, generation 1) after 0.1s",
        "2026-01-01T00:00:01.200Z INFO    parent pid=7 Worker main is ready (pid 12, generation 2) after 0.1s",
        "2026-01-01T00:00:02.000Z INFO    parent pid=8 Worker main is ready (pid 13, generation 1) after 0.1s",
    ]
    assert reloaded(lines) == [Fault("reload", 1767225601.0, 1767225601.0, frozenset({11}))]


def test_the_workers_of_a_reload_that_was_rolled_back_were_asked_to_leave_as_well():
    lines = [
        "2026-01-01T00:00:01.000Z INFO    parent pid=7 Reloading: generation 2",
        "2026-01-01T00:00:02.000Z INFO    parent pid=7 Worker main is ready (pid 12, generation 2) after 0.1s",
        "2026-01-01T00:00:03.000Z ERROR   parent pid=7 Reload refused, generation 1 goes on: it crashed",
    ]
    assert reloaded(lines) == [Fault("reload", 1767225603.0, 1767225603.0, frozenset({12}))]
