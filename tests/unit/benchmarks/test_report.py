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


def log(second: int, said: str) -> str:
    return f"2026-01-01T00:00:0{second}.000Z INFO    parent pid=7 {said}"


def ready(second: int, pid: int, generation: int) -> str:
    return log(second, f"Worker main is ready (pid {pid}, generation {generation}) after 0.1s")


def reload_at(second: int, *pids: int) -> Fault:
    return Fault("reload", 1767225600.0 + second, 1767225600.0 + second, frozenset(pids))


def test_a_reload_asks_those_to_leave_that_are_ready_when_it_begins_and_late_ones_of_an_old_generation():
    elsewhere = ready(2, 13, 1).replace("pid=7", "pid=8")
    lines = [ready(0, 10, 1), log(1, "Reloading: generation 2"), ready(1, 11, 1), ready(1, 12, 2), elsewhere]
    assert reloaded(lines) == [reload_at(1, 10), reload_at(1, 11)]


def test_a_reload_that_follows_another_asks_those_to_leave_whom_that_one_brought():
    lines = [log(1, "Reloading: generation 2"), ready(2, 12, 2), log(3, "Reloading: generation 3")]
    assert reloaded(lines) == [reload_at(1), reload_at(3, 12)]


def test_the_workers_of_a_reload_that_was_rolled_back_were_asked_to_leave_as_well():
    refused = log(3, "Reload refused, generation 1 goes on: it crashed")
    lines = [log(1, "Reloading: generation 2"), ready(2, 12, 2), refused]
    assert reloaded(lines) == [reload_at(1), reload_at(3, 12)]
