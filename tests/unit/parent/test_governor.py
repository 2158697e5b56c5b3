"""What is done when the control group's memory runs short."""

from __future__ import annotations

from typing import Any

import pytest

from jobsup.parent.governor import Action, Hold, Holder, Kill, Release, Replace, decide
from jobsup.parent.stages import Stage
from jobsup.unix.cgroup import Room


def holder(nonce: str, own: int, pool: str = "main", stage: Stage = Stage.READY, **facts: bool) -> Holder:
    return Holder(nonce, pool, own, **{"spare": False, **facts}, stage=stage)


def done(
    used: int, *holders: Holder, held: dict[str, int] | None = None, size: int = 2, patient: bool = False
) -> Action | None:
    return decide(Room(1000, used), holders, {"main": size, "heavy": size}, held or {}, patient=patient)


def test_with_room_nothing_is_done() -> None:
    assert done(849, holder("a", 800, spare=True)) is None


def test_when_it_is_tight_the_largest_idle_worker_is_replaced() -> None:
    workers = holder("a", 200, spare=True), holder("b", 300, spare=True), holder("c", 400)
    assert done(850, *workers) == Replace("b")


def test_one_is_replaced_at_a_time() -> None:
    assert done(850, holder("a", 200, spare=True), holder("b", 300, worn=True)) is None
    assert done(850, holder("a", 200, spare=True), holder("b", 300, stage=Stage.DRAINING, worn=True)) == Replace("a")


def test_when_it_is_short_the_hungriest_pool_is_held() -> None:
    workers = holder("a", 200), holder("b", 200), holder("c", 300, pool="heavy")
    assert done(920, *workers) == Hold("main")
    assert done(920, *workers, held={"main": 0}) == Hold("heavy")
    assert done(920, *workers, held={"main": 1}) == Hold("main")
    assert done(920, *workers, held={"main": 0, "heavy": 0}) is None


def test_a_pool_that_was_held_is_given_time_before_another_is() -> None:
    assert done(920, holder("a", 400), patient=True) is None


def test_the_pools_of_suspects_are_never_held() -> None:
    assert done(920, holder("a", 400, isolated=True)) is None


def test_before_the_kernel_kills_the_largest_worker_is_killed_whoever_it_is_and_one_at_a_time() -> None:
    workers = holder("a", 200), holder("b", 300, stage=Stage.DRAINING), holder("c", 100)
    assert done(970, *workers) == Kill("b")
    assert done(970, *workers, holder("d", 290, isolated=True, stage=Stage.KILLED)) is None


@pytest.mark.parametrize("used", [860, 930, 980])
def test_who_holds_next_to_nothing_is_left_alone_whatever_others_hold(used: int) -> None:
    assert done(used, holder("a", 49, spare=True)) is None
    assert done(used) is None


def test_between_tight_and_plenty_what_is_held_stays_held() -> None:
    assert done(800, held={"main": 0}) is None
    assert done(849, held={"main": 0}) is None


def test_with_plenty_of_room_a_held_pool_gets_its_workers_back_one_by_one() -> None:
    assert done(799, held={"main": 0}) == Release("main")
    assert done(799, holder("a", 10), held={"main": 1}) == Release("main")


def test_those_who_still_finish_something_count_so_that_the_pool_never_has_more_than_its_size() -> None:
    leaving: Any = [holder("a", 100, stage=Stage.DRAINING), holder("b", 100, stage=Stage.KILLED)]
    assert done(799, *leaving, held={"main": 0}) is None
    assert done(799, leaving[0], held={"main": 0}) == Release("main")
    assert done(799, leaving[0], holder("c", 10), held={"main": 1}) is None


def test_a_held_pool_that_is_to_have_no_workers_is_let_go() -> None:
    assert done(799, held={"main": 0}, size=0) == Release("main")
