"""A capsule at work against a real server: taking, settling, waiting, giving back, outages."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable

import pytest
import redis

from capsule import ME, Worker, inflight
from conftest import Server, eventually
from jobsup import errors
from jobsup.errors import Shutdown, TimeLimitExceeded
from jobsup.store import keys, scripts
from jobsup.worker.outcome import Buried, Cancelled, Discarded, GivenBack, Interrupted, Outcome, RetryAt, Succeeded
from jobsup.worker.unit import UnitOfWork


def test_jobs_of_every_queue_are_run_and_acknowledged(r: redis.Redis, work: Callable[..., Worker]) -> None:
    ran: list[bytes] = []

    def execute(unit: UnitOfWork) -> Outcome:
        ran.append(unit.raw)
        return Succeeded()

    worker = work(execute)
    r.lpush("queue:a", *[f"a{i}" for i in range(50)])
    r.lpush("queue:b", *[f"b{i}" for i in range(50)])

    eventually(lambda: worker.counters.peek() == (100, 0))
    assert len(ran) == 100
    assert inflight(r) == []
    assert worker.manager.in_hand == 0


def test_a_job_that_arrives_while_all_wait_starts_at_once(r: redis.Redis, work: Callable[..., Worker]) -> None:
    started = threading.Event()

    def execute(_unit: UnitOfWork) -> Outcome:
        started.set()
        return Succeeded()

    work(execute)
    eventually(lambda: r.info("clients")["blocked_clients"] == 2)
    r.lpush("queue:b", "1")

    assert started.wait(2.0)


@pytest.mark.parametrize(
    ("outcome", "counted", "key"),
    [
        (Succeeded(), (1, 0), None),
        (RetryAt(123.0, b"again"), (1, 1), "retry"),
        (Buried(b"dead"), (1, 1), "dead"),
        (Discarded(), (1, 1), None),
        (Cancelled(), (1, 0), None),
        (Interrupted(0, b"dead"), (1, 1), "dead"),
        (Interrupted(0), (1, 1), None),
    ],
)
def test_every_outcome_is_recorded_and_counted(
    r: redis.Redis, work: Callable[..., Worker], outcome: Outcome, counted: tuple[int, int], key: str | None
) -> None:
    worker = work(lambda _unit: outcome)
    r.lpush("queue:a", "1")

    eventually(lambda: worker.counters.peek() == counted)
    assert inflight(r) == []
    assert r.zcard("retry") + r.zcard("dead") == (key is not None)
    if key:
        assert r.zcard(key) == 1


@pytest.mark.parametrize("outcome", [GivenBack(), Interrupted(), Interrupted(1, b"dead")])
def test_an_interrupted_job_goes_back_to_the_fetching_end_and_is_not_counted(
    r: redis.Redis, server: Server, outcome: Outcome
) -> None:
    quiet: list[Callable[[], None]] = []

    def execute(_unit: UnitOfWork) -> Outcome:
        quiet[0]()
        return outcome

    r.lpush("queue:a", "1", "2")
    worker = Worker(server.url, execute, concurrency=1)
    quiet.append(worker.manager.quiet)
    worker.manager.start()

    eventually(lambda: r.lrange("queue:a", 0, -1) == [b"2", b"1"])
    assert worker.counters.peek() == (0, 0)
    worker.stop()


def test_no_more_jobs_are_taken_than_threads_are_free_while_jobs_are_long(
    r: redis.Redis, work: Callable[..., Worker]
) -> None:
    release = threading.Event()

    def execute(_unit: UnitOfWork) -> Outcome:
        release.wait(10)
        return Succeeded()

    worker = work(execute, concurrency=2)
    r.lpush("queue:a", *map(str, range(10)))

    eventually(lambda: len(worker.manager.running()) == 2)
    eventually(lambda: len(inflight(r)) == 2)
    assert r.llen("queue:a") == 8
    release.set()
    eventually(lambda: worker.counters.peek() == (10, 0))


def test_jobs_taken_ahead_of_a_long_one_are_given_back_to_others(r: redis.Redis, work: Callable[..., Worker]) -> None:
    release = threading.Event()

    def execute(unit: UnitOfWork) -> Outcome:
        if unit.raw == b"long":
            release.wait(10)
        return Succeeded()

    worker = work(execute, concurrency=1)
    r.lpush("queue:a", *[f"s{i}" for i in range(3000)], "long", *[f"t{i}" for i in range(3000)])

    eventually(lambda: any(u.raw == b"long" for _, u in worker.manager.running()))
    eventually(lambda: inflight(r) == [b"long"])
    assert r.lindex("queue:a", -1) == b"t0"
    release.set()
    eventually(lambda: worker.counters.peek() == (6001, 0))


def test_quiet_gives_unstarted_jobs_back_and_lets_the_running_ones_finish(
    r: redis.Redis, work: Callable[..., Worker]
) -> None:
    release = threading.Event()

    def execute(_unit: UnitOfWork) -> Outcome:
        release.wait(10)
        return Succeeded()

    worker = work(execute, concurrency=1)
    r.lpush("queue:a", "1")
    eventually(lambda: len(worker.manager.running()) == 1)
    worker.manager.quiet()
    eventually(lambda: r.info("clients")["blocked_clients"] == 0)
    r.lpush("queue:a", "2")
    release.set()

    eventually(lambda: worker.counters.peek() == (1, 0))
    assert r.lrange("queue:a", 0, -1) == [b"2"]
    assert inflight(r) == []


def test_a_shutdown_interrupts_the_job_that_runs_and_no_other(r: redis.Redis, work: Callable[..., Worker]) -> None:
    interrupted: list[bytes] = []

    def execute(unit: UnitOfWork) -> Outcome:
        try:
            while unit.raw == b"endless":
                time.sleep(0.001)
        except Shutdown:
            interrupted.append(unit.raw)
            raise
        return Succeeded()

    worker = work(execute, concurrency=1)
    r.lpush("queue:a", "endless")
    eventually(lambda: len(worker.manager.running()) == 1)
    processor, unit = worker.manager.running()[0]
    worker.manager.quiet()
    processor.interrupt(unit, Shutdown)
    processor.interrupt(unit, Shutdown)

    eventually(lambda: r.lrange("queue:a", 0, -1) == [b"endless"])
    assert interrupted == [b"endless"]
    processor.interrupt(unit, Shutdown)  # too late: nothing may happen
    assert worker.manager.running() == []


def test_a_job_that_swallowed_its_time_limit_can_still_be_interrupted_by_a_stop(
    r: redis.Redis, work: Callable[..., Worker]
) -> None:
    seen: list[str] = []

    def execute(_unit: UnitOfWork) -> Outcome:
        for kind in (TimeLimitExceeded, errors.Cancelled, Shutdown):
            try:
                while True:
                    time.sleep(0.001)
            except kind:
                seen.append(kind.__name__)
        return Succeeded()

    worker = work(execute, concurrency=1)
    r.lpush("queue:a", "1")
    eventually(lambda: len(worker.manager.running()) == 1)
    processor, unit = worker.manager.running()[0]
    for kind in (TimeLimitExceeded, errors.Cancelled, Shutdown):
        before = len(seen)
        processor.interrupt(unit, kind)
        eventually(lambda before=before: len(seen) == before + 1)

    assert seen == ["TimeLimitExceeded", "Cancelled", "Shutdown"]
    eventually(lambda: worker.counters.peek() == (1, 0))


def test_the_running_table_says_that_a_job_was_cancelled_and_of_the_next_that_it_was_not(
    r: redis.Redis, work: Callable[..., Worker]
) -> None:
    release = threading.Event()

    def execute(unit: UnitOfWork) -> Outcome:
        assert unit.entry is not None
        unit.entry.begin(unit.begun, 0.0, 1, 1, 1, unit.raw.decode(), "K", "a")
        with contextlib.suppress(errors.Cancelled):
            release.wait(10)
        return Succeeded()

    worker = work(execute, concurrency=1)
    r.lpush("queue:a", "1", "2")
    eventually(lambda: len(worker.slot.running()) == 1)
    processor, unit = worker.manager.running()[0]
    processor.interrupt(unit, errors.Cancelled)

    assert [job.cancelled for job in worker.slot.running()] == [True]
    release.set()
    release.clear()
    eventually(lambda: [job.jid for job in worker.slot.running()] == ["2"])
    processor.interrupt(unit, errors.Cancelled)  # too late: nothing may happen
    assert [job.cancelled for job in worker.slot.running()] == [False]
    release.set()
    eventually(lambda: worker.counters.peek() == (2, 0))


# An interrupt may hit a finalizer that happens to run in that thread; Python then only reports it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_interrupts_at_any_moment_lose_no_unit(r: redis.Redis, work: Callable[..., Worker]) -> None:
    worker = work(lambda _unit: Succeeded(), concurrency=2)
    r.lpush("queue:a", *map(str, range(3000)))

    while r.llen("queue:a") or worker.manager.in_hand:
        for processor, unit in worker.manager.running():
            for kind in (TimeLimitExceeded, errors.Cancelled, Shutdown):
                processor.interrupt(unit, kind)

    eventually(lambda: worker.counters.peek()[0] == 3000)
    assert inflight(r) == []


def test_a_worker_that_was_given_up_abandons_what_it_holds_and_starts_afresh(
    r: redis.Redis, work: Callable[..., Worker]
) -> None:
    release = threading.Event()
    ran: list[bytes] = []

    def execute(unit: UnitOfWork) -> Outcome:
        ran.append(unit.raw)
        if unit.raw == b"1" and len(ran) == 1:
            release.wait(10)
            return RetryAt(1.0, b"stale")
        return Succeeded()

    worker = work(execute, concurrency=2)
    r.lpush("queue:a", "1")
    eventually(lambda: ran == [b"1"])
    scripts.give_back(worker.run, ME)
    r.lpush("queue:b", "2")  # a blocking move brings it, into the list of one that was given up

    worker.manager.ring()
    release.set()
    eventually(lambda: worker.manager.fetcher.epoch == 1)
    assert worker.lease.registered is False
    worker.register()
    worker.manager.ring()

    # What arrives before the worker knows of the sweep begins at once; its end changes nothing, and it runs again.
    eventually(lambda: ran.count(b"1") >= 2 and b"2" in ran, within=20)
    eventually(lambda: inflight(r) == [], within=20)  # two looks, or three when the move completed after the first
    assert not r.exists("retry")
    assert "worker.fenced" in worker.names()


def test_nothing_is_lost_when_the_server_dies_in_the_middle(own_server: Server) -> None:
    ran: list[bytes] = []
    worker = Worker(own_server.url, lambda u: (ran.append(u.raw), time.sleep(0.002), Succeeded())[2])
    with own_server.client() as client:
        client.lpush("queue:a", *map(str, range(1000)))
    worker.manager.start()
    eventually(lambda: len(ran) > 100)
    own_server.kill()
    eventually(lambda: "redis.lost" in worker.names())
    own_server.start()

    eventually(lambda: worker.counters.peek() == (1000, 0), within=30)
    assert {int(raw) for raw in ran} == set(range(1000))
    assert "job.fenced" not in worker.names()
    assert worker.names().count("redis.lost") == worker.names().count("redis.found") == 1
    with own_server.client() as client:
        assert inflight(client) == []
    worker.stop()


def test_a_job_whose_reply_was_lost_is_found_and_given_back(r: redis.Redis, work: Callable[..., Worker]) -> None:
    ran: list[bytes] = []
    work(lambda unit: (ran.append(unit.raw), Succeeded())[1])
    eventually(lambda: r.info("clients")["blocked_clients"] == 2)
    r.lpush(keys.inflight(ME, "a"), "stranger")
    mine = r.client_id()
    for client in r.client_list():
        if int(client["id"]) != mine:
            r.client_kill_filter(_id=client["id"])

    eventually(lambda: ran == [b"stranger"], within=20)
    eventually(lambda: inflight(r) == [])  # it ran; recording that takes a moment


def test_a_queue_that_is_no_list_is_reported_once_and_the_others_are_served(
    r: redis.Redis, work: Callable[..., Worker]
) -> None:
    r.set("queue:a", "oops")
    worker = work(lambda _unit: Succeeded())
    r.lpush("queue:b", *map(str, range(20)))

    eventually(lambda: worker.counters.peek() == (20, 0))
    assert [facts for name, facts in worker.said if name == "queue.broken"] == [{"queue": "a"}]


def test_an_idle_capsule_sends_less_than_one_command_per_second_and_queue(
    r: redis.Redis, work: Callable[..., Worker]
) -> None:
    work(lambda _unit: Succeeded())
    eventually(lambda: r.info("clients")["blocked_clients"] == 2)
    before = r.info("stats")["total_commands_processed"]
    begun = time.monotonic()
    time.sleep(2.0)  # the measurement itself
    sent = r.info("stats")["total_commands_processed"] - before - 1

    assert sent < 2 * (time.monotonic() - begun)


def test_queues_beyond_the_connections_have_a_doorbell(r: redis.Redis, work: Callable[..., Worker]) -> None:
    ran: list[bytes] = []

    def execute(unit: UnitOfWork) -> Outcome:
        ran.append(unit.raw)
        return Succeeded()

    r.set("queue:q39", "no list")
    work(execute, queues=tuple((f"q{n}", 0) for n in range(40)))
    eventually(lambda: r.info("clients")["tracking_clients"] == 1)
    eventually(lambda: r.info("clients")["blocked_clients"] == 24)
    for n in (0, 38, 30, 23, 24, 38, 30):
        before = len(ran)
        begun = time.monotonic()
        r.lpush(f"queue:q{n}", f"{n}-{before}")
        eventually(lambda before=before: len(ran) == before + 1)
        assert time.monotonic() - begun < 4, "found by looking again, not by the bell"
    assert r.info("clients")["connected_clients"] < 32


def test_the_bell_of_a_worker_is_not_inherited_by_programs_it_starts(
    r: redis.Redis, work: Callable[..., Worker]
) -> None:
    worker = work(lambda _unit: Succeeded())

    assert not os.get_inheritable(worker.manager._outbox._bell.fileno())


def test_nothing_begins_once_others_may_have_been_given_what_was_taken(
    r: redis.Redis, work: Callable[..., Worker]
) -> None:
    began: list[bytes] = []

    def execute(unit: UnitOfWork) -> Outcome:
        began.append(unit.raw)
        if len(began) == 100:
            worker.lease._confirmed_at = float("-inf")  # as after a freeze that was longer than the lease
        return Succeeded()

    r.lpush("queue:a", *[f"a{i}" for i in range(400)])
    worker = work(execute, concurrency=1)

    eventually(lambda: r.llen("queue:a") == 300)
    assert len(began) == 100
    assert inflight(r) == []
