"""What Ruby enqueues, read and run by jobsup."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
import redis

from conftest import eventually
from golden import differences, golden
from jobsup import payload

pytestmark = pytest.mark.ruby

ARGS = ["héllo ✓", 1, 2.5, None, True, {"k": [1, {"n": None}]}, 2**70, 1.0]


def found(r: redis.Redis) -> list[bytes]:
    return [*r.lrange("queue:default", 0, -1), *r.lrange("queue:other", 0, -1), *r.zrange("schedule", 0, -1)]


def test_jobsup_reads_and_writes_the_exact_bytes_of_ruby(r: redis.Redis, ruby: Any) -> None:
    ruby("enqueue.rb")

    raws = found(r)

    assert len(raws) == 8
    for raw in raws:
        assert payload.dumps(payload.loads(raw)) == raw


def test_the_jobs_of_ruby_have_the_recorded_shape(r: redis.Redis, ruby: Any) -> None:
    jids = ruby("enqueue.rb")

    jobs = {job["jid"]: job for job in map(payload.loads, found(r))}

    assert jobs[jids["async"]]["args"] == ARGS
    assert differences(jobs[jids["async"]], golden("6.4.1")["job"]) == []
    assert differences(jobs[jids["later"]], golden("6.4.1")["scheduled"]) == []
    assert (jobs[jids["set"]]["queue"], jobs[jids["set"]]["retry"]) == ("other", 3)


@pytest.mark.system
def test_jobsup_runs_what_ruby_enqueues(r: redis.Redis, ruby: Any, jobsup: subprocess.Popen[bytes]) -> None:
    jids = ruby("enqueue.rb")
    expected = {jids["async"]: ARGS, jids["in"]: ["soon"], jids["set"]: ["set"], jids["once"]: ["once"]}
    expected |= {jid: [n] for n, jid in enumerate(jids["bulk"], 1)}

    eventually(lambda: r.llen("compat:python") == len(expected), within=30)

    runs = [json.loads(raw) for raw in r.lrange("compat:python", 0, -1)]
    assert {run["jid"]: json.dumps(run["args"]) for run in runs} == {
        jid: json.dumps(args) for jid, args in expected.items()
    }
    assert r.zcard("schedule") == 1
