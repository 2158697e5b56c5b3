"""Giving the jobs of the dead back, against a real server."""

from __future__ import annotations

import json
import os
import zlib
from typing import Any

import pytest
import redis

from jobsup.config.model import Capsule, Profile
from jobsup.events import Events
from jobsup.keeper.recovery import Recovery
from jobsup.store import keys, scripts
from jobsup.unix import place

DEAD = "host:999999:aaaaaaaaaaaa"


@pytest.fixture
def said() -> list[tuple[str, dict[str, Any]]]:
    return []


@pytest.fixture
def recovery(r: redis.Redis, said: list[tuple[str, dict[str, Any]]]) -> Recovery:
    events = Events()
    events.subscribe(lambda name, facts: said.append((name, facts)))
    return Recovery(r, events, [Profile("main", 1, (Capsule("default", 2, (("a", 0),)),))])


def owner(r: redis.Redis, identity: str, *, lease: int = 15, where: str, pid: int, start: str) -> None:
    run = scripts.runner(r)
    scripts.register(run, identity, lease=lease, queues='["a"]', place=where, pid=pid, start=start)
    r.lpush(keys.inflight(identity, "a"), identity)


def test_what_the_parent_saw_die_is_given_back_at_once(r: redis.Redis, recovery: Recovery) -> None:
    owner(r, DEAD, where="", pid=1, start="1")

    assert recovery.ended(DEAD)[0] == 1
    assert r.llen("queue:a") == 1


def test_an_identity_that_nobody_knows_has_nothing_to_give_back(recovery: Recovery) -> None:
    assert recovery.ended("host:1:unknown")[0] == 0


def test_owners_of_this_place_whose_process_is_gone_are_found_without_waiting_for_their_lease(
    r: redis.Redis, recovery: Recovery
) -> None:
    owner(r, DEAD, where=place.here(), pid=999_999, start="123")

    recovery.sweep_place()
    assert r.lrange("queue:a", 0, -1) == [DEAD.encode()]


def test_a_recycled_pid_is_not_taken_for_the_owner(r: redis.Redis, recovery: Recovery) -> None:
    owner(r, DEAD, where=place.here(), pid=os.getpid(), start="somebody else's")

    recovery.sweep_place()
    assert r.llen("queue:a") == 1


def test_the_living_and_those_of_other_places_are_left_alone(r: redis.Redis, recovery: Recovery) -> None:
    me = os.getpid()
    owner(r, "host:1:living", where=place.here(), pid=me, start=place.start_of(me))
    owner(r, "host:2:elsewhere", where="another boot/pid:[1]", pid=999_999, start="1")

    recovery.sweep_place()
    recovery.sweep()
    assert not r.exists("queue:a")


def test_an_owner_of_whom_the_system_shows_nothing_is_judged_by_its_lease_alone(
    r: redis.Redis, recovery: Recovery
) -> None:
    def hidden(pid: int) -> str:
        raise PermissionError

    owner(r, DEAD, where=place.here(), pid=1, start="1")

    recovery.sweep_place(hidden)
    assert not r.exists("queue:a")


def test_a_lease_that_ran_out_is_swept_and_said(
    r: redis.Redis, recovery: Recovery, said: list[tuple[str, dict[str, Any]]]
) -> None:
    owner(r, DEAD, lease=-1, where="", pid=1, start="1")

    recovery.sweep()
    recovery.sweep()
    assert r.llen("queue:a") == 1
    assert said == [("keeper.swept", {"identity": DEAD, "jobs": 1})]


def facts(*raws: bytes, pool: str = "main", cause: str = "crash", **told: Any) -> dict[str, Any]:
    ran = {"jid": "", "klass": "", "queue": "a", "seconds": 1.5, "over_limit": False, "cancelled": False} | told
    running = [ran | {"check": zlib.crc32(raw)} for raw in raws]
    return {"identity": DEAD, "pool": pool, "cause": cause, "running": running, "verdict": "exit code 3", "death": None}


def test_what_ran_in_a_crashed_worker_goes_to_quarantine_and_what_was_only_taken_to_its_queue(
    r: redis.Redis, recovery: Recovery, said: list[tuple[str, dict[str, Any]]]
) -> None:
    owner(r, DEAD, where="", pid=1, start="1")
    jobs = [f'{{"class":"A","jid":"{n}"}}'.encode() for n in range(4)]
    r.delete(keys.inflight(DEAD, "a"))
    r.lpush(keys.inflight(DEAD, "a"), *jobs)

    assert recovery.ended(DEAD, facts(jobs[0], jobs[2]))[0] == 4
    # The oldest lies where it is fetched next, in both.
    assert r.lrange("queue:a.quarantine", 0, -1) == [jobs[2], jobs[0]]
    assert r.lrange("queue:a", 0, -1) == [jobs[3], jobs[1]]
    assert r.smembers("queues") == {b"a", b"a.quarantine"}
    assert ("keeper.isolated", {"jobs": 2, "identity": DEAD}) in said
    assert recovery.suspects() == {"a": 2}


