"""What the chaos run calls lost, explained and unexplained."""

from __future__ import annotations

import pytest
from benchmarks.chaos import verdict as rules
from benchmarks.chaos.ledger import Item, Ledger, Run
from benchmarks.chaos.verdict import Fault, Order, Verdict, order, percentiles

PID = 100
TIMEOUT = 3.0


def fault(kind: str, at: float, until: float | None = None, pid: int = PID) -> Fault:
    return Fault(kind, at, at if until is None else until, frozenset({pid}))


def outage(at: float, until: float) -> Fault:
    return Fault("server.kill", at, until)


def judge(
    acknowledged: list[int],
    runs: dict[int, list[Run]],
    faults: list[Fault],
    timeout: float,
    repeated: set[int] | None = None,
) -> Verdict:
    ledger = Ledger()
    ledger.runs = runs
    return rules.judge(acknowledged, repeated or set(), {}, ledger, faults, timeout)


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


def test_a_short_freeze_that_meets_an_outage_explains_a_lease_that_ran_out_and_neither_does_alone():
    frozen, away = fault("worker.freeze", 10.5, 15.0), outage(14.0, 22.0)
    assert explained(Run(PID, 10.0), 26.0, frozen, away)
    assert not explained(Run(PID, 10.0), 26.0, frozen)
    assert not explained(Run(PID, 10.0), 26.0, away)


def test_how_soon_is_told_apart_for_faults_that_nothing_else_came_near():
    runs = {1: [Run(PID, 10.0), Run(200, 11.0, 11.1)], 2: [Run(101, 30.0), Run(200, 31.0, 31.1)]}
    faults = [fault("worker.kill", 10.5), Fault("keeper.kill", 8.0, 8.0), fault("worker.kill", 30.5, pid=101)]
    verdict = judge([1, 2], runs, faults, TIMEOUT)
    assert verdict.latencies["worker.kill"] == [0.5, 0.5]
    assert verdict.alone["worker.kill"] == [0.5]


def test_the_second_run_of_one_copy_of_a_push_may_follow_the_first_run_of_the_other():
    runs = {1: [Run(PID, 10.0), Run(101, 10.02, 11.5), Run(200, 10.9, 12.4)]}
    killed = fault("worker.kill", 10.15)

    assert judge([1], runs, [killed], TIMEOUT, repeated={1}).reruns == {"push.repeated": 1, "worker.kill": 1}
    assert judge([1], runs, [killed], TIMEOUT).unexplained
    assert judge([1], runs, [], TIMEOUT, repeated={1}).unexplained


def test_a_push_that_may_have_been_sent_twice_explains_one_run_more_and_no_third():
    runs = [Run(PID, 10.0, 10.1), Run(PID, 10.2, 10.3)]
    assert not judge([1], {1: runs}, [], TIMEOUT, repeated={1}).unexplained
    assert judge([1], {1: [*runs, Run(PID, 10.4, 10.5)]}, [], TIMEOUT, repeated={1}).reruns == {"push.repeated": 1}


# -- items of iterable jobs


def items(
    done: list[Item], runs: list[Run], *faults: Fault, count: int = 2, repeated: set[int] | None = None
) -> Verdict:
    ledger = Ledger()
    ledger.runs, ledger.items, ledger.ended = {1: runs}, {1: done}, {1}
    return rules.judge([1], repeated or set(), {1: count}, ledger, faults, TIMEOUT)


RUNS = [Run(PID, 10.0), Run(200, 11.0, 12.0)]


def test_an_item_that_nobody_did_is_lost_though_its_job_ended():
    verdict = items([Item(0, PID, 10.1), Item(2, 200, 11.1)], RUNS, fault("stop", 10.5), count=3)
    assert verdict.lost_items == [(1, 1)]


def test_an_item_done_again_after_a_kill_is_explained():
    verdict = items([Item(0, PID, 10.1), Item(0, 200, 11.1), Item(1, 200, 11.2)], RUNS, fault("worker.kill", 10.5))
    assert (verdict.items_again, verdict.unexplained_items) == (1, [])


def test_an_item_done_again_after_a_stop_is_not_explained_as_the_place_is_kept_then():
    done = [Item(0, PID, 10.1), Item(0, 200, 11.1), Item(1, 200, 11.2)]
    assert items(done, RUNS, fault("stop", 10.5)).unexplained_items == [(1, done[0], done[1])]
    assert not items(done, RUNS, fault("stop", 10.5), outage(10.4, 10.6)).unexplained_items


def test_a_run_that_began_after_its_process_was_asked_to_leave_may_have_lost_its_place_too():
    done = [Item(0, PID, 10.1), Item(0, 200, 11.1), Item(1, 200, 11.2)]
    assert not items(done, RUNS, fault("reload", 9.5), outage(10.4, 10.6)).unexplained_items


def test_a_push_that_may_have_been_sent_twice_explains_each_item_once_more_and_no_third_time():
    done = [Item(0, PID, 10.1), Item(0, PID, 10.2), Item(1, PID, 10.3)]
    assert not items(done, RUNS, repeated={1}).unexplained_items
    assert len(items([*done, Item(0, PID, 10.4)], RUNS, repeated={1}).unexplained_items) == 1


def test_two_processes_that_hold_a_job_for_a_while_are_explained_by_the_freeze_of_either():
    done = [Item(0, 200, 26.0), Item(0, PID, 26.5), Item(1, 200, 26.6)]
    runs = [Run(PID, 10.0), Run(200, 25.9, 27.0)]
    assert not items(done, runs, fault("worker.freeze_long", 10.5, 26.4)).unexplained_items
    assert items(done, runs, fault("worker.freeze_long", 10.5, 26.4, pid=300)).unexplained_items


# -- what a stop gives back


def test_what_ran_goes_back_before_what_waits_and_swaps_within_a_process_are_counted():
    assert order([3, 1, 2, 7, 8], {1: 100, 2: 200, 3: 100}) == Order(behind=[], swapped=1)


def test_a_job_given_back_behind_one_that_never_ran_is_named():
    assert order([1, 7, 2, 8], {1: 100, 2: 100}) == Order(behind=[2], swapped=0)
