"""Async jobs under the real command: many at once, beside others, and whatever ends them."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from typing import Any

import psutil
import pytest
import redis

from conftest import eventually
from harness import LEDGER_JOBS, Jobsup, inflight, push
from jobsup.exits import Exit

pytestmark = pytest.mark.system

ASYNC_JOBS = (
    LEDGER_JOBS
    + """
import asyncio

there = 0

@job
async def together(n, others):
    global there
    there += 1
    while there < others:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)
    note("end", n)

@job
async def wait(n):
    note("start", n)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        note("cancelled", n)
        raise

@job(time_limit=0.5)
async def limited(n):
    await asyncio.sleep(60)

@job
async def deaf(n):
    note("start", n)
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            note("ignored", n)

@job
async def blocks(n):
    note("start", n)
    time.sleep(3)

@job
async def innocent(n):
    note("start", n)
    await asyncio.sleep(1.0)
    note("end", n)

@job
async def poison(others):
    while sum(line.startswith("start") for line in open(LEDGER)) < others:
        await asyncio.sleep(0.01)
    note("kill", 0)
    os._exit(3)
"""
)


@pytest.fixture
def aio(app: Jobsup) -> Jobsup:
    app.jobs(ASYNC_JOBS)
    return app


def words(app: Jobsup, word: str) -> list[str]:
    return sorted(line.split()[1] for line in app.lines() if line.startswith(f"{word} "))


def test_hundreds_of_jobs_wait_in_one_process_at_once_with_a_handful_of_threads(aio: Jobsup, r: redis.Redis) -> None:
    aio.profile("main", concurrency=500)
    aio.start()
    (worker,) = aio.workers()
    for n in range(500):
        push(r, "together", n, 500)

    eventually(lambda: len(aio.ended()) == 500, within=30)
    assert {int(line.split()[2]) for line in aio.lines()} == {worker}
    assert psutil.Process(worker).num_threads() < 10
    eventually(lambda: inflight(r) == 0)
    assert r.get("stat:failed") is None
    assert aio.stop() == Exit.OK


def test_ten_thousand_jobs_that_wait_are_one_process_and_all_of_them_come_back(aio: Jobsup, r: redis.Redis) -> None:
    """More than a script can unpack at once, when they are taken, published and given back."""
    aio.profile("main", concurrency=10_000, timeout=0.3, kill_after=20)
    jobs = [json.dumps({"class": "wait", "args": [n], "jid": f"j{n}", "queue": "default"}) for n in range(10_000)]
    r.lpush("queue:default", *jobs)
    aio.start()
    eventually(lambda: len(aio.started()) == 10_000)
    (identity,) = r.smembers("processes")
    eventually(lambda: r.hlen(f"{identity.decode()}:work") == 10_000)
    assert "Redis is away" not in aio.log()

    assert aio.stop() == Exit.GIVEN_BACK
    assert sorted(json.loads(raw)["args"][0] for raw in r.lrange("queue:default", 0, -1)) == list(range(10_000))
    assert inflight(r) == 0


def test_async_jobs_and_others_share_a_queue_and_a_stop_lets_both_finish(aio: Jobsup, r: redis.Redis) -> None:
    aio.profile("main", concurrency=4, timeout=10)
    aio.start()
    for n in range(0, 8, 2):
        push(r, "nap", n, 1.0)
        push(r, "innocent", n + 1)
    eventually(lambda: len(aio.started()) == 4)

    assert aio.stop() == Exit.OK
    assert sorted(aio.ended()) == sorted(aio.started()) == ["0", "1", "2", "3"]
    assert r.llen("queue:default") == 4
    assert inflight(r) == 0


def test_what_outlives_the_drain_is_given_back_in_its_order_and_loses_no_attempt(aio: Jobsup, r: redis.Redis) -> None:
    aio.profile("main", concurrency=20, timeout=0.3)
    aio.start()
    for n in range(10):
        push(r, "wait", n)
        eventually(lambda n=n: len(aio.started()) == n + 1)

    assert aio.stop() == Exit.GIVEN_BACK
    assert words(aio, "cancelled") == [str(n) for n in range(10)]
    assert [json.loads(raw)["args"][0] for raw in r.lrange("queue:default", 0, -1)] == list(reversed(range(10)))
    assert (r.get("stat:failed"), r.zcard("retry"), inflight(r)) == (None, 0, 0)


def test_an_async_job_over_its_time_limit_fails_like_any_other(aio: Jobsup, r: redis.Redis) -> None:
    aio.start()
    push(r, "limited", 1)

    eventually(lambda: r.zcard("retry") == 1, within=15)
    failed: dict[str, Any] = json.loads(r.zrange("retry", 0, 0)[0])
    assert failed["error_class"] == "jobsup.errors.TimeLimitExceeded"
    assert failed["error_message"] == "it ran longer than its time limit of 0.5s"


def test_one_async_job_is_cancelled_by_request_and_its_neighbours_go_on(aio: Jobsup, r: redis.Redis) -> None:
    aio.profile("main", concurrency=5)
    aio.start()
    push(r, "wait", 1, jid="wrong")
    push(r, "innocent", 2)
    eventually(lambda: len(aio.started()) == 2)

    assert aio.ctl("cancel", "wrong").returncode == 0
    eventually(lambda: words(aio, "cancelled") == ["1"] and aio.ended() == ["2"])
    eventually(lambda: inflight(r) == 0)
    assert not r.exists("queue:default", "retry", "dead")
    assert aio.stop() == Exit.OK


def test_an_async_job_that_does_not_heed_its_cancellation_ends_with_its_process(aio: Jobsup, r: redis.Redis) -> None:
    aio.profile("main", kill_after=1)
    aio.start()
    workers = aio.workers()
    push(r, "deaf", 1, jid="wrong")
    eventually(lambda: aio.started() == ["1"])
    assert aio.ctl("cancel", "wrong").returncode == 0

    eventually(lambda: aio.workers() and aio.workers() != workers)
    eventually(lambda: inflight(r) == 0)
    assert words(aio, "ignored") == ["1"]
    assert not r.exists("queue:default", "retry", "dead")
    assert "crashed" not in aio.log()


def test_the_stack_of_one_async_job_among_many_is_shown_and_the_dump_has_all_of_them(
    aio: Jobsup, r: redis.Redis
) -> None:
    aio.profile("main", concurrency=5)
    aio.start()
    for n in range(3):
        push(r, "wait", n, jid=f"waits{n}")
    eventually(lambda: len(aio.started()) == 3)

    said = aio.ctl("why", "waits1").stdout
    assert "It awaits something that has not come yet; its event loop is free." in said
    awaited, loop = said.split("The thread of its event loop:")
    assert "app_jobs.py" in awaited
    assert "in wait" in awaited
    assert "app_jobs.py" not in loop
    assert aio.ctl("dump").returncode == 0
    eventually(lambda: all(f"job waits{n}:" in aio.log() for n in range(3)))


def test_a_blocking_call_in_an_async_job_is_named_as_what_holds_up_its_neighbours(aio: Jobsup, r: redis.Redis) -> None:
    aio.start()
    push(r, "wait", 1, jid="waits")
    eventually(lambda: aio.started() == ["1"])
    push(r, "blocks", 2)
    eventually(lambda: len(aio.started()) == 2)

    awaited, loop = aio.ctl("why", "waits").stdout.split("The thread of its event loop:")
    assert "Its event loop is busy or held up" in awaited
    assert "in wait" in awaited
    assert "in blocks" in loop


def test_all_that_ran_in_a_killed_worker_runs_again(aio: Jobsup, r: redis.Redis) -> None:
    aio.profile("main", concurrency=10)
    aio.start()
    (worker,) = aio.workers()
    for n in range(6):
        push(r, "innocent", n)
    eventually(lambda: len(aio.started()) == 6)
    os.kill(worker, signal.SIGKILL)

    eventually(lambda: len(aio.ended()) == 6, within=20)
    assert Counter(words(aio, "start")) == {str(n): 2 for n in range(6)}
    eventually(lambda: inflight(r) == 0)


def test_an_async_job_that_kills_its_process_is_found_and_its_neighbours_are_hurt_once(
    aio: Jobsup, r: redis.Redis
) -> None:
    aio.profile("main", concurrency=4)
    aio.start()
    for n in range(3):
        push(r, "innocent", n)
    push(r, "poison", 3)

    eventually(lambda: r.zcard("dead") == 1 and len(aio.ended()) == 3, within=20)
    assert len(words(aio, "kill")) == 3
    assert Counter(words(aio, "start")) == {"0": 2, "1": 2, "2": 2}
    assert json.loads(r.zrange("dead", 0, 0)[0])["error_class"] == "jobsup.errors.PoisonJob"
