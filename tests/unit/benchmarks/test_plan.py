"""The faults of a chaos run, decided from its seed."""

from __future__ import annotations

from benchmarks.chaos.plan import KINDS, plan


def test_the_same_seed_gives_the_same_faults_and_another_gives_others():
    assert plan(20, 60, seed=1) == plan(20, 60, seed=1)
    assert plan(20, 60, seed=1) != plan(20, 60, seed=2)


def test_there_are_as_many_kills_as_asked_for_and_other_faults_beside_them():
    faults = plan(200, 60, seed=1)
    assert sum(fault.kind.endswith(".kill") for fault in faults) == 200
    assert {fault.kind for fault in faults} == set(KINDS)


def test_faults_come_in_the_order_of_their_time_and_within_the_run():
    times = [fault.at for fault in plan(50, 60, seed=1)]
    assert times == sorted(times)
    assert times[0] >= 1.0
    assert times[-1] <= 60.0
