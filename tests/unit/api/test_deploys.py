"""Deploy marks as Sidekiq reads them, and the fleet as the process records tell of it."""

from __future__ import annotations

import calendar
import json
import time

import pytest
import redis

from jobsup.api.deploys import Crew, Fleet, deploy_marks, mark_deploy
from jobsup.errors import ArgumentError
from jobsup.store import processes

AT = calendar.timegm((2026, 5, 29, 10, 15, 42))


def test_a_mark_is_written_as_sidekiq_writes_it(r: redis.Redis) -> None:
    assert mark_deploy(r, "ab12 Faster", AT)

    assert r.hgetall("20260529-marks") == {b"2026-05-29T10:15:00Z": b"ab12 Faster"}
    assert r.ttl("20260529-marks") == 90 * 86_400
    assert r.get("deploylock-ab12 Faster") == b"2026-05-29T10:15:00Z"
    assert r.ttl("deploylock-ab12 Faster") == 60


def test_however_many_hosts_mark_a_deploy_it_is_marked_once(r: redis.Redis) -> None:
    assert [mark_deploy(r, "v2", AT + host) for host in (0, 1, 30)] == [True, False, False]

    assert r.hlen("20260529-marks") == 1


def test_the_first_label_of_a_minute_stays(r: redis.Redis) -> None:
    mark_deploy(r, "v2", AT)
    mark_deploy(r, "v3", AT)

    assert r.hvals("20260529-marks") == [b"v2"]


def test_marks_are_read_back_by_day(r: redis.Redis) -> None:
    now = time.time()
    mark_deploy(r, "yesterday", now - 86_400)
    mark_deploy(r, "today", now)

    assert list(deploy_marks(r, days=2).values()) == ["yesterday", "today"]


@pytest.mark.parametrize("label", ["", "  "])
def test_a_mark_without_a_label_is_refused(r: redis.Redis, label: str) -> None:
    with pytest.raises(ArgumentError):
        mark_deploy(r, label)


def worker(r: redis.Redis, identity: str, ours: object, *, quiet: bool = False, **running: tuple[str, float]) -> None:
    info = {"hostname": identity.split(":")[0], "identity": identity} | ({"jobsup": ours} if ours is not None else {})
    r.sadd("processes", identity)
    r.hset(identity, mapping={"info": json.dumps(info), "busy": len(running), "quiet": "true" if quiet else "false"})
    for thread, (klass, begun) in running.items():
        entry = {"queue": "a", "payload": json.dumps({"class": klass, "jid": thread}), "run_at": int(begun)}
        r.hset(f"{identity}:work", thread, json.dumps(entry))


def ours(version: str, generation: int = 1) -> dict[str, object]:
    return {"pool": "main", "version": version, "generation": generation}


def test_workers_are_counted_by_version_host_pool_and_generation(r: redis.Redis) -> None:
    now = time.time()
    worker(r, "a:1:x", ours("v1"), quiet=True, p1=("Video", now - 60), p2=("Video", now - 5))
    worker(r, "a:2:x", ours("v2", 2))
    worker(r, "a:3:x", ours("v2", 2), p1=("Mail", now))
    worker(r, "b:4:x", ours("v2", 1))
    worker(r, "ruby:5:x", None)

    fleet = Fleet.read(r)

    old, *new = fleet.crews
    assert (old.version, old.host, old.processes, old.leaving, old.running) == ("v1", "a", 1, 1, {"Video": 2})
    assert 59 <= old.longest < 70
    assert [(crew.host, crew.generation, crew.processes, crew.running) for crew in new] == [
        ("a", 2, 2, {"Mail": 1}),
        ("b", 1, 1, {}),
    ]


def test_a_version_that_nothing_runs_any_more_is_gone(r: redis.Redis) -> None:
    for n, version in enumerate(("v1", "v2", "v3")):
        processes.note_version(r, version, 1000.0 + n)
    worker(r, "a:1:x", ours("v2"))

    fleet = Fleet.read(r)

    assert fleet.gone == ["v1", "v3"]
    assert fleet.started == {"v1": 1000.0, "v2": 1001.0, "v3": 1002.0}


def test_the_hundred_newest_versions_are_remembered(r: redis.Redis) -> None:
    for n in range(105):
        processes.note_version(r, f"v{n}", float(n))

    assert list(processes.versions(r)) == [f"v{n}" for n in range(5, 105)]


@pytest.mark.parametrize("wrong", ["x", [], {"version": None, "generation": "x", "pool": 7}])
def test_what_others_wrote_into_a_record_breaks_nothing(r: redis.Redis, wrong: object) -> None:
    worker(r, "a:1:x", wrong)

    assert all(isinstance(crew, Crew) for crew in Fleet.read(r).crews)
