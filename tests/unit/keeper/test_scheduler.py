"""Moving jobs whose time has come."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from conftest import Server, eventually
from jobsup.events import Events
from jobsup.keeper.lead import LEASE, Lead
from jobsup.keeper.scheduler import Scheduler
from jobsup.store import keys
from jobsup.store.connection import connect

Make = Callable[..., Scheduler]


@pytest.fixture
def make(server: Server, r: redis.Redis) -> Iterator[Make]:
    """Schedulers of the supervisor whose pid is given."""
    made = []

    def scheduler(pid: int = os.getpid(), url: str = server.url, events: Events | None = None) -> Scheduler:
        client = connect(url)
        made.append(Scheduler(client, 8, lead=Lead(client, pid), events=events or Events(), poll=5.0))
        return made[-1]

    yield scheduler
    for one in made:
        one.close()


@pytest.fixture
def scheduler(make: Make) -> Scheduler:
    return make()


def job(jid: str, queue: str = "a", **fields: object) -> str:
    return json.dumps({"class": "K", "args": [], "jid": jid, "queue": queue} | fields, separators=(",", ":"))


def test_only_what_is_due_is_moved(r: redis.Redis, scheduler: Scheduler) -> None:
    r.zadd("schedule", {job("now"): 100.0, job("later"): 100.5})

    scheduler.enqueue_due(100.0)

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

    scheduler.enqueue_due(100.0)

    assert r.llen("queue:b") == 1


def test_jobs_that_were_due_at_the_same_time_are_all_moved_once(r: redis.Redis, scheduler: Scheduler) -> None:
    r.zadd("schedule", {job(f"s{i}"): 1.0 for i in range(250)})
    while scheduler.step() == 0.0:
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


def test_it_sleeps_until_the_next_job_is_due_or_for_two_seconds(r: redis.Redis, scheduler: Scheduler) -> None:
    assert scheduler.step() == 2.0
    r.zadd("schedule", {job("s"): time.time() + 1.0})

    assert 0.5 < scheduler.step() <= 1.0


@pytest.mark.parametrize("key", ["schedule", "retry"])
def test_it_hears_of_a_job_that_is_due_earlier_than_all_others(r: redis.Redis, scheduler: Scheduler, key: str) -> None:
    r.zadd("schedule", {job("late"): time.time() + 60})
    scheduler.step()
    assert not rings(scheduler, within=0.0)

    r.zadd(key, {job("early"): 1.0})

    assert rings(scheduler)
    scheduler.hear()
    assert scheduler.step() == 0.0
    assert json.loads(r.lindex("queue:a", 0))["jid"] == "early"  # type: ignore[arg-type]


def test_one_of_two_supervisors_does_it_and_the_other_asks_for_nothing_but_the_lead(r: redis.Redis, make: Make) -> None:
    first, second = make(), make(os.getppid())
    first.step()
    r.zadd("schedule", {job("s"): 1.0})

    assert second.step() == 2.0
    assert r.zcard("schedule") == 1
    assert first.step() == 0.0
    assert r.llen("queue:a") == 1


def test_whoever_stands_by_hears_that_the_lead_was_given_up(r: redis.Redis, make: Make) -> None:
    first, second = make(), make(os.getppid())
    first.step()
    second.step()
    r.zadd("schedule", {job("s"): 1.0})

    first.leave()

    assert rings(second)
    second.hear()
    assert second.step() == 0.0
    assert r.llen("queue:a") == 1


def test_the_keeper_that_follows_a_dead_one_of_its_supervisor_goes_on_at_once(r: redis.Redis, make: Make) -> None:
    make().step()
    r.zadd("schedule", {job("s"): 1.0})

    assert make().step() == 0.0
    assert r.llen("queue:a") == 1


def test_a_supervisor_of_this_host_that_is_dead_is_not_waited_for(r: redis.Redis, make: Make) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        make(other.pid).step()
        r.zadd("schedule", {job("s"): 1.0})
        assert make().step() == 2.0

    assert make().step() == 0.0
    assert r.llen("queue:a") == 1


def test_the_lead_of_who_is_not_heard_of_ends_by_itself(r: redis.Redis, make: Make) -> None:
    r.set(keys.SCHEDULER, "elsewhere 1 1", px=int(LEASE * 1000))
    scheduler = make()
    assert scheduler.step() == 2.0
    assert 0 < r.pttl(keys.SCHEDULER) <= 8000

    r.pexpire(keys.SCHEDULER, 20)

    assert rings(scheduler)
    scheduler.hear()
    eventually(lambda: scheduler.step() == 2.0 and r.get(keys.SCHEDULER) != b"elsewhere 1 1")


def test_the_lead_is_asked_for_again_long_before_it_ends(r: redis.Redis) -> None:
    now = [100.0]
    lead = Lead(r, os.getpid(), now=lambda: now[0])
    assert lead.held()
    r.delete(keys.SCHEDULER)
    now[0] += 2.0
    assert lead.held()
    assert not r.exists(keys.SCHEDULER)

    now[0] += 1.0

    assert lead.held()
    assert r.exists(keys.SCHEDULER)


def test_a_server_that_does_not_ring_is_asked_from_time_to_time_and_that_is_said_once(
    own_server: Server, make: Make
) -> None:
    with own_server.client() as admin:
        admin.acl_setuser("mute", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-client|tracking"])
    said: list[tuple[str, dict[str, Any]]] = []
    events = Events()
    events.subscribe(lambda name, facts: said.append((name, facts)))
    with own_server.client() as client:
        scheduler = make(url=own_server.url.replace("redis://", "redis://mute:any@"), events=events)
        assert scheduler.step() == 2.0
        client.zadd("schedule", {job("s"): 1.0})

        assert scheduler.fileno() is None
        assert scheduler.step() == 0.0
        assert client.llen("queue:a") == 1
    assert [name for name, _ in said] == ["redis.warning"]
    assert "may be up to 2 s late" in said[0][1]["sentence"]


def rings(scheduler: Scheduler, within: float = 10.0) -> bool:
    fd = scheduler.fileno()
    assert fd is not None
    return bool(select.select([fd], [], [], within)[0])
