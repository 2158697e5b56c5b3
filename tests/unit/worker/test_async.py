"""Async jobs in a capsule at work: how many run at once, how they end, and who runs them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest
import redis
import uvloop

from capsule import Worker, inflight
from conftest import eventually
from jobsup import errors
from jobsup.errors import Shutdown, TimeLimitExceeded
from jobsup.events import Events
from jobsup.jobs.options import JobOptions
from jobsup.jobs.perform import perform
from jobsup.jobs.registry import JobDefinition, Registry
from jobsup.worker import eventloop
from jobsup.worker.executor import Executor
from jobsup.worker.unit import Interruption

Job = Callable[..., Any]


class Jobs:
    """Declares functions, enqueues calls of them, and starts a capsule for them."""

    def __init__(self, r: redis.Redis, work: Callable[..., Worker]) -> None:
        self._redis = r
        self._work = work
        self.registry = Registry()
        self.said: list[str] = []

    def declare(self, function: Job, **options: Any) -> None:
        self.registry.declare(
            JobDefinition(
                function.__name__,
                JobOptions(**options),
                lambda payload: function(*payload["args"]),
                is_async=asyncio.iscoroutinefunction(function),
            )
        )

    def start(self, concurrency: int = 2, **executor: Any) -> Worker:
        events = Events()
        events.subscribe(lambda name, facts: self.said.append(name))
        execute = Executor(self.registry, perform, 25, 8, events, **executor)
        return self._work(execute, concurrency=concurrency, lazily=self.registry.has_async)

    def push(self, name: str, *args: Any, queue: str = "a") -> None:
        payload = {"retry": True, "queue": queue, "class": name, "args": args, "jid": f"{name}{args}"}
        self._redis.lpush(f"queue:{queue}", json.dumps(payload, separators=(",", ":")))


@pytest.fixture
def jobs(r: redis.Redis, work: Callable[..., Worker]) -> Jobs:
    return Jobs(r, work)


class Gauge:
    """How many are between ``with`` and its end now, and how many there were at most."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now = self.most = self.done = 0

    def __enter__(self) -> None:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.now -= 1
            self.done += 1


def threads() -> int:
    return sum(thread.name.removeprefix("jobsup-").isdecimal() for thread in threading.enumerate())


def interrupt(worker: Worker, kind: Interruption) -> None:
    for processor, unit in worker.manager.running():
        processor.interrupt(unit, kind)


def test_as_many_async_jobs_wait_at_once_as_the_concurrency_says_and_need_one_thread(
    jobs: Jobs, r: redis.Redis
) -> None:
    gauge, before = Gauge(), threads()

    async def wait() -> None:
        with gauge:
            await asyncio.sleep(0.2)

    jobs.declare(wait)
    worker = jobs.start(concurrency=100)
    for _ in range(250):
        jobs.push("wait")

    eventually(lambda: worker.counters.peek() == (250, 0))
    assert gauge.most == 100
    assert threads() - before == 1
    assert inflight(r) == []


def test_async_and_other_jobs_share_a_queue_and_the_concurrency(jobs: Jobs) -> None:
    gauge, before = Gauge(), threads()

    async def wait() -> None:
        with gauge:
            await asyncio.sleep(0.01)

    def block() -> None:
        with gauge:
            time.sleep(0.01)

    jobs.declare(wait)
    jobs.declare(block)
    worker = jobs.start(concurrency=4)
    for _ in range(100):
        jobs.push("wait")
        jobs.push("block")

    eventually(lambda: worker.counters.peek() == (200, 0))
    assert (gauge.most, gauge.done) == (4, 200)
    assert threads() - before <= 4


def test_a_job_that_keeps_its_thread_holds_up_no_other(jobs: Jobs) -> None:
    release, done = threading.Event(), threading.Event()

    def block() -> None:
        release.wait(10)

    async def quick() -> None:
        done.set()

    jobs.declare(block)
    jobs.declare(quick)
    worker = jobs.start(concurrency=3)
    jobs.push("block")
    jobs.push("block")
    eventually(lambda: len(worker.manager.running()) == 2)
    jobs.push("quick")

    assert done.wait(5)
    release.set()
    eventually(lambda: worker.counters.peek() == (3, 0))


def test_a_capsule_full_of_waiting_jobs_takes_no_more_and_begins_none_that_it_has_taken(
    jobs: Jobs, r: redis.Redis
) -> None:
    release = threading.Event()

    async def wait() -> None:
        while not release.is_set():
            await asyncio.sleep(0.01)

    jobs.declare(wait)
    worker = jobs.start(concurrency=3)
    for _ in range(10):
        jobs.push("wait")

    eventually(lambda: len(worker.manager.running()) == 3)
    eventually(lambda: len(inflight(r)) == 3)
    assert r.llen("queue:a") == 7
    worker.manager.quiet()
    release.set()
    eventually(lambda: worker.counters.peek() == (3, 0))
    assert r.llen("queue:a") == 7


