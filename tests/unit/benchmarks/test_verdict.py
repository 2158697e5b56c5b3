"""What the chaos run calls lost, explained and unexplained."""

from __future__ import annotations

import pytest
from benchmarks.chaos.ledger import Run
from benchmarks.chaos.verdict import Fault, judge, percentiles

PID = 100
TIMEOUT = 3.0


def fault(kind: str, at: float, until: float | None = None, pid: int = PID) -> Fault:
    return Fault(kind, at, at if until is None else until, frozenset({pid}))


def outage(at: float, until: float) -> Fault:
    return Fault("server.kill", at, until)


def explained(first: Run, again: float, *faults: Fault) -> bool:
    verdict = judge([1], {1: [first, Run(200, again, again + 0.1)]}, faults, TIMEOUT)
    assert len(verdict.unexplained) + verdict.reruns.total() == 1
    return not verdict.unexplained


def test_an_acknowledged_job_that_never_ended_is_lost():
    runs = {1: [Run(PID, 10.0)], 2: [Run(PID, 10.0, 10.1)], 3: [Run(PID, 10.0, 10.1, failed=True)]}
    assert judge([1, 2, 3, 4], runs, [], TIMEOUT).lost == [1, 3, 4]


def test_a_job_whose_push_was_not_acknowledged_is_not_lost_but_must_not_run_twice_either():
    verdict = judge([], {1: [Run(PID, 10.0, 10.1), Run(PID, 11.0, 11.1)]}, [], TIMEOUT)
    assert verdict.lost == []
    assert len(verdict.unexplained) == 1


def test_a_planned_failure_is_no_second_run():
    verdict = judge([1], {1: [Run(PID, 10.0, 10.1, failed=True), Run(PID, 12.0, 12.1)]}, [], TIMEOUT)
    assert verdict.lost == verdict.unexplained == []
    assert not verdict.reruns


def test_a_second_run_without_any_fault_is_unexplained():
    assert not explained(Run(PID, 10.0, 10.1), 11.0)


@pytest.mark.parametrize("kind", ["keeper.kill", "template.kill", "parent.freeze", "keeper.freeze"])
def test_what_happens_to_a_helper_explains_nothing(kind):
    assert not explained(Run(PID, 10.0), 11.0, Fault(kind, 10.5, 10.6))


def test_a_kill_explains_what_its_process_ran():
    assert explained(Run(PID, 10.0), 11.0, fault("worker.kill", 10.5))


def test_a_kill_of_another_process_explains_nothing():
    assert not explained(Run(PID, 10.0), 11.0, fault("worker.kill", 10.5, pid=101))


def test_a_kill_before_the_run_or_long_after_its_end_explains_nothing():
    assert not explained(Run(PID, 10.0, 10.1), 20.0, fault("worker.kill", 9.0))
    assert not explained(Run(PID, 10.0, 10.1), 20.0, fault("worker.kill", 12.0))


def test_a_run_that_began_while_the_kill_was_being_sent_is_explained() -> None:
    assert explained(Run(PID, 10.0, 10.001), 10.02, Fault("worker.kill", 9.999, 10.005, frozenset({PID})))


def test_a_kill_just_after_the_end_explains_it_as_the_outcome_may_not_be_recorded():
    assert explained(Run(PID, 10.0, 10.1), 11.0, fault("worker.kill", 10.2))


def test_an_outage_alone_explains_nothing_because_settling_is_repeated_and_fenced():
    assert not explained(Run(PID, 10.0, 10.1), 13.0, outage(10.05, 12.0))


def test_an_outage_lengthens_the_time_in_which_a_kill_explains():
    assert explained(Run(PID, 10.0, 10.1), 15.0, outage(10.05, 12.0), fault("worker.kill", 13.0))


def test_a_short_freeze_explains_nothing_and_one_beyond_the_lease_does():
    assert not explained(Run(PID, 10.0, 14.0), 14.5, fault("worker.freeze", 10.5, 14.0))
    assert explained(Run(PID, 10.0, 28.0), 26.0, fault("worker.freeze_long", 10.5, 28.0))


@pytest.mark.parametrize("kind", ["worker.term", "stop", "reload", "parent.kill", "pool.given_up"])
def test_being_asked_to_leave_explains_a_run_that_did_not_end_in_time_and_no_other(kind):
    assert explained(Run(PID, 10.0), 15.0, fault(kind, 10.5))
    assert explained(Run(PID, 10.0, 14.0), 15.0, fault(kind, 10.5))
    assert not explained(Run(PID, 10.0, 11.0), 15.0, fault(kind, 10.5))


def test_latency_counts_from_the_fault_to_the_next_start_of_each_job_it_hit():
    runs = {1: [Run(PID, 10.0), Run(200, 10.75, 11.0)], 2: [Run(PID, 10.0), Run(200, 12.5, 13.0)]}
    verdict = judge([1, 2], runs, [fault("worker.kill", 10.5)], TIMEOUT)
    assert verdict.latencies == {"worker.kill": [0.25, 2.0]}


def test_after_an_outage_latency_counts_from_its_end_to_the_next_start_of_any_job():
    verdict = judge([1], {1: [Run(PID, 12.25, 12.5)]}, [outage(10.0, 12.0)], TIMEOUT)
    assert verdict.latencies == {"server.kill": [0.25]}


def test_percentiles_are_values_that_were_measured():
    assert percentiles([3.0, 1.0, 2.0]) == {"n": 3, "p50": 2.0, "p99": 3.0, "max": 3.0}
