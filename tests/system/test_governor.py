"""In a real control group with little memory: what is done before the kernel kills."""

from __future__ import annotations

import re

import pytest
import redis

from conftest import eventually, never
from harness import LEDGER_JOBS, Group, Jobsup, push

pytestmark = pytest.mark.system

LIMIT = 600 << 20

HUNGRY_JOBS = (
    LEDGER_JOBS
    + """
kept = []

@job
def leak(n, size):
    kept.append(b"x" * size)
    note("end", n)

@job
def holds(n, size, seconds):
    note("start", n)
    held = b"x" * size
    time.sleep(seconds)
    note("end", n)
"""
)


def until(app: Jobsup, share: float) -> int:
    """Bytes until *share* of the memory is used."""
    memory = app.status()["memory"]
    assert memory["limit"] == LIMIT
    return int(share * LIMIT) - int(memory["used"])


def start(app: Jobsup, small: Group) -> None:
    app.jobs(HUNGRY_JOBS)
    app.profile("main", concurrency=1, drain=30)
    app.profile("light", concurrency=1, queues=["light"])
    app.profiles = ["main", "light"]
    app.start(wrapper=small(LIMIT))


def test_when_memory_is_tight_the_largest_idle_worker_is_replaced(small: Group, app: Jobsup, r: redis.Redis) -> None:
    start(app, small)
    [old] = app.workers()
    push(r, "leak", 1, until(app, 0.89))

    eventually(lambda: f"Replacing Worker main (pid {old}): " in app.log())
    assert "of the idle workers it holds most" in app.log()
    eventually(lambda: f"(pid {old}) ended: exit code 0" in app.log())
    eventually(lambda: until(app, 0.8) > 0)
    assert app.ended() == ["1"]
    assert app.status()["deaths"] == []


def test_when_it_is_short_the_hungriest_pool_fetches_nothing_until_there_is_room(
    small: Group, app: Jobsup, r: redis.Redis
) -> None:
    start(app, small)
    push(r, "holds", 1, until(app, 0.945), 8)

    eventually(lambda: "Pool main fetches nothing more until there is room" in app.log())
    assert "Pool main is held to 0 workers" in app.ctl("status").stdout
    push(r, "quick", 2)
    push(r, "quick", 3, queue="light")
    eventually(lambda: "3" in app.ended())
    never(lambda: "2" in app.ended() and "1" not in app.ended(), within=1)
    eventually(lambda: "Pool main works as configured again" in app.log(), within=20)
    eventually(lambda: app.ended() == ["3", "1", "2"])
    assert app.started() == ["1"]
    assert app.status()["deaths"] == []


def test_before_the_kernel_kills_the_largest_worker_does_not_live_and_a_job_that_does_it_again_is_found(
    small: Group, app: Jobsup, r: redis.Redis
) -> None:
    start(app, small)
    push(r, "holds", 1, until(app, 0.98), 60, jid="abc")

    eventually(lambda: r.zcard("dead") == 1, within=60)
    verdicts = [death["verdict"] for death in app.status()["deaths"]]
    assert len(verdicts) == 3
    ours = r"killed by SIGKILL by jobsup \(\d+% of the memory that the control group may have \(600M\) is used, "
    assert all(re.match(ours, verdict) for verdict in verdicts), verdicts
    push(r, "quick", 2)
    eventually(lambda: app.ended() == ["2"], within=20)
