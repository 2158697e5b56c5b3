"""What a running jobsup writes for newer readers, held against what Sidekiq 7.3 and 8.1 were seen to write."""

from __future__ import annotations

import json
import subprocess

import pytest
import redis

from conftest import Server, eventually
from golden import Version, differences, golden
from jobsup import payload
from jobsup.api.stats import Stats
from jobsup.client import Client

pytestmark = pytest.mark.system


@pytest.mark.parametrize(("jobsup", "version"), [(7, "7.3.10"), (8, "8.1.7")], indirect=["jobsup"])
def test_records_and_jobs_have_the_recorded_shape(
    r: redis.Redis, server: Server, jobsup: subprocess.Popen[bytes], version: Version
) -> None:
    shape = golden(version)
    client = Client(server.url, wire=7 if version == "7.3.10" else 8)
    client.push({"class": "Failing", "args": ["x"]})
    client.push({"class": "Doomed", "args": [], "retry": 0})
    client.push({"class": "Waiting", "args": []})

    def settled() -> bool:
        stats = Stats.read(r)
        return (stats.retry_size, stats.dead_size, stats.busy) == (1, 1, 1)

    eventually(settled, within=30)

    for identity in r.smembers("processes"):
        record = r.hgetall(identity)
        assert {name.encode() for name in shape["record_fields"]} <= set(record)
        assert differences(json.loads(record[b"info"]), shape["info"]) == []
    (running,) = r.scan_iter(f"*:{shape['work_key']}")
    (entry,) = map(json.loads, r.hvals(running))
    assert differences(entry, shape["work"]) == []
    assert differences(payload.loads(entry["payload"].encode()), shape["job"]) == []
    for key, name in (("retry", "retry_first"), ("dead", "dead")):
        (raw,) = r.zrange(key, 0, -1)
        assert differences(payload.loads(raw), shape[name]) == []
    r.rpush("compat:go", "go")
