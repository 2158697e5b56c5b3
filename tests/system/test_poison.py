"""A job that kills its process is found, and its neighbours are hurt once."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from typing import Any

import pytest
import redis

from conftest import eventually
from harness import Jobsup, inflight, push
from jobsup.exits import Exit

pytestmark = pytest.mark.system

POISON = """
import ctypes, os, signal, time
from jobsup import job

def note(*words):
    with open(os.environ["LEDGER"], "a") as ledger:
        ledger.write(" ".join(map(str, (*words, os.getpid()))) + "\\n")

def others_run(n):
    started = lambda: sum(line.startswith("start") for line in open(os.environ["LEDGER"]))
    while started() < n:
        time.sleep(0.01)

@job
def innocent(n):
    note("start", n)
    time.sleep(1.0)
    note("end", n)

@job
def quick(n):
    note("end", n)

@job
def poison(how, others=0):
    others_run(others)
    note("kill", how)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "exit":
        os._exit(3)
    else:
        ctypes.string_at(0)

@job
def once(n):
    note("start", n)
    if not os.path.exists("done-once"):
        open("done-once", "w").close()
        os._exit(3)
    note("end", n)
"""


def dead(r: redis.Redis) -> list[dict[str, Any]]:
    return [json.loads(raw) for raw in r.zrange("dead", 0, -1)]


def counted(app: Jobsup, word: str) -> Counter[str]:
    return Counter(line.split()[1] for line in app.lines() if line.startswith(f"{word} "))


@pytest.mark.parametrize("how", ["kill", "exit", "segfault"])
def test_a_job_that_kills_its_process_is_dead_after_the_third_time_and_its_verdicts_say_why(
    app: Jobsup, r: redis.Redis, how: str
) -> None:
    app.jobs(POISON)
    app.start()
    push(r, "poison", how)

    eventually(lambda: len(dead(r)) == 1, within=20)
    assert counted(app, "kill") == {how: 3}
    [job] = dead(r)
    assert job["error_class"] == "jobsup.errors.PoisonJob"
    reason = {"kill": "SIGKILL", "exit": "exit code 3", "segfault": "SIGSEGV"}[how]
    assert job["error_message"].count(reason) == 3
    assert job["queue"] == "default"
    push(r, "quick", 1)
    eventually(lambda: app.ended() == ["1"])
    eventually(lambda: inflight(r) == 0)  # it ran; recording that takes a moment
    assert app.stop() == Exit.OK
    assert not r.exists("queue:default.quarantine")


def test_neighbours_of_a_poison_job_run_again_once_and_are_cleared(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(POISON)
    app.profile("main", concurrency=4)
    app.start()
    for n in range(3):
        push(r, "innocent", n)
    push(r, "poison", "exit", 3)

    eventually(lambda: len(dead(r)) == 1 and len(app.ended()) == 3, within=20)
    assert counted(app, "kill") == {"exit": 3}
    assert counted(app, "start") == {"0": 2, "1": 2, "2": 2}
    assert counted(app, "end") == {"0": 1, "1": 1, "2": 1}
    # One process each: none of them could have been hurt again.
    assert len({line.split()[-1] for line in app.lines() if line.startswith("end ")}) == 3
    eventually(lambda: len(r.keys("jobsup:crashes:*")) == 1)  # who comes to an end is cleared when that is recorded
    [identity] = r.keys("jobsup:crashes:*")  # the culprit's own is kept for its three days
    assert identity.decode().endswith(dead(r)[0]["jid"])


def test_a_job_that_only_killed_its_process_once_is_cleared_by_its_second_run(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(POISON)
    app.start()
    push(r, "once", 1)

    eventually(lambda: app.ended() == ["1"], within=20)
    eventually(lambda: not r.keys("jobsup:crashes:*"))
    assert dead(r) == []
    eventually(lambda: len(app.status()["pools"]) == 1, within=20)  # nobody waits for suspects any more


def test_a_poison_job_that_is_not_to_be_kept_is_dropped_with_a_line_in_the_log(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(POISON)
    app.start()
    push(r, "poison", "exit", dead=False)

    eventually(lambda: "killed its process 3 times" in app.log(), within=20)
    eventually(lambda: inflight(r) == 0 and not r.exists("queue:default.quarantine"))
    assert counted(app, "kill") == {"exit": 3}
    assert dead(r) == []


def test_suspects_that_nobody_works_on_are_found_by_the_next_start(app: Jobsup, r: redis.Redis) -> None:
    push(r, "quick", 7, queue="default.quarantine")
    app.jobs(POISON)
    app.start()

    eventually(lambda: app.ended() == ["7"], within=10)


def test_the_jobs_of_a_worker_that_is_asked_to_leave_are_no_suspects(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(POISON)
    app.profile("main", timeout=0.2, kill_after=0.2)
    app.start()
    push(r, "innocent", 1)
    eventually(lambda: app.started() == ["1"])
    (worker,) = app.workers()
    os.kill(worker, signal.SIGTERM)

    eventually(lambda: app.ended() == ["1"], within=20)
    assert r.keys("jobsup:crashes:*") == []
    assert "process of its own" not in app.log()


def test_suspects_run_under_the_profile_that_is_named_for_them(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(
        POISON
        + """
@job
def where(n):
    note(os.environ.get("PLACE", "nowhere"), n)
    if "PLACE" not in os.environ:
        os._exit(3)
"""
    )
    app.profile("main", quarantine="heavy")
    app.profile("heavy", queues=["heavy"], env={"PLACE": "heavy"})
    app.profiles.append("heavy")
    app.start()
    push(r, "where", 1)

    eventually(lambda: counted(app, "heavy") == {"1": 1}, within=20)
    assert counted(app, "nowhere") == {"1": 1}