@pytest.mark.parametrize("kind", [Shutdown, TimeLimitExceeded, errors.Cancelled])
def test_an_async_job_is_interrupted_by_cancelling_it_and_the_outcome_is_what_was_asked_for(
    jobs: Jobs, r: redis.Redis, kind: Interruption
) -> None:
    seen: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    jobs.declare(wait, time_limit=1000)
    worker = jobs.start()
    jobs.push("wait")
    eventually(lambda: "job.start" in jobs.said)
    worker.manager.quiet()
    interrupt(worker, kind)
    interrupt(worker, kind)

    eventually(lambda: worker.manager.in_hand == 0)
    assert seen == ["cancelled"]
    assert r.llen("queue:a") == (kind is Shutdown)
    assert worker.counters.peek() == {Shutdown: (0, 0), TimeLimitExceeded: (1, 1), errors.Cancelled: (1, 0)}[kind]
    if kind is TimeLimitExceeded:
        failed = json.loads(r.zrange("retry", 0, -1)[0])
        assert failed["error_class"] == "jobsup.errors.TimeLimitExceeded"
        assert failed["error_message"] == "it ran longer than its time limit of 1000s"


def test_an_async_job_that_swallowed_one_interruption_suffers_the_next(jobs: Jobs, r: redis.Redis) -> None:
    seen: list[int] = []

    async def stubborn() -> None:
        for n in range(3):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(30)
            seen.append(n)

    jobs.declare(stubborn)
    worker = jobs.start()
    jobs.push("stubborn")
    eventually(lambda: "job.start" in jobs.said)
    for n, kind in enumerate((TimeLimitExceeded, errors.Cancelled, Shutdown)):
        interrupt(worker, kind)
        eventually(lambda n=n: len(seen) == n + 1)

    eventually(lambda: worker.counters.peek() == (1, 0))
    assert r.llen("queue:a") == 0


def test_a_cancellation_that_nobody_asked_for_is_a_failure(jobs: Jobs, r: redis.Redis) -> None:
    async def gives_up() -> None:
        raise asyncio.CancelledError

    jobs.declare(gives_up)
    worker = jobs.start()
    jobs.push("gives_up")

    eventually(lambda: worker.counters.peek() == (1, 1))
    assert json.loads(r.zrange("retry", 0, -1)[0])["error_class"].endswith("CancelledError")


def test_a_job_that_was_done_before_its_interruption_arrived_is_done(jobs: Jobs, r: redis.Redis) -> None:
    release = threading.Event()

    async def holds_up_the_loop() -> None:
        release.wait(10)

    jobs.declare(holds_up_the_loop)
    worker = jobs.start()
    jobs.push("holds_up_the_loop")
    eventually(lambda: "job.start" in jobs.said)
    for kind in (TimeLimitExceeded, errors.Cancelled, Shutdown):
        interrupt(worker, kind)
    release.set()

    eventually(lambda: worker.counters.peek() == (1, 0))
    assert jobs.said.count("job.done") == 1
    assert not r.exists("queue:a", "retry")


@pytest.mark.parametrize("kind", [Shutdown, errors.Cancelled])
def test_a_job_that_is_interrupted_before_the_loop_came_to_it_does_not_begin(
    jobs: Jobs, r: redis.Redis, kind: Interruption
) -> None:
    release, began = threading.Event(), threading.Event()

    async def holds_up_the_loop() -> None:
        release.wait(10)

    async def behind() -> None:
        began.set()

    jobs.declare(holds_up_the_loop)
    jobs.declare(behind)
    worker = jobs.start()
    jobs.push("holds_up_the_loop")
    eventually(lambda: "job.start" in jobs.said)
    jobs.push("behind")
    eventually(lambda: any(p._handed_over and u.klass == "behind" for p, u in worker.manager.running()))
    worker.manager.quiet()
    for processor, unit in worker.manager.running():
        if unit.klass == "behind":
            processor.interrupt(unit, kind)
    release.set()

    eventually(lambda: worker.manager.in_hand == 0)
    assert not began.is_set()
    assert r.llen("queue:a") == (kind is Shutdown)
    assert worker.counters.peek() == ((1, 0) if kind is Shutdown else (2, 0))


