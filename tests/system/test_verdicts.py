"""What is said of a worker that ended tells the truth."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest
import redis

from conftest import eventually
from harness import Group, Jobsup, push
from jobsup.api.deaths import last_deaths

pytestmark = pytest.mark.system

FATAL = """
import ctypes, os, time
from jobsup import job

@job
def fault():
    inner()

def inner():
    ctypes.string_at(0)

@job
def hog():
    ledger = os.environ["LEDGER"]
    open(ledger, "a").write(f"start {os.getpid()}\\n")
    while not os.path.exists(f"{ledger}.{os.getpid()}"):
        time.sleep(0.01)
    bytearray(400_000_000)

@job
def nap(n, seconds):
    open(os.environ["LEDGER"], "a").write(f"start {n}\\n")
    time.sleep(seconds)
"""


def verdicts(app: Jobsup) -> list[str]:
    return [str(death["verdict"]) for death in app.status()["deaths"]]


def test_a_fault_leaves_its_stack_in_the_log_the_status_and_redis(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(FATAL)
    app.start()
    push(r, "fault", jid="abc")

    eventually(lambda: r.exists("dead"), within=20)
    assert "Segmentation fault" in app.log()
    assert " in inner" in app.log()
    first, *_ = app.status()["deaths"]
    assert first["verdict"].startswith("killed by SIGSEGV after")
    assert "it ran fault abc for" in first["verdict"]
    assert " in inner" in first["stacks"]
    assert len(last_deaths(r)) == 3
    assert last_deaths(r)[-1].verdict == first["verdict"]
    assert "killed by SIGSEGV after" in app.ctl("status").stdout


def test_a_kill_from_outside_is_not_called_ours_nor_the_kernels(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(FATAL)
    app.start()
    push(r, "nap", 1, 30, jid="abc")
    eventually(lambda: app.started() == ["1"])
    os.kill(app.workers()[0], signal.SIGKILL)

    eventually(lambda: verdicts(app))
    [verdict] = verdicts(app)
    assert verdict.startswith("killed by SIGKILL after")
    assert "it was ready with" in verdict
    assert "it ran nap abc for" in verdict


def test_a_kill_of_ours_says_so_and_why(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(FATAL)
    app.profile("main", timeout=0.2, kill_after=0.5)
    app.start()
    [worker] = app.workers()
    os.kill(worker, signal.SIGSTOP)
    assert app.ctl("reload").returncode == 0

    eventually(lambda: verdicts(app), within=20)
    assert "by jobsup (it did not leave in time" in verdicts(app)[0]


def test_a_worker_that_the_kernel_kills_for_its_memory_is_said_to_have_died_of_that(
    small: Group, app: Jobsup, r: redis.Redis
) -> None:
    app.jobs(FATAL)
    app.start(wrapper=small(300_000_000))
    push(r, "hog", jid="abc")
    for kill in range(3):
        eventually(lambda kill=kill: len(app.started()) == kill + 1)
        pid = app.started()[-1]
        # Else it might be quicker than the kernel, to kill the largest worker of a group that is nearly full.
        app.signal(signal.SIGSTOP)
        Path(f"{app.ledger}.{pid}").touch()
        eventually(lambda pid=pid: psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE)
        app.signal(signal.SIGCONT)

    eventually(lambda: r.zcard("dead") == 1)
    assert all(verdict.startswith("killed by SIGKILL (out of memory) after") for verdict in verdicts(app))
    assert len(verdicts(app)) == 3
    [job] = r.zrange("dead", 0, -1)
    assert job.count(b"out of memory") == 3
