"""What the real command says of a stop and of a reload: before, from what was measured, and after."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from typing import Any

import pytest
import redis

from conftest import eventually
from harness import LEDGER_JOBS, Jobsup, push
from jobsup.exits import Exit
from jobsup.store import durations
from jobsup.store.durations import Runs

pytestmark = pytest.mark.system


def measured(r: redis.Redis, **classes: list[float]) -> None:
    """As if so many runs had been measured before."""
    batch = {klass: Runs() for klass in classes}
    for klass, seconds in classes.items():
        for one in seconds:
            batch[klass].succeeded(one)
    durations.flush(r, "main", 8, time.time(), batch)


def facts(app: Jobsup, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in app.log().splitlines() if line.startswith("{")]
    return [line["ctx"] for line in lines if line["event"] == event]


def test_a_stop_says_what_will_finish_and_what_not_and_then_what_did(app: Jobsup, r: redis.Redis) -> None:
    measured(r, nap=[1.0] * 50, soft=[40.0] * 95 + [70.0] * 5)
    app.profile("main", timeout=3, concurrency=4)
    app.start("--log-format", "json", "-v", wait=False)
    eventually(lambda: facts(app, "keeper.measured"), within=20)
    for n in range(3):
        push(r, "nap", n, 1.0)
    push(r, "soft", 9)
    eventually(lambda: len(app.started()) == 4)

    app.signal(signal.SIGTERM)
    assert app.wait() == Exit.GIVEN_BACK
    [forecast], [report] = facts(app, "drain.forecast"), facts(app, "drain.report")
    assert (forecast["cause"], forecast["running"], forecast["finish"]) == ("stop", 4, 3)
    assert re.fullmatch(
        r"Drain: 4 running; 3 finish within 3 s; 1 x soft \(p95 \d\d s\) will be given back at \d\d:\d\d:\d\d",
        forecast["sentence"],
    )
    assert (report["finished"], report["given_back"], report["killed"], report["klass"]) == (3, 1, 0, "soft")
    assert 3.0 <= report["longest"] < 8.0
    assert report["sentence"].startswith("Drained in ")


def test_a_job_that_dies_with_its_process_is_told_as_killed(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", timeout=0.3, kill_after=1, concurrency=1)
    app.start("--log-format", "json", wait=False)
    eventually(lambda: facts(app, "parent.ready"), within=20)
    push(r, "nap", 1, 60)
    eventually(lambda: app.started() == ["1"])

    assert app.stop() == Exit.GIVEN_BACK
    [forecast], [report] = facts(app, "drain.forecast"), facts(app, "drain.report")
    assert forecast["unmeasured"] == {"nap": 1}
    assert (report["finished"], report["given_back"], report["killed"]) == (0, 0, 1)


ITERABLE = (
    LEDGER_JOBS
    + """
from jobsup import IterableJob
class Import(IterableJob):
    def build_enumerator(self, *, cursor):
        return ((n, n) for n in range(cursor or 0, 10_000))
    def each_iteration(self, n):
        if n == 0:
            note("start", "import")
        time.sleep(0.01)
"""
)


def test_a_reload_says_it_too_and_ctl_status_shows_both(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(ITERABLE)
    app.profile("main", timeout=1, drain=20, concurrency=2)
    app.start()
    push(r, "patient", 1, 2.0)
    push(r, "Import")
    eventually(lambda: sorted(app.started()) == ["1", "import"])

    assert app.ctl("reload", "--wait").returncode == 0
    eventually(lambda: app.status()["drain"]["report"])
    drain = app.status()["drain"]
    assert (drain["forecast"]["cause"], drain["forecast"]["pausing"]) == ("reload", {"Import": 1})
    assert drain["forecast"]["unmeasured"] == {"patient": 1}
    assert (drain["report"]["finished"], drain["report"]["given_back"], drain["report"]["killed"]) == (1, 1, 0)
    assert drain["report"]["sentence"] in app.ctl("status").stdout


def test_a_reload_that_is_rolled_back_drains_nobody_and_reports_nothing(app: Jobsup) -> None:
    app.start()
    app.profile("main", preload=False)
    app.jobs("raise RuntimeError('no')")
    assert app.ctl("reload", "--wait").returncode == 1
    assert app.status()["drain"]["forecast"]["cause"] == "reload"

    app.jobs(LEDGER_JOBS)
    [before] = app.workers()
    os.kill(before, signal.SIGKILL)
    eventually(lambda: len(app.workers()) == 1 and app.workers() != [before])
    assert app.status()["drain"]["report"] is None, "it died long after the reload had ended"
    assert app.stop() == Exit.OK
    assert app.log().count("Drained in") == 1
