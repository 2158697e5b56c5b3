"""Moving jobs whose time has come."""

from __future__ import annotations

import json

import pytest
import redis

from jobsup.keeper.scheduler import Scheduler


@pytest.fixture
def scheduler(r: redis.Redis) -> Scheduler:
    return Scheduler(r, 8)


def job(jid: str, queue: str = "a", **fields: object) -> str:
    return json.dumps({"class": "K", "args": [], "jid": jid, "queue": queue} | fields, separators=(",", ":"))


def test_only_what_is_due_is_moved(r: redis.Redis, scheduler: Scheduler) -> None:
    r.zadd("schedule", {job("now"): 100.0, job("later"): 100.5})

    assert scheduler.enqueue_due(100.0) is False
    assert [json.loads(raw)["jid"] for raw in r.lrange("queue:a", 0, -1)] == ["now"]
    assert r.zcard("schedule") == 1


def test_a_moved_job_says_when_it_was_enqueued_and_keeps_every_other_byte(r: redis.Redis, scheduler: Scheduler) -> None:
    text = job("j", note="é", big=2**70, args=[1.0, {"x": None}])
    r.zadd("retry", {text: 1.0})
    scheduler.enqueue_due(100.25)

    assert r.lindex("queue:a", 0).decode() == text.replace("\\u00e9", "é")[:-1] + ',"enqueued_at":100250}'


def test_a_long_backlog_of_retries_does_not_delay_what_was_scheduled(r: redis.Redis, scheduler: Scheduler) -> None:
    r.zadd("retry", {job(f"r{i}"): 1.0 for i in range(500)})
    r.zadd("schedule", {job("s", "b"): 1.0})

    assert scheduler.enqueue_due(100.0) is True
    assert r.llen("queue:b") == 1


def test_jobs_that_were_due_at_the_same_time_are_all_moved_once(r: redis.Redis, scheduler: Scheduler) -> None:
    r.zadd("schedule", {job(f"s{i}"): 1.0 for i in range(250)})
    while scheduler.enqueue_due(100.0):
        pass

    assert r.llen("queue:a") == 250
    assert not r.exists("schedule")


@pytest.mark.parametrize("raw", [b"\xff", b"[]", b"{}", b'{"class":"K","args":[],"queue":7}', b"[" * 200])
def test_what_is_no_job_is_kept_in_the_dead_set_as_it_is(r: redis.Redis, scheduler: Scheduler, raw: bytes) -> None:
    r.zadd("retry", {raw: 1.0})
    scheduler.enqueue_due(100.0)

    assert r.zrange("dead", 0, -1) == [raw]


def test_the_next_due_time_is_the_earliest_of_both_sets(r: redis.Redis, scheduler: Scheduler) -> None:
    assert scheduler.next_due() is None
    r.zadd("schedule", {job("s"): 300.5})
    r.zadd("retry", {job("r"): 200.25})

    assert scheduler.next_due() == 200.25
