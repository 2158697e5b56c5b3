"""Everything jobsup wrote, read and steered by Ruby's API and every page of its Web UI."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from conftest import eventually
from golden import differences, golden
from jobsup import payload
from jobsup.api.processes import ProcessSet, WorkSet
from jobsup.api.stats import Stats

pytestmark = [pytest.mark.ruby, pytest.mark.system]


@pytest.fixture
def busy(r: redis.Redis, ruby: Any, jobsup: subprocess.Popen[bytes]) -> Iterator[dict[str, str]]:
    """jobsup with one job of every fate; class name -> job id."""
    names = ("Waiting", "Failing", "Doomed", "Echo")
    items: list[dict[str, Any]] = [
        {"class": "Waiting", "args": []},
        {"class": "Failing", "args": ["échec"], "backtrace": True},
        {"class": "Doomed", "args": [], "retry": 0},
        {"class": "Echo", "args": ["later"], "at": time.time() + 3600},
    ]
    jids = dict(zip(names, ruby("push.rb", stdin=items), strict=True))

    def settled() -> bool:
        stats = Stats.read(r)
        return (stats.retry_size, stats.dead_size, stats.busy, stats.failed) == (1, 1, 1, 2)

    eventually(settled, within=30)
    yield jids
    r.rpush("compat:go", "go")


def test_ruby_reads_everything_jobsup_wrote_without_an_error(ruby: Any, busy: dict[str, str]) -> None:
    seen = ruby("read.rb")

    assert seen["errors"] == []
    assert set(seen["pages"].values()) == {200}
    assert {path.split("/")[1] for path in seen["pages"]} >= {"busy", "queues", "retries", "morgue", "scheduled"}
    assert (seen["stats"]["failed"], seen["stats"]["busy"], seen["stats"]["processes"]) == (2, 1, 2)
    (retry,) = seen["retries"]
    assert (retry["class"], retry["jid"], retry["error"]) == ("Failing", busy["Failing"], "échec")
    assert any("jobs.py" in line for line in retry["backtrace"])
    assert [(dead["class"], dead["jid"]) for dead in seen["dead"]] == [("Doomed", busy["Doomed"])]
    assert [job["args"] for job in seen["scheduled"]] == [["later"]]
    assert [work["job"] for work in seen["work"]] == [["Waiting", busy["Waiting"], []]]
    for process in seen["processes"]:
        assert (process["queues"], process["labels"]) == (["default", "other"], ["compat"])
        assert (process["concurrency"], process["quiet"]) == (2, False)
        assert process["rss"] > 1000


def test_the_records_have_the_shape_that_sidekiq_6_4_writes(r: redis.Redis, busy: dict[str, str]) -> None:
    shape = golden("6.4.1")

    for identity in r.smembers("processes"):
        record = r.hgetall(identity)
        assert {name.encode() for name in shape["record_fields"]} <= set(record)
        assert differences(json.loads(record[b"info"]), shape["info"]) == []
        assert 0 < r.ttl(identity) <= 60
    (worker,) = r.scan_iter(f"*:{shape['work_key']}")
    (entry,) = r.hvals(worker)
    assert differences(json.loads(entry), shape["work"]) == []
    for key, name in (("retry", "retry_first"), ("dead", "dead"), ("schedule", "scheduled")):
        (raw,) = r.zrange(key, 0, -1)
        assert differences(payload.loads(raw), shape[name]) == []


def test_ruby_retries_kills_and_reschedules_what_jobsup_stored(r: redis.Redis, ruby: Any, busy: dict[str, str]) -> None:
    ruby("repair.rb", "ScheduledSet", busy["Echo"], "reschedule", str(time.time() + 7200))
    ruby("repair.rb", "DeadSet", busy["Doomed"], "retry")
    ruby("repair.rb", "RetrySet", busy["Failing"], "kill")

    assert r.zcard("schedule") == 1, "an entry that Ruby writes differently would now be there twice"
    dead = {busy["Doomed"], busy["Failing"]}
    eventually(lambda: {payload.loads(raw)["jid"] for raw in r.zrange("dead", 0, -1)} == dead, within=20)
    assert r.zrange("retry", 0, -1, withscores=True) == []


def test_the_quiet_button_of_ruby_quiets_a_worker(r: redis.Redis, ruby: Any, jobsup: subprocess.Popen[bytes]) -> None:
    one, other = sorted(process.identity for process in ProcessSet(r))

    ruby("steer.rb", one, "quiet!")

    eventually(lambda: {p.identity: p.is_quiet for p in ProcessSet(r)} == {one: True, other: False}, within=30)
    assert {p["identity"]: p["quiet"] for p in ruby("read.rb")["processes"]} == {one: True, other: False}


def test_the_stop_button_of_ruby_stops_a_worker_and_another_takes_its_place(
    r: redis.Redis, ruby: Any, jobsup: subprocess.Popen[bytes]
) -> None:
    one, other = sorted(process.identity for process in ProcessSet(r))

    ruby("steer.rb", one, "stop!")

    def replaced() -> bool:
        now = {process.identity for process in ProcessSet(r)}
        return len(now) == 2 and other in now and one not in now

    eventually(replaced, within=30)
    assert jobsup.poll() is None


def test_a_running_job_is_found_by_its_id(r: redis.Redis, busy: dict[str, str]) -> None:
    work = WorkSet(r).find(busy["Waiting"])

    assert work is not None
    assert (work.klass, work.taken_from) == ("Waiting", "default")
