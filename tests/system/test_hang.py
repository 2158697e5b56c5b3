"""Jobs and workers that do not get on."""

from __future__ import annotations

import json
import os
import signal
import time

import psutil
import pytest
import redis

from conftest import eventually
from harness import Jobsup, inflight, push

pytestmark = pytest.mark.system

STUCK = """
import ctypes, os, re, threading, time
from jobsup import job

def note(*words):
    with open(os.environ["LEDGER"], "a") as ledger:
        ledger.write(" ".join(map(str, words)) + "\\n")

@job
def burn():
    note("start", "burn")
    re.match("(a+)+$", "a" * 64 + "b")

@job(time_limit=2)
def limited():
    note("start", "limited")
    re.match("(a+)+$", "a" * 64 + "b")

@job
def neighbour(n):
    note("start", n)
    for _ in range(10):
        time.sleep(0.2)
    note("end", n)

@job
def hold():
    if os.path.exists("held"):
        note("end", "hold")
        return
    open("held", "w").close()
    note("start", "hold")
    ctypes.PyDLL(None).sleep(600)

@job
def grab(seconds):
    note("start", "grab")
    # All of it in C, without a line of Python at which the lock could be let go.
    until = time.monotonic() + seconds
    next(filter(until.__le__, iter(time.monotonic, None)))
    note("end", "grab")

@job
def blocked():
    note("start", "blocked")
    threading.Event().wait(600)
"""


def why(app: Jobsup, jid: str) -> dict[str, object]:
    answer = app.ctl("why", jid, "--json")
    assert answer.returncode == 0, answer.stderr
    return dict(json.loads(answer.stdout))


def test_why_tells_a_waiting_job_from_one_that_burns_cpu_and_shows_both_stacks(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(STUCK)
    app.profile("main", timeout=0.5, kill_after=0.5)
    app.start()
    push(r, "blocked", jid="abc")
    eventually(lambda: "blocked" in app.started())
    found = why(app, "abc")
    assert found["verdict"] == "It waits for a lock, or for another thread."
    assert "in blocked" in str(found["stack"])
    assert found["class"] == "blocked"

    push(r, "burn", jid="def")
    eventually(lambda: "burn" in app.started())
    found = why(app, "def")
    assert "CPU" in str(found["verdict"])
    assert "in burn" in str(found["stack"])
    shown = app.ctl("why", "def").stdout
    assert "burn def has run for" in shown
    assert "in burn" in shown


def test_why_of_a_job_that_does_not_run_is_one_sentence(app: Jobsup) -> None:
    app.start()
    answer = app.ctl("why", "nobody")
    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr.strip().endswith("No job nobody runs here.")


def test_a_worker_whose_main_thread_is_held_for_ever_is_killed_with_its_stacks_in_the_log(
    app: Jobsup, r: redis.Redis
) -> None:
    app.jobs(STUCK)
    app.start()
    push(r, "hold", jid="abc")

    eventually(lambda: "hold" in app.ended(), within=40)
    assert "its main thread does nothing at all" in app.log()
    assert "in hold" in app.log()
    [death] = app.status()["deaths"]
    assert "by jobsup (its main thread had not got on for" in death["verdict"]
    assert "it ran hold abc for" in death["verdict"]


def test_a_job_that_holds_the_lock_beyond_its_limit_has_failed_and_its_neighbours_are_no_suspects(
    app: Jobsup, r: redis.Redis
) -> None:
    app.jobs(STUCK)
    app.profile("main", kill_after=1)
    app.start()
    push(r, "neighbour", 1)
    eventually(lambda: app.started() == ["1"])
    push(r, "limited", jid="abc")

    eventually(lambda: r.zcard("retry") == 1, within=45)
    assert b"TimeLimitExceeded" in r.zrange("retry", 0, -1)[0]
    eventually(lambda: "1" in app.ended(), within=10)
    assert "a job held the interpreter's lock beyond its time limit" in app.log()
    assert r.keys("jobsup:crashes:*") == []
    assert "process of its own" not in app.log()


def test_a_job_that_holds_the_lock_for_longer_than_a_lease_runs_nowhere_else(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(STUCK)
    app.profile("main", processes=2)
    app.start()
    workers = app.workers()
    push(r, "grab", 24)
    eventually(lambda: app.started() == ["grab"])

    eventually(lambda: app.ended() == ["grab"], within=40)
    eventually(lambda: inflight(r) == 0)
    assert app.started() == ["grab"]
    assert app.workers() == workers
    assert "given up by the others" not in app.log()
    assert "given to others" not in app.log()


def test_nobody_is_killed_for_the_time_in_which_nobody_ran(app: Jobsup, r: redis.Redis) -> None:
    app.start()
    workers = app.workers()
    everyone = [app.pid, *(child.pid for child in psutil.Process(app.pid).children(recursive=True))]
    for pid in everyone:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(17)  # the thing itself: longer than a lease, and than a worker may be late
    for pid in everyone:
        os.kill(pid, signal.SIGCONT)
    push(r, "quick", 1)

    eventually(lambda: app.ended() == ["1"], within=30)
    assert app.workers() == workers
    assert app.status()["deaths"] == []


def test_a_worker_that_somebody_stopped_is_left_alone_and_said_to_be_stopped(app: Jobsup, r: redis.Redis) -> None:
    app.start()
    [worker] = app.workers()
    os.kill(worker, signal.SIGSTOP)

    eventually(lambda: "its process is stopped" in app.log(), within=25)
    os.kill(worker, signal.SIGCONT)
    push(r, "quick", 1)
    eventually(lambda: app.ended() == ["1"], within=30)
    assert app.workers() == [worker]
