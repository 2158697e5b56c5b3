"""What is gathered for scrapes, and when."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import redis

from conftest import Server
from jobsup.config.model import Capsule, Config, Profile
from jobsup.errors import RedisUnavailable
from jobsup.events import Events
from jobsup.keeper import figures
from jobsup.keeper.figures import FRESH, Figures, Gatherer
from jobsup.store import durations
from jobsup.store.connection import connect
from jobsup.store.durations import Runs


class Clock:
    """Ours to move; the wall's stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(figures, "monotonic", clock)
    return clock


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def gatherer(server: Server, r: redis.Redis, said: list[str]) -> Gatherer:
    events = Events()
    events.subscribe(lambda name, facts: said.append(name))
    gatherer = Gatherer(events)
    gatherer.configure(r, config("main", "mail", "low"))
    return gatherer


def config(name: str, *queues: str) -> Config:
    return Config((Profile(name, 1, (Capsule("default", 1, tuple((queue, 0) for queue in queues)),)),), "")


def wait(r: redis.Redis, queue: str, **fields: object) -> None:
    r.lpush(f"queue:{queue}", json.dumps({"class": "K", "args": [], "jid": "j"} | fields))


def gathered(gatherer: Gatherer, clock: Clock) -> Figures | None:
    gatherer.gather({})
    return gatherer.fresh(clock.now)


def commands(r: redis.Redis) -> int:
    return int(r.info("stats")["total_commands_processed"])


def test_while_nobody_scrapes_redis_is_not_asked(gatherer: Gatherer, clock: Clock, r: redis.Redis) -> None:
    before = commands(r)
    gatherer.gather({})
    assert commands(r) - before == 1

    assert gatherer.fresh(clock.now) is None
    assert gathered(gatherer, clock) is not None

    clock.now += 301
    before = commands(r)
    gatherer.gather({})
    assert commands(r) - before == 1


def test_every_figure_comes_from_where_it_lies(gatherer: Gatherer, clock: Clock, r: redis.Redis) -> None:
    now = time.time()
    wait(r, "mail", enqueued_at=int((now - 60) * 1000))
    wait(r, "mail", enqueued_at=int(now * 1000))
    wait(r, "other", enqueued_at=1)
    r.zadd("retry", {"a": 1})
    r.zadd("schedule", {"a": 1, "b": 1})
    r.zadd("dead", {"a": 1, "b": 1, "c": 1})
    gatherer.fresh(clock.now)
    gatherer.gather({"mail": 4})

    found = gatherer.fresh(clock.now)

    assert found is not None
    assert found.sizes == {"mail": 2, "low": 0}
    assert found.latencies == {"mail": pytest.approx(60, abs=5), "low": 0.0}
    assert found.suspects == {"mail": 4, "low": 0}
    assert (found.retry, found.schedule, found.dead) == (1, 2, 3)


@pytest.mark.parametrize("fields", [{}, {"enqueued_at": "soon"}, {"enqueued_at": time.time() + 1e6}, {"class": 7}])
def test_a_job_that_does_not_say_since_when_it_waits_has_not_waited(
    gatherer: Gatherer, clock: Clock, r: redis.Redis, fields: dict[str, Any]
) -> None:
    wait(r, "mail", **fields)
    gatherer.fresh(clock.now)

    found = gathered(gatherer, clock)

    assert found is not None
    assert found.latencies["mail"] == 0.0


def test_redis_is_asked_every_few_seconds_however_often_somebody_scrapes(
    gatherer: Gatherer, clock: Clock, r: redis.Redis
) -> None:
    gatherer.fresh(clock.now)
    first = gathered(gatherer, clock)
    clock.now += 3.9
    before = commands(r)
    assert gathered(gatherer, clock) is first
    assert commands(r) - before == 1

    clock.now += 0.2
    assert gathered(gatherer, clock) is not first
    # Three sets and two queues; the durations, which are longer, are not due.
    assert commands(r) - before == 2 + 3 + 2 * 2


def test_what_is_old_is_not_shown_and_what_a_server_said_before_it_went_away_is_not_either(
    gatherer: Gatherer, clock: Clock
) -> None:
    gatherer.fresh(clock.now)
    assert gathered(gatherer, clock) is not None
    assert gatherer.fresh(clock.now + FRESH - 0.1) is not None
    assert gatherer.fresh(clock.now + FRESH) is None

    clock.now += FRESH
    assert gathered(gatherer, clock) is not None
    gatherer.forget()
    assert gatherer.fresh(clock.now) is None


def test_a_server_that_is_away_is_the_keepers_business(own_server: Server, gatherer: Gatherer, clock: Clock) -> None:
    gatherer.configure(connect(own_server.url), config("main", "mail"))
    gatherer.fresh(clock.now)
    own_server.kill()

    with pytest.raises(RedisUnavailable):
        gatherer.gather({})


def test_a_user_who_may_not_read_them_leaves_the_figures_out_and_is_told_once(
    server: Server, r: redis.Redis, gatherer: Gatherer, clock: Clock, said: list[str]
) -> None:
    r.acl_setuser("narrow", enabled=True, passwords=["+x"], commands=["+@all"], keys=["queue:*"])
    try:
        gatherer.configure(connect(server.url.replace("//", "//narrow:x@")), config("main", "mail"))
        gatherer.fresh(clock.now)
        assert gathered(gatherer, clock) is None
        clock.now += 5
        assert gathered(gatherer, clock) is None
        assert said == ["metrics.refused"]
    finally:
        r.acl_deluser("narrow")


def test_another_configuration_counts_at_once(gatherer: Gatherer, clock: Clock, r: redis.Redis) -> None:
    gatherer.fresh(clock.now)
    gathered(gatherer, clock)
    gatherer.configure(r, config("main", "new"))

    found = gathered(gatherer, clock)

    assert found is not None
    assert found.sizes == {"new": 0}


def test_the_durations_of_today_are_shown_for_our_profiles_and_for_names_that_jobs_can_have(
    gatherer: Gatherer, clock: Clock, r: redis.Redis
) -> None:
    runs = Runs()
    runs.succeeded(0.5)
    now = time.time()
    for pool, day in (("main", now), ("main", now - 86_400), ("stranger", now)):
        durations.flush(r, pool, 7, day, {"Receipt": runs, "two\nlines": runs})
    r.hset(f"jobsup:runs:{time.strftime('%Y%m%d', time.gmtime(now))}", b"main|\xff|72", 1)
    gatherer.fresh(clock.now)

    found = gathered(gatherer, clock)

    assert found is not None
    assert {which: measured.runs for which, measured in found.durations.items()} == {("main", "Receipt"): 1}


def test_of_many_classes_those_are_shown_that_took_most_of_the_time(
    gatherer: Gatherer, clock: Clock, r: redis.Redis
) -> None:
    batch = {}
    for number in range(120):
        batch[f"Class{number}"] = Runs()
        batch[f"Class{number}"].succeeded(1.2**number / 1000)
    durations.flush(r, "main", 7, time.time(), batch)
    gatherer.fresh(clock.now)

    found = gathered(gatherer, clock)

    assert found is not None
    assert {klass for _, klass in found.durations} == {f"Class{number}" for number in range(20, 120)}
