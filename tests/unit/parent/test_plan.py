from dataclasses import replace

from jobsup.clock import FOREVER
from jobsup.parent.plan import Drain, Kill, Mode, Pool, Quiet, Spawn, State, Worker, next_deadline, plan
from jobsup.parent.stages import Stage


def worker(nonce: str, stage: Stage = Stage.READY, generation: int = 1, deadline: float = FOREVER) -> Worker:
    return Worker(nonce, "main", generation, stage, deadline)


def pool(size: int = 2, generation: int = 1, **fields: object) -> Pool:
    return Pool("main", size, generation, **{"loaded": True, **fields})  # type: ignore[arg-type]


FULL = pool()


def decide(*workers: Worker, pool: Pool = FULL, mode: Mode = Mode.RUNNING, now: float = 0.0) -> list[object]:
    return list(plan(State(mode, (pool,), workers), now))


def test_an_empty_pool_is_filled_at_once() -> None:
    assert decide() == [Spawn("main", 1)] * 2


def test_a_full_pool_is_left_alone() -> None:
    assert decide(worker("a"), worker("b", Stage.BOOTING)) == []


def test_nothing_is_forked_before_the_template_has_loaded() -> None:
    assert decide(pool=pool(loaded=False)) == []


def test_a_failed_pool_is_not_refilled_but_keeps_who_still_works() -> None:
    assert decide(worker("a"), pool=pool(failed=True)) == []


def test_a_hold_keeps_one_vacancy_open_until_its_time() -> None:
    assert decide(pool=pool(holds=(5.0,)), now=4.9) == [Spawn("main", 1)]
    assert decide(pool=pool(holds=(5.0,)), now=5.0) == [Spawn("main", 1)] * 2


def test_who_is_leaving_or_killed_is_replaced_and_does_not_count() -> None:
    assert decide(worker("a"), worker("b", Stage.DRAINING)) == [Spawn("main", 1)]
    assert decide(worker("a"), worker("b", Stage.KILLED)) == [Spawn("main", 1)]


def test_a_worker_is_killed_once_its_deadline_has_come_in_every_stage_but_the_last() -> None:
    for stage in Stage:
        late = worker("a", stage, deadline=10.0)
        kills = [Kill("a")] if stage < Stage.KILLED else []

        assert [a for a in decide(late, now=10.0) if isinstance(a, Kill)] == kills
        assert [a for a in decide(late, now=9.9) if isinstance(a, Kill)] == []


def test_a_stop_drains_all_that_stay_in_the_same_tick_even_those_that_are_still_being_made() -> None:
    workers = [worker(stage.name, stage) for stage in Stage]

    assert decide(*workers, mode=Mode.STOPPING) == [
        Drain("SPAWNING"), Drain("BOOTING"), Drain("READY"), Drain("QUIET"),
    ]  # fmt: skip


def test_nobody_is_replaced_during_a_stop() -> None:
    assert decide(mode=Mode.STOPPING) == []


def test_quiet_asks_those_that_fetch_and_replaces_nobody() -> None:
    found = decide(worker("a"), worker("b", Stage.BOOTING), pool=pool(size=3), mode=Mode.QUIET)

    assert found == [Quiet("a")]


def test_a_reload_adds_one_worker_before_it_takes_one_away() -> None:
    assert decide(worker("a"), worker("b"), pool=pool(generation=2)) == [Spawn("main", 2)]


def test_an_old_worker_stays_while_its_successor_boots() -> None:
    found = decide(worker("a"), worker("b"), worker("c", Stage.BOOTING, 2), pool=pool(generation=2))

    assert found == []


def test_an_old_worker_drains_once_its_successor_is_ready_and_the_next_slot_begins() -> None:
    found = decide(worker("a"), worker("b"), worker("c", Stage.READY, 2), pool=pool(generation=2))

    assert found == [Drain("a", patient=True), Spawn("main", 2)]


def test_the_last_old_worker_drains_and_nobody_else_is_made() -> None:
    found = decide(worker("b"), worker("c", Stage.READY, 2), worker("d", Stage.READY, 2), pool=pool(generation=2))

    assert found == [Drain("b", patient=True)]


def test_a_reload_waits_for_a_template_and_keeps_what_works() -> None:
    assert decide(worker("a"), worker("b"), pool=pool(generation=2, loaded=False)) == []


def test_a_rollback_drops_what_boots_and_keeps_what_works() -> None:
    found = decide(worker("a"), worker("b"), worker("c", Stage.BOOTING, 2), pool=pool(generation=1))

    assert found == [Drain("c", patient=True)]


def test_a_rollback_replaces_ready_workers_of_the_bad_generation_without_losing_capacity() -> None:
    assert decide(worker("b"), worker("c", Stage.READY, 2), pool=pool(generation=1)) == [Spawn("main", 1)]


