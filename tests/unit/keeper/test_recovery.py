"""Giving the jobs of the dead back, against a real server."""

from __future__ import annotations

import os
from typing import Any

import pytest
import redis

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
    return Recovery(r, events)


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


def test_a_lease_that_ran_out_is_swept_and_said(
    r: redis.Redis, recovery: Recovery, said: list[tuple[str, dict[str, Any]]]
) -> None:
    owner(r, DEAD, lease=-1, where="", pid=1, start="1")

    recovery.sweep()
    recovery.sweep()
    assert r.llen("queue:a") == 1
    assert said == [("keeper.swept", {"identity": DEAD, "jobs": 1})]
