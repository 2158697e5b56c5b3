"""What jobsup enqueues, run by a real Ruby worker and compared exactly with what was meant."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import redis

from conftest import Server, eventually
from jobsup import Job, client, payload

pytestmark = [pytest.mark.ruby, pytest.mark.system]

ARGS: list[list[Any]] = [
    [],
    ["héllo ✓ 😀", 'quotes " and \\ and / and \n\t\x00\x1f\x7f', "\u2028\u2029"],
    [1, -1, 0, 2**31, 2**63 - 1, 2**63, -(2**64), 2**70],
    [0.0, -0.0, 1.0, 0.1, 1e-5, 1.5e300, 1e15, 1e16, 123456789012345680.0, 5e-324],
    [None, True, False, [], {}, [[[]]], {"": {"é": [None]}}],
    [{"k": [1, {"n": None}], "z": 1, "a": 2}],
]


class Echo(Job, name="Compat::Echo"):
    """Only enqueued here: the class that runs is Ruby's."""

    def perform(self, *args: Any) -> None:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def _default_client(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """``perform_async`` pushes to this server, as Debian's Sidekiq reads."""
    monkeypatch.setattr(client, "_default", client.Client(server.url, wire=6))


def runs(r: redis.Redis) -> dict[str, list[Any]]:
    """Job id -> arguments, of what Ruby ran."""
    return {run["jid"]: run["args"] for run in map(json.loads, r.lrange("compat:ruby", 0, -1))}


def ruby_class(value: object) -> str:
    if isinstance(value, bool):
        return f"{value}Class"
    names = {str: "String", int: "Integer", float: "Float", list: "Array", dict: "Hash"}
    return names.get(type(value), "NilClass")


def test_a_ruby_worker_runs_every_value_as_it_was_meant(r: redis.Redis, sidekiq: None) -> None:
    meant = {Echo.perform_async(*args): args for args in ARGS}

    eventually(lambda: r.llen("compat:ruby") == len(ARGS), within=30)

    # repr, because 1 == 1.0 == True and 0.0 == -0.0.
    assert repr(sorted(runs(r).items())) == repr(sorted(meant.items()))
    for run in map(json.loads, r.lrange("compat:ruby", 0, -1)):
        assert run["types"] == [ruby_class(arg) for arg in meant[run["jid"]]]
    assert r.zcard("retry") == r.zcard("dead") == 0


def test_a_ruby_worker_runs_what_was_enqueued_in_every_way(r: redis.Redis, sidekiq: None) -> None:
    meant = {
        Echo.perform_in(0.2, "soon"): ["soon"],
        Echo.perform_at(time.time() - 5, "past"): ["past"],
        Echo.set(queue="other", retry=3, tags=["a"]).perform_async("set"): ["set"],
        client.default().push({"class": "Compat::Echo", "args": ["pushed"], "custom": 1}): ["pushed"],
    }
    meant |= dict(zip(Echo.perform_bulk([[n] for n in range(250)]), ([n] for n in range(250)), strict=True))
    later = Echo.perform_in(3600, "later")

    # Ruby's scheduler looks for the first time after 10 to 15 seconds.
    eventually(lambda: r.llen("compat:ruby") == len(meant), within=60)

    assert runs(r) == meant
    assert [payload.loads(raw)["jid"] for raw in r.zrange("schedule", 0, -1)] == [later]


@pytest.mark.parametrize("args", ARGS, ids=repr)
def test_ruby_finds_a_stored_job_by_writing_it_again(r: redis.Redis, ruby: Any, args: list[Any]) -> None:
    jid = Echo.perform_in(60, *args)

    ruby("repair.rb", "ScheduledSet", jid, "reschedule", str(time.time() + 7200))

    assert r.zcard("schedule") == 1
