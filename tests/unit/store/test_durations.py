"""Durations in Redis: ours to the day, Sidekiq's to the minute."""

from __future__ import annotations

import calendar
import time

import pytest
import redis

from conftest import Server
from jobsup.errors import RedisUnavailable
from jobsup.store import durations
from jobsup.store.durations import Runs

NOW = calendar.timegm((2025, 2, 4, 8, 3, 30))


def runs(*seconds: float, failed: int = 0, timeout: float | None = None) -> Runs:
    found = Runs(ended=failed, failed=failed, timeout=timeout)
    for one in seconds:
        found.succeeded(one)
    return found


def test_what_was_flushed_is_read_by_pool_and_class(r: redis.Redis) -> None:
    durations.flush(r, "main", 8, NOW, {"Video": runs(10.0, 10.0, 70.0, timeout=60.0), "Mail|x": runs(0.1)})
    durations.flush(r, "main", 8, NOW + 5, {"Video": runs(10.0, timeout=60.0)})
    durations.flush(r, "heavy", 8, NOW + 6, {"Video": runs(1.0)})

    found = durations.read(r, NOW + 60)

    assert found.since == NOW
    assert {which: measured.runs for which, measured in found.classes.items()} == {
        ("main", "Video"): 4,
        ("main", "Mail|x"): 1,
        ("heavy", "Video"): 1,
    }
    video = found.classes["main", "Video"]
    assert video.timeout == 60.0
    assert video.quantile(0.5) == pytest.approx(10.0, rel=0.05)
    assert video.quantile(0.95) == pytest.approx(70.0, rel=0.05)


def test_the_runs_of_suspects_count_for_the_pool_they_came_from(r: redis.Redis) -> None:
    durations.flush(r, "main.quarantine", 8, NOW, {"Video": runs(1.0)})

    assert list(durations.read(r, NOW).classes) == [("main", "Video")]


def test_a_week_is_read_and_a_day_is_forgotten_after_eight(r: redis.Redis) -> None:
    for ago in range(9):
        durations.flush(r, "main", 8, NOW - 86_400 * ago, {"Video": runs(1.0)})

    found = durations.read(r, NOW)

    assert found.classes["main", "Video"].runs == 7
    assert found.since == NOW - 6 * 86_400
    assert r.ttl("jobsup:runs:20250204") == 8 * 86_400


def test_sidekiqs_metrics_are_written_as_sidekiq_8_writes_them(r: redis.Redis) -> None:
    durations.flush(r, "main", 8, NOW, {"App::FooJob": runs(0.019, 0.02, 0.7, 400.0, failed=2)})

    for key, ttl in (("j|250204|8:03", 28_800), ("j|250204|8:0", 259_200)):
        assert r.hgetall(key) == {b"App::FooJob|p": b"6", b"App::FooJob|f": b"2", b"App::FooJob|ms": b"400739"}
        assert r.ttl(key) == ttl
    gram = r.get("h|App::FooJob-4-8:3")
    assert len(gram) == 52
    counters = [int.from_bytes(gram[i : i + 2], "big") for i in range(0, 52, 2)]
    assert {i: count for i, count in enumerate(counters) if count} == {0: 1, 1: 1, 9: 1, 25: 1}
    assert r.ttl("h|App::FooJob-4-8:3") == 28_800


@pytest.mark.parametrize(
    ("klass", "wire"), [("Foo", 7), ("Foo", 6), ("a|b", 8), ("a/b", 8), ("a$b", 8), ("x" * 300, 8)]
)
def test_what_sidekiqs_web_cannot_read_is_not_written_for_it(r: redis.Redis, klass: str, wire: int) -> None:
    durations.flush(r, "main", wire, NOW, {klass: runs(1.0)})

    assert [key for key in r.scan_iter() if not key.startswith(b"jobsup:")] == []
    assert len(durations.read(r, NOW).classes) == 1


def test_a_key_that_somebody_else_uses_keeps_no_other_from_being_written(r: redis.Redis) -> None:
    r.set("j|250204|8:03", "mine")
    r.set("jobsup:runs:20250204", "mine")

    durations.flush(r, "main", 8, NOW, {"Foo": runs(1.0)})

    assert r.hget("j|250204|8:0", "Foo|p") == b"1"
    assert durations.read(r, NOW).classes == {}


def test_what_others_left_in_the_hash_breaks_no_reader(r: redis.Redis) -> None:
    day = "jobsup:runs:" + time.strftime("%Y%m%d", time.gmtime(NOW))
    r.hset(day, mapping={"since": "x", "a": "1", "a|b|-3": "1", "a|b|99999999": "1", "a|b|7": "x", b"\xff|c|9": "2"})

    found = durations.read(r, NOW)

    assert found.since is None
    assert {which: measured.runs for which, measured in found.classes.items()} == {("a", "b"): 0, ("\udcff", "c"): 2}


def test_a_server_that_is_away_is_said(own_server: Server) -> None:
    client = own_server.client()
    own_server.kill()

    with pytest.raises(RedisUnavailable):
        durations.flush(client, "main", 8, NOW, {"Foo": runs(1.0)})
