"""Jobs that do not end by themselves: time limits, cancelling, and more interruptions than a job may have."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis

from conftest import eventually
from harness import LEDGER_JOBS, Jobsup, inflight, push
from jobsup.api.processes import WorkSet
from jobsup.exits import Exit

pytestmark = pytest.mark.system

STUCK_JOBS = (
    LEDGER_JOBS
    + """
import ctypes
from jobsup import Cancelled, TimeLimitExceeded

@job(time_limit=0.5)
def loop(n):
    note("start", n)
    while True:
        time.sleep(0.01)

@job(time_limit=0.5)
def clean(n):
    note("start", n)
    try:
        while True:
            time.sleep(0.01)
    except TimeLimitExceeded:
        note("end", n)

@job(time_limit=0.5)
def stubborn(n):
    note("start", n)
    while True:
        try:
            while True:
                time.sleep(0.01)
        except Exception:
            note("ignored", n)

@job(time_limit=0.5)
def in_c(n):
    note("start", n)
    ctypes.CDLL(None).sleep(60)

@job
def deaf(n):
    note("start", n)
    ctypes.CDLL(None).sleep(60)

@job
def endless(n):
    note("start", n)
    try:
        while True:
            time.sleep(0.01)
    except Cancelled:
        note("cancelled", n)
        raise
