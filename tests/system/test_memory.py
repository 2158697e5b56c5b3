"""Workers that are replaced for their memory or their age, and those that are killed for what they hold."""

from __future__ import annotations

import re

import pytest
import redis

from conftest import eventually
from harness import LEDGER_JOBS, Jobsup, push

pytestmark = pytest.mark.system

HUNGRY_JOBS = (
    LEDGER_JOBS
    + """
kept = []

@job
def leak(megabytes):
    kept.append(b"x" * (megabytes << 20))
    note("end", "leak")

@job
def hog(n, megabytes):
    note("start", n)
    held = b"x" * (megabytes << 20)
    time.sleep(60)
"""
)


def worn(app: Jobsup) -> dict[int, str]:
    """Pid -> why it was replaced, as the log says."""
    found = re.findall(r"Replacing Worker main \(pid (\d+)\): (.*)", app.log())
    return {int(pid): reason for pid, reason in found}


def test_a_worker_that_grew_too_large_leaves_when_another_is_ready_and_its_job_has_ended(
    app: Jobsup, r: redis.Redis
) -> None:
    app.jobs(HUNGRY_JOBS)
    app.profile("main", max_memory="120M", drain=30)
    app.start()
    [old] = app.workers()
    push(r, "leak", 150)
    eventually(lambda: app.ended() == ["leak"])
    push(r, "nap", 1, 4)

    eventually(lambda: old in worn(app))
    assert re.fullmatch(r"it holds 1[5-9]\d(\.\d)?M \(max_memory 120M\)", worn(app)[old])
    eventually(lambda: f"(pid {old}) ended: exit code 0" in app.log(), within=20)
    assert app.started() == ["1"]
    assert app.ended() == ["leak", "1"]
    [new] = app.workers()
    log = app.log()
    assert log.index(f"(pid {old}): it holds") < log.index(f"is ready (pid {new}") < log.index(f"(pid {old}) ended")
    assert list(worn(app)) == [old]


def test_the_status_says_why_a_worker_is_being_replaced(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", max_jobs=1, drain=30)
    app.start()
    [old] = app.workers()
    push(r, "nap", 1, 5)
    push(r, "quick", 2)

    eventually(lambda: old in worn(app))
    table = app.ctl("status").stdout
    assert f"Worker main (pid {old}) is being replaced: it has run 1 jobs (max_jobs 1)" in table
    [children] = [pool["children"] for pool in app.status()["pools"]]
    assert [child["worn"] for child in children if child["pid"] == old] == ["it has run 1 jobs (max_jobs 1)"]


def test_workers_that_have_run_enough_jobs_are_replaced_and_every_job_runs_once(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", processes=2, max_jobs=20)
    app.start()
    before = app.workers()
    for n in range(60):
        push(r, "quick", n)

    eventually(lambda: len(app.ended()) == 60)
    eventually(lambda: set(worn(app)) & set(before))
    eventually(lambda: not set(worn(app)) & set(app.workers()))
    assert sorted(app.ended(), key=int) == [str(n) for n in range(60)]
    assert len(app.workers()) == 2


def test_workers_that_have_lived_long_enough_are_replaced_without_a_gap(app: Jobsup) -> None:
    app.profile("main", processes=3, max_lifetime=4)
    app.start()
    before = set(app.workers())

    eventually(lambda: before <= worn(app).keys(), within=20)
    eventually(lambda: not before & set(app.workers()))
    app.stop()
    running = app.log()[: app.log().index("Stopping")]
    story = re.findall(r"Worker main (?:\(pid \d+\) )?(is ready|ended)", running)
    alive = [story[:n].count("is ready") - story[:n].count("ended") for n in range(3, len(story))]
    assert min(alive) == 3


def test_a_worker_far_too_large_is_killed_and_only_the_job_that_does_it_again_is_a_suspect(
    app: Jobsup, r: redis.Redis
) -> None:
    app.jobs(HUNGRY_JOBS)
    app.profile("main", kill_memory="200M")
    app.start()
    [first] = app.workers()
    push(r, "nap", 1, 1.5)
    push(r, "hog", 2, 300, jid="abc")

    eventually(lambda: f"Killing Worker main (pid {first}): it holds" in app.log())
    eventually(lambda: r.zcard("dead") == 1, within=30)
    eventually(lambda: "1" in app.ended())
    [job] = r.zrange("dead", 0, -1)
    assert b'"jid":"abc"' in job
    assert job.count(b"(kill_memory 200M)") == 3
    assert app.started().count("2") == 3
    assert "crashed: killed by SIGKILL by jobsup (it holds" in app.log()
    before_suspicion, _, _ = app.log().partition("each runs again in a process of its own")
    assert before_suspicion.count("Killing Worker main (") == 2