def test_a_death_that_is_told_twice_counts_once(r: redis.Redis, recovery: Recovery) -> None:
    owner(r, DEAD, where="", pid=1, start="1")
    job = b'{"class":"A","jid":"x"}'
    r.lpush(keys.inflight(DEAD, "a"), job)
    for _ in range(2):
        recovery.ended(DEAD, facts(job))

    assert r.llen(keys.crashes("x")) == 1
    assert r.lrange("queue:a.quarantine", 0, -1) == [job]
    assert 0 < r.ttl(keys.crashes("x")) <= 72 * 3600


def test_of_equal_payloads_as_many_are_suspects_as_ran(r: redis.Redis, recovery: Recovery) -> None:
    owner(r, DEAD, where="", pid=1, start="1")
    job = b'{"class":"A"}'
    r.delete(keys.inflight(DEAD, "a"))
    r.lpush(keys.inflight(DEAD, "a"), job, job)
    recovery.ended(DEAD, facts(job))

    assert r.llen("queue:a.quarantine") == r.llen("queue:a") == 1


def test_crash_records_that_are_not_ours_say_nothing(r: redis.Redis, recovery: Recovery) -> None:
    owner(r, DEAD, where="", pid=1, start="1")
    job = b'{"class":"A","jid":"x"}'
    r.lpush(keys.inflight(DEAD, "a"), job)
    r.lpush(keys.crashes("x"), "nonsense", "[]", '{"at":"x"}')
    recovery.ended(DEAD, facts(job))

    assert r.zcard("dead") == 0
    assert r.llen("queue:a.quarantine") == 1


def holding(r: redis.Redis, *jobs: bytes) -> None:
    owner(r, DEAD, where="", pid=1, start="1")
    r.delete(keys.inflight(DEAD, "a"))
    r.lpush(keys.inflight(DEAD, "a"), *jobs)


def test_a_job_over_its_limit_goes_to_the_retry_set_and_its_neighbours_to_their_queue(
    r: redis.Redis, recovery: Recovery, said: list[tuple[str, dict[str, Any]]]
) -> None:
    stuck, other = b'{"class":"A","jid":"1"}', b'{"class":"A","jid":"2"}'
    holding(r, stuck, other)

    assert recovery.ended(DEAD, facts(stuck, cause="left", over_limit=True))[0] == 2
    assert recovery.ended(DEAD, facts(stuck, cause="left", over_limit=True))[0] == 0
    assert r.lrange("queue:a", 0, -1) == [other]
    (failed,) = r.zrange("retry", 0, -1)
    assert json.loads(failed)["error_class"] == "jobsup.errors.TimeLimitExceeded"
    assert ("job.over_limit", {"klass": "A", "jid": "1", "seconds": 1.5}) in said


def test_the_last_failure_of_a_job_over_its_limit_buries_it(r: redis.Redis, recovery: Recovery) -> None:
    stuck = b'{"class":"A","jid":"1","retry":0}'
    holding(r, stuck)

    recovery.ended(DEAD, facts(stuck, cause="left", over_limit=True))
    assert r.zcard("dead") == 1
    assert not r.exists("queue:a", "retry")


def test_a_cancelled_job_that_took_its_process_along_is_gone(r: redis.Redis, recovery: Recovery) -> None:
    stuck = b'{"class":"A","jid":"1"}'
    holding(r, stuck)

    recovery.ended(DEAD, facts(stuck, cause="left", cancelled=True))
    assert not r.exists("queue:a", "retry", "dead", keys.inflight(DEAD, "a"))


def test_an_interruption_is_counted_once_and_the_job_goes_back_in_its_place(r: redis.Redis, recovery: Recovery) -> None:
    job, newer = b'{"class":"A","jid":"1","max_interruptions":1}', b'{"class":"A","jid":"2"}'
    holding(r, job, newer)

    recovery.ended(DEAD, facts(job, cause="left"))
    recovery.ended(DEAD, facts(job, cause="left"))
    assert r.lrange("queue:a", 0, -1) == [newer, job]
    assert r.get(keys.interruptions("1")) == b"1"
    assert r.ttl(keys.interruptions("1")) > 0

    r.delete("queue:a")
    holding(r, job)
    recovery.ended(DEAD, facts(job, cause="left"))
    assert not r.exists("queue:a")
    (buried,) = r.zrange("dead", 0, -1)
    assert json.loads(buried)["error_class"] == "jobsup.errors.InterruptedTooOften"


def test_one_that_comes_back_between_look_and_sweep_keeps_its_jobs(
    r: redis.Redis, recovery: Recovery, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner(r, DEAD, where="", pid=1, start="1")
    recovery.ended(DEAD)
    looked = scripts.expired

    def look(run: scripts.Run) -> tuple[list[str], list[str]]:
        found = looked(run)
        owner(r, DEAD, where="", pid=1, start="1")
        return found

    monkeypatch.setattr(scripts, "expired", look)
    recovery.sweep()

    assert r.lrange(keys.inflight(DEAD, "a"), 0, -1) == [DEAD.encode()]
    assert r.zscore(keys.LEASES, DEAD)


def test_vouching_keeps_a_lease_and_revives_none(r: redis.Redis, recovery: Recovery) -> None:
    r.zadd("jobsup:leases", {"host:1:silent": 1.0})
    recovery.vouch(["host:1:silent", "host:2:given-up"])

    [(identity, until)] = r.zrange("jobsup:leases", 0, -1, withscores=True)
    assert identity == b"host:1:silent"
    assert until > r.time()[0] + 10