"""
)


def failure(r: redis.Redis, name: str = "retry") -> dict[str, Any]:
    eventually(lambda: r.zcard(name) == 1, within=15)
    return dict(json.loads(r.zrange(name, 0, 0)[0]))


def test_a_job_that_reaches_its_time_limit_fails_like_any_other(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(STUCK_JOBS)
    app.start()
    workers = app.workers()
    push(r, "loop", 1)

    failed = failure(r)
    assert failed["error_class"] == "jobsup.errors.TimeLimitExceeded"
    assert failed["error_message"] == "it ran longer than its time limit of 0.5s"
    assert app.workers() == workers
    eventually(lambda: inflight(r) == 0)


def test_the_profiles_time_limit_holds_for_jobs_that_name_none(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", time_limit=0.4)
    app.start()
    push(r, "patient", 1, 60)

    assert failure(r)["error_message"] == "it ran longer than its time limit of 0.4s"


def test_a_job_may_end_well_after_its_time_limit(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(STUCK_JOBS)
    app.start()
    push(r, "clean", 1)

    eventually(lambda: app.ended() == ["1"])
    eventually(lambda: inflight(r) == 0)
    assert r.zcard("retry") == 0


@pytest.mark.parametrize("name", ["stubborn", "in_c"])
def test_a_job_that_does_not_heed_its_limit_ends_with_its_process_and_its_neighbours_finish_and_run_once(
    app: Jobsup, r: redis.Redis, name: str
) -> None:
    app.jobs(STUCK_JOBS)
    app.profile("main", concurrency=2, timeout=10, kill_after=1)
    app.start()
    workers = app.workers()
    push(r, name, 1)
    eventually(lambda: app.started() == ["1"])
    push(r, "nap", 2, 3.0)
    eventually(lambda: app.started() == ["1", "2"])
    for n in range(3, 6):
        push(r, "nap", n, 0.1)

    assert failure(r)["error_class"] == "jobsup.errors.TimeLimitExceeded"
    eventually(lambda: sorted(app.ended()) == ["2", "3", "4", "5"])
    assert sorted(app.started()) == ["1", "2", "3", "4", "5"]
    assert app.workers() != workers
    log = app.log()
    assert "does not heed" in log
    assert "crashed" not in log
    eventually(lambda: inflight(r) == 0)
    assert app.stop() == Exit.OK


def test_the_limit_of_a_job_that_wants_no_retry_is_its_end(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(STUCK_JOBS)
    app.profile("main", kill_after=1)
    app.start()
    push(r, "in_c", 1, retry=0)

    assert failure(r, "dead")["error_class"] == "jobsup.errors.TimeLimitExceeded"
    assert r.zcard("retry") == 0


def test_a_job_that_stops_interrupt_more_often_than_it_allows_is_buried(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", timeout=0.3, kill_after=1, concurrency=1)
    push(r, "soft", 1, max_interruptions=1, jid="often")
    for _ in range(2):
        assert r.llen("queue:default") == 1
        before = len(app.started())
        app.start()
        eventually(lambda before=before: len(app.started()) > before)
        app.stop()

    buried = failure(r, "dead")
    assert buried["error_class"] == "jobsup.errors.InterruptedTooOften"
    assert buried["error_message"].startswith("interrupted 2 times by stops")
    assert r.llen("queue:default") == 0
    assert "more often than it allows" in app.log()


def test_reloads_count_as_the_stops_they_are(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", timeout=0.3, kill_after=1, concurrency=1)
    push(r, "soft", 1, max_interruptions=1)
    app.start()
    for n in range(2):
        eventually(lambda n=n: len(app.started()) == n + 1)
        assert app.ctl("reload", "--wait").returncode == 0

    assert failure(r, "dead")["error_message"].startswith("interrupted 2 times by stops")
    assert r.llen("queue:default") == 0
    assert len(app.started()) == 2


def test_a_job_left_running_by_its_stopping_process_was_interrupted_too(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(STUCK_JOBS)
    app.profile("main", timeout=0.3, kill_after=1, concurrency=1, max_interruptions=1)
    push(r, "deaf", 1, jid="often")
    for n in range(2):
        app.start()
        eventually(lambda n=n: len(app.started()) == n + 1)
        app.stop()

    assert failure(r, "dead")["error_message"].startswith("interrupted 2 times by stops")
    assert r.llen("queue:default") == 0


def test_a_cancelled_job_is_done_with_and_no_failure(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(STUCK_JOBS)
    app.start()
    workers = app.workers()
    push(r, "endless", 1, jid="wrong")
    push(r, "nap", 2, 2.0)
    eventually(lambda: sorted(app.started()) == ["1", "2"])

    assert app.ctl("cancel", "wrong").returncode == 0
    eventually(lambda: any(line.startswith("cancelled 1") for line in app.lines()))
    eventually(lambda: app.ended() == ["2"])
    eventually(lambda: inflight(r) == 0)
    assert "endless wrong cancelled by request" in app.log()
    assert app.workers() == workers
    assert app.stop() == Exit.OK
    assert (r.get("stat:processed"), r.get("stat:failed")) == (b"2", None)
    assert not r.exists("queue:default", "retry", "dead")


def test_cancelling_what_does_not_run_is_refused_with_a_sentence(app: Jobsup) -> None:
    app.start()

    answer = app.ctl("cancel", "nobody")
    assert answer.returncode == Exit.ERROR
    assert answer.stderr == "jobsup: No job nobody runs here; jobs that wait cannot be cancelled.\n"


def test_a_cancelled_job_that_does_not_heed_it_ends_with_its_process(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(STUCK_JOBS)
    app.profile("main", kill_after=1)
    app.start()
    workers = app.workers()
    push(r, "deaf", 1, jid="wrong")
    eventually(lambda: app.started() == ["1"])
    assert app.ctl("cancel", "wrong").returncode == 0

    eventually(lambda: "cancelled by request" in app.log())
    eventually(lambda: app.workers() and app.workers() != workers)
    eventually(lambda: inflight(r) == 0)
    assert app.started() == ["1"]
    assert not r.exists("queue:default", "retry", "dead")
    assert "crashed" not in app.log()


def test_the_api_cancels_several_jobs_of_a_process_on_another_host_with_its_next_beat(
    app: Jobsup, r: redis.Redis
) -> None:
    app.jobs(STUCK_JOBS)
    app.start()
    push(r, "endless", 1, jid="first")
    push(r, "endless", 2, jid="second")
    eventually(lambda: len(WorkSet(r)) == 2, within=15)
    for work in WorkSet(r):
        work.cancel()

    eventually(lambda: sorted(line.split()[1] for line in app.lines() if line.startswith("cancelled")) == ["1", "2"])
    eventually(lambda: inflight(r) == 0)
    assert not r.exists("queue:default", "retry", "dead")