def test_a_job_does_not_begin_when_the_loop_was_held_up_until_others_may_have_it(jobs: Jobs, r: redis.Redis) -> None:
    release, began = threading.Event(), threading.Event()

    async def holds_up_the_loop() -> None:
        release.wait(10)

    async def behind() -> None:
        began.set()

    jobs.declare(holds_up_the_loop)
    jobs.declare(behind)
    worker = jobs.start()
    jobs.push("holds_up_the_loop")
    eventually(lambda: "job.start" in jobs.said)
    jobs.push("behind")
    eventually(lambda: any(p._handed_over and u.klass == "behind" for p, u in worker.manager.running()))
    worker.lease._confirmed_at = float("-inf")
    release.set()

    eventually(lambda: worker.manager.in_hand == 0)
    assert not began.is_set()
    assert r.llen("queue:a") == 1


def test_interruptions_at_any_moment_lose_no_unit_and_no_processor(jobs: Jobs, r: redis.Redis) -> None:
    async def steps() -> None:
        for _ in range(3):
            await asyncio.sleep(0)

    def plain() -> None: ...

    jobs.declare(steps)
    jobs.declare(plain)
    for _ in range(1000):
        jobs.push("steps")
        jobs.push("plain")
    worker = jobs.start(concurrency=3)

    while r.llen("queue:a") or worker.manager.in_hand:
        for kind in (TimeLimitExceeded, errors.Cancelled, Shutdown):
            interrupt(worker, kind)

    assert worker.counters.peek()[0] == 2000
    assert inflight(r) == []
    assert worker.slot.running() == []
    release = asyncio.Event()

    async def wait() -> None:
        await release.wait()

    jobs.declare(wait)
    for _ in range(5):
        jobs.push("wait")
    eventually(lambda: len(worker.manager.running()) == 3)
    interrupt(worker, errors.Cancelled)
    eventually(lambda: len(worker.manager.running()) == 2)
    interrupt(worker, errors.Cancelled)
    eventually(lambda: worker.manager.in_hand == 0)


def test_what_one_job_puts_into_its_context_is_none_of_the_next_ones_business(jobs: Jobs) -> None:
    tenant: ContextVar[str] = ContextVar("tenant", default="nobody")
    seen: list[str] = []

    async def job(name: str) -> None:
        seen.append(tenant.get())
        tenant.set(name)
        await asyncio.sleep(0.01)
        seen.append(tenant.get())

    jobs.declare(job)
    worker = jobs.start(concurrency=2)
    for name in "abcd":
        jobs.push("job", name)

    eventually(lambda: worker.counters.peek() == (4, 0))
    assert sorted(seen) == ["a", "b", "c", "d", *["nobody"] * 4]


def test_a_job_or_a_task_of_it_that_tries_to_end_the_process_only_fails(jobs: Jobs) -> None:
    async def leave() -> None:
        sys.exit(3)

    async def starts_one() -> None:
        await asyncio.create_task(leave())

    jobs.declare(leave)
    jobs.declare(starts_one)
    worker = jobs.start()
    jobs.push("leave")
    jobs.push("starts_one")
    eventually(lambda: worker.counters.peek() == (2, 2))
    jobs.push("leave")

    eventually(lambda: worker.counters.peek() == (3, 3))


def test_the_running_table_names_every_async_job_and_says_that_it_shares_its_thread(jobs: Jobs) -> None:
    async def wait(n: int) -> None:
        await asyncio.sleep(30)

    def block(n: int) -> None:
        time.sleep(0.3)

    jobs.declare(wait)
    jobs.declare(block)
    worker = jobs.start(concurrency=4)
    for n in range(3):
        jobs.push("wait", n)
    jobs.push("block", 3)

    eventually(lambda: len(worker.slot.running()) == 4)
    table = worker.slot.running()
    assert sorted(job.jid for job in table if job.awaits) == ["wait(0,)", "wait(1,)", "wait(2,)"]
    assert len({job.thread for job in table if job.awaits}) == 1
    interrupt(worker, errors.Cancelled)
    eventually(lambda: worker.slot.running() == [])


def test_a_class_that_is_only_declared_when_the_capsule_is_at_work_runs_in_the_loop_all_the_same(jobs: Jobs) -> None:
    async def late() -> None:
        await asyncio.sleep(0.01)

    worker = jobs.start(concurrency=2)
    jobs.declare(late)
    for _ in range(20):
        jobs.push("late")

    eventually(lambda: worker.counters.peek() == (20, 0))


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_jobs_are_interrupted_alike_in_either_kind_of_loop(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    monkeypatch.setattr(eventloop, "_new_event_loop", loop)
    seen: list[str] = []

    async def wait() -> None:
        seen.append(type(asyncio.get_running_loop()).__module__)
        await asyncio.sleep(30)

    jobs.declare(wait)
    worker = jobs.start()
    jobs.push("wait")
    eventually(lambda: seen == [loop.__module__.replace("asyncio.events", "asyncio.unix_events")])
    interrupt(worker, errors.Cancelled)

    eventually(lambda: worker.counters.peek() == (1, 0))