def test_a_pool_that_shrinks_lets_its_newest_go() -> None:
    assert decide(worker("a"), worker("b"), worker("c"), pool=pool(size=1)) == [
        Drain("c", patient=True),
        Drain("b", patient=True),
    ]


def test_a_removed_pool_drains() -> None:
    assert decide(worker("a"), worker("b"), pool=pool(size=0, generation=2)) == [
        Drain("a", patient=True),
        Drain("b", patient=True),
    ]


def test_pools_do_not_count_each_others_workers() -> None:
    heavy = Worker("x", "heavy", 1, Stage.READY)

    assert decide(heavy) == [Spawn("main", 1)] * 2


def test_the_next_deadline_is_the_earliest_that_changes_something() -> None:
    workers = (worker("a", Stage.BOOTING, deadline=7.0), worker("b", Stage.KILLED, deadline=1.0))
    state = State(Mode.RUNNING, (pool(holds=(5.0, 2.0)),), workers)

    assert next_deadline(state, now=3.0) == 5.0
    assert next_deadline(State(Mode.RUNNING, (pool(),), ()), now=3.0) == FOREVER


# -- worn workers


def test_a_worn_worker_stays_until_another_is_ready_and_then_drains_with_patience() -> None:
    worn = replace(worker("a"), worn=True)
    assert decide(worn, worker("b")) == [Spawn("main", 1)]
    assert decide(worn, worker("b"), worker("c", Stage.BOOTING)) == []
    assert decide(worn, worker("b"), worker("c")) == [Drain("a", patient=True)]


def test_of_many_worn_workers_as_many_as_the_surge_are_replaced_at_a_time() -> None:
    worn = replace(worker("a"), worn=True), replace(worker("b"), worn=True)
    assert decide(*worn) == [Spawn("main", 1)]
    assert decide(*worn, worker("c")) == [Drain("a", patient=True), Spawn("main", 1)]
    assert decide(*worn, pool=pool(surge=2)) == [Spawn("main", 1)] * 2


def test_a_worn_worker_goes_on_while_nobody_can_take_its_place() -> None:
    worn = replace(worker("a"), worn=True)
    assert decide(worn, worker("b"), pool=pool(loaded=False)) == []
    assert decide(worn, worker("b"), pool=pool(failed=True)) == []
    assert decide(worn, worker("b"), pool=pool(holds=(5.0,)), now=4.0) == []


def test_a_pool_that_shrinks_lets_its_worn_go_first() -> None:
    assert decide(replace(worker("a"), worn=True), worker("b"), pool=pool(size=1)) == [Drain("a", patient=True)]


# -- canaries, surge and old generations


def test_the_first_of_a_new_generation_works_beside_the_old_ones_until_it_has_proved_itself() -> None:
    alone = pool(2, generation=2, alone=True)
    old = worker("a"), worker("b")
    assert decide(*old, pool=alone) == [Spawn("main", 2)]
    assert decide(*old, worker("c", generation=2), pool=alone) == []
    assert decide(*old, worker("c", generation=2), pool=replace(alone, alone=False)) == [
        Drain("a", patient=True),
        Spawn("main", 2),
    ]


def test_a_pool_that_shrinks_while_its_canary_boots_keeps_to_its_size_and_the_surge() -> None:
    alone = pool(1, generation=2, alone=True)
    workers = worker("a"), worker("b"), worker("c", Stage.BOOTING, generation=2)
    assert decide(*workers, pool=alone) == [Drain("a", patient=True)]


def test_a_canary_that_failed_goes_and_nobody_else() -> None:
    assert decide(worker("a"), worker("b"), worker("c", generation=2)) == [Drain("c", patient=True)]


def test_a_larger_surge_replaces_as_many_at_a_time() -> None:
    assert decide(worker("a"), worker("b"), pool=pool(2, generation=2, surge=2)) == [Spawn("main", 2)] * 2


def leaving(nonce: str, generation: int) -> Worker:
    return replace(worker(nonce, Stage.DRAINING, generation), patient=True)


def test_a_stop_ends_the_patience_of_a_reload() -> None:
    assert decide(leaving("a", 1), mode=Mode.STOPPING) == [Drain("a")]


def test_of_too_many_generations_the_oldest_has_to_leave_as_in_a_stop() -> None:
    workers = leaving("a", 1), leaving("b", 2), worker("c", generation=3)
    assert decide(*workers, pool=pool(1, generation=3, generations=3)) == []
    assert decide(*workers, pool=pool(1, generation=3, generations=2)) == [Drain("a")]


def test_one_generation_too_many_leaves_without_patience_even_if_it_had_not_begun_to_leave() -> None:
    numbers = [worker(str(number), Stage.BOOTING, number) for number in (1, 2, 3)]

    found = decide(*numbers, pool=pool(size=0, generation=4))

    assert found == [Drain("1", patient=False), Drain("2", patient=True), Drain("3", patient=True)]
