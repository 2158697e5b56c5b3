"""The place of an iterable job as its worker keeps it, and what becomes of the job."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from conftest import Server
from jobsup import IterableJob
from jobsup.errors import Paused
from jobsup.events import Events
from jobsup.jobs import iterable, registry
from jobsup.jobs.perform import perform
from jobsup.jobs.registry import Registry
from jobsup.store import keys, scripts
from jobsup.store.iteration import Kept, State
from jobsup.worker.executor import Executor
from jobsup.worker.outcome import Cancelled, GivenBack, Outcome, RetryAt, Succeeded
from jobsup.worker.progress import WorkerProgress, places
from jobsup.worker.settle import DeadLimits, settlement
from jobsup.worker.unit import UnitOfWork

ME = "host:1:aaaaaaaaaaaa"


class Worker:
    """What a worker does with one job, step by step."""

    def __init__(self, server: Server, r: redis.Redis) -> None:
        self.r = r
        self.run = scripts.runner(r)
        self.said: list[str] = []
        self.is_stopping = False
        events = Events()
        events.subscribe(lambda name, facts: self.said.append(name))
        self.places: Callable[[UnitOfWork], WorkerProgress] = places(server.url, ME, events, lambda: self.is_stopping)
        self.execute = Executor(registry.default, perform, 25, 8, events, progress=self.places)
        scripts.register(self.run, ME, lease=15, queues='["a"]', place="", pid=1, start="1")

    def take(self, **fields: Any) -> UnitOfWork:
        self.r.lpush("queue:a", json.dumps({"class": "Count", "args": [], "jid": "j"} | fields))
        return self.take_again()

    def take_again(self) -> UnitOfWork:
        [(queue, raw)] = scripts.turn(self.run, ME, [], [], ["a"], 1).taken
        unit = UnitOfWork(queue, raw)
        unit.jid = json.loads(raw)["jid"]
        return unit

    def settle(self, unit: UnitOfWork, outcome: Outcome) -> None:
        scripts.turn(self.run, ME, [settlement(unit, outcome, DeadLimits(10, 1.0), 1.0)], [], [], 0)


@pytest.fixture
def worker(server: Server, r: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(registry, "default", Registry())
    monkeypatch.setattr(iterable, "SAVE_EVERY", 0.0)
    return Worker(server, r)


def count(do: Callable[[int], object]) -> list[int]:
    """Declare ``Count`` of the items 0, 1, 2; returns what it did."""
    done: list[int] = []

    class Count(IterableJob):
        def build_enumerator(self, cursor: int | None) -> Iterator[tuple[int, int]]:
            return self.sequence_enumerator(range(3), cursor=cursor)

        def each_iteration(self, item: int) -> None:
            do(item)
            done.append(item)

    return done


def test_a_finished_job_leaves_no_state(worker: Worker) -> None:
    seen: list[object] = []
    done = count(lambda item: seen.append(worker.r.hget("it-j", "c")))
    unit = worker.take()

    outcome = worker.execute(unit)
    assert (outcome, done, seen) == (Succeeded(), [0, 1, 2], [b"0", b"1", b"2"])

    assert worker.r.exists("it-j")  # until it is recorded that the job is done: the process may die before
    worker.settle(unit, outcome)
    assert not worker.r.exists("it-j")


def test_a_stopped_job_goes_back_byte_for_byte_and_goes_on_where_it_was(worker: Worker) -> None:
    def stop_at(item: int) -> None:
        worker.is_stopping = item == 1

    done = count(stop_at)
    unit = worker.take(max_interruptions=0)
    outcome = worker.execute(unit)
    worker.settle(unit, outcome)

    assert outcome == GivenBack()
    assert worker.r.lrange("queue:a", 0, -1) == [unit.raw]
    assert worker.said[-1] == "job.paused"

    worker.is_stopping = False
    again = worker.take_again()
    worker.settle(again, worker.execute(again))
    assert done == [0, 1, 2]
    assert worker.r.keys("it-*") == []


def test_a_failed_job_keeps_its_place_for_the_retry(worker: Worker) -> None:
    def fail(item: int) -> None:
        if item == 1:
            raise ValueError

    count(fail)
    unit = worker.take()
    outcome = worker.execute(unit)
    worker.settle(unit, outcome)

    assert isinstance(outcome, RetryAt)
    assert worker.r.hget("it-j", "c") == b"1"


def test_a_failed_job_that_is_not_retried_leaves_no_state(worker: Worker) -> None:
    def fail(item: int) -> None:
        raise ValueError

    count(fail)
    unit = worker.take(retry=False)
    worker.settle(unit, worker.execute(unit))

    assert worker.r.keys("it-*") == []


def test_a_cancelled_job_is_done_with(worker: Worker) -> None:
    done = count(lambda item: worker.r.hset("it-j", "cancelled", "1"))
    unit = worker.take()
    outcome = worker.execute(unit)
    worker.settle(unit, outcome)

    assert (outcome, done) == (Cancelled(), [0])
    assert worker.r.keys("it-*") == []


def test_a_worker_that_was_given_up_ends_the_job_and_leaves_the_newer_place(worker: Worker) -> None:
    def give_up(item: int) -> None:
        scripts.give_back(worker.run, ME)
        worker.r.hset("it-j", mapping={"ex": 2, "c": 2})

    done = count(give_up)
    unit = worker.take()

    assert worker.execute(unit) == GivenBack()
    assert done == [0]
    assert worker.r.hget("it-j", "c") == b"2"


def test_a_job_that_the_same_worker_took_again_is_not_the_one_it_gave_up(worker: Worker) -> None:
    unit = worker.take()
    unit.abandoned = True

    assert worker.places(unit).save(State(1, 1)) is Kept.NOT_OURS
    assert worker.r.llen(keys.inflight(ME, "a")) == 1
    assert not worker.r.exists("it-j")


def test_a_malformed_state_is_a_failure_like_any_other(worker: Worker) -> None:
    done = count(lambda item: None)
    worker.r.hset("it-j", "c", "{")
    outcome = worker.execute(worker.take())

    assert isinstance(outcome, RetryAt)
    failed = json.loads(outcome.payload)
    assert failed["error_class"] == "jobsup.errors.MalformedState"
    assert "delete the key it-j" in failed["error_message"]
    assert done == []


def test_a_job_begins_only_where_redis_says_where_it_stands(own_server: Server, r: redis.Redis) -> None:
    place = places(own_server.url, ME, Events(), lambda: False)(UnitOfWork("a", b"{}"))
    own_server.kill()

    with pytest.raises(Paused):
        place.load()


def test_an_outage_is_told_once_and_the_place_is_kept_after_it(own_server: Server) -> None:
    said: list[str] = []
    events = Events()
    events.subscribe(lambda name, facts: said.append(name))
    unit = UnitOfWork("a", b"{}")
    unit.jid = "j"
    place = places(own_server.url, ME, events, lambda: False)(unit)
    with own_server.client() as r:
        r.lpush(keys.inflight(ME, "a"), b"{}")
    own_server.kill()

    assert [place.save(State(1, 5)) for _ in range(3)] == [Kept.UNKNOWN] * 3
    assert said == ["job.unkept"]

    own_server.start()
    assert place.save(State(1, 5)) is Kept.SAFE
    with own_server.client() as r:
        assert r.hget("it-j", "c") == b"5"
