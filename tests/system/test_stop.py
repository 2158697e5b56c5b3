"""Stopping the real command: what finishes, what is given back, and the exit code that says so."""

from __future__ import annotations

import os
import signal

import pytest
import redis

from conftest import eventually
from harness import Jobsup, inflight, push
from jobsup.exits import Exit

pytestmark = pytest.mark.system


def test_an_idle_supervisor_stops_at_once_and_leaves_nothing_in_redis_but_who_it_was(
    app: Jobsup, r: redis.Redis
) -> None:
    app.start()
    identities = [name.decode() for name in r.smembers("processes")]
    assert len(identities) == 1

    assert app.stop() == Exit.OK
    # As with Sidekiq, the record itself is left to expire.  The identity is remembered for a while: a job that a
    # blocking move brings after its connection was lost would otherwise lie in a list of nobody.
    remembered = {"jobsup:swept", *(f"jobsup:owner:{identity}" for identity in identities)}
    assert {key.decode() for key in r.scan_iter()} == {*identities, *remembered}
    assert {name.decode() for name in r.zrange("jobsup:swept", 0, -1)} == set(identities)
    assert not app.ctl_path.exists()


def test_term_lets_running_jobs_finish_and_gives_the_waiting_ones_to_others(app: Jobsup, r: redis.Redis) -> None:
    app.start()
    for n in range(6):
        push(r, "nap", n, 1.0)
    eventually(lambda: len(app.started()) == 2)

    assert app.stop() == Exit.OK
    assert sorted(app.ended()) == sorted(app.started())
    assert r.llen("queue:default") == 4
    assert inflight(r) == 0


def test_a_job_that_outlives_the_deadline_is_interrupted_and_is_the_next_to_be_fetched(
    app: Jobsup, r: redis.Redis
) -> None:
    app.profile("main", timeout=0.5, concurrency=1)
    app.start()
    push(r, "soft", 1)
    eventually(lambda: app.started() == ["1"])
    push(r, "quick", 2)

    assert app.stop() == Exit.GIVEN_BACK
    assert [line.split()[0] for line in app.lines()] == ["start", "interrupted"]
    assert b'"class":"soft"' in r.lindex("queue:default", -1)
    assert r.llen("queue:default") == 2
    assert r.get("stat:failed") in (None, b"0")
    assert r.zcard("retry") == 0


def test_a_job_that_cannot_be_interrupted_is_left_and_given_back_after_its_process_has_ended(
    app: Jobsup, r: redis.Redis
) -> None:
    app.profile("main", timeout=0.3, kill_after=1, concurrency=1)
    app.start()
    push(r, "nap", 1, 60)  # one long call into C: the exception arrives after it
    eventually(lambda: app.started() == ["1"])
    workers = app.workers()

    assert app.stop() == Exit.GIVEN_BACK
    assert not any(os.path.exists(f"/proc/{pid}") for pid in workers)
    assert r.llen("queue:default") == 1
    assert inflight(r) == 0


def test_a_second_term_changes_nothing(app: Jobsup, r: redis.Redis) -> None:
    app.start()
    push(r, "nap", 1, 1.5)
    eventually(lambda: app.started() == ["1"])
    app.signal(signal.SIGTERM)
    eventually(lambda: "Stopping" in app.log())
    app.signal(signal.SIGTERM)
    for worker in app.workers():
        os.kill(worker, signal.SIGTERM)  # systemd's default and Heroku send it to everybody

    assert app.wait() == Exit.OK
    assert app.ended() == ["1"]


def test_a_second_interrupt_gives_everything_back_now(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", timeout=60, kill_after=1)
    app.start()
    push(r, "soft", 1)
    eventually(lambda: app.started() == ["1"])
    app.signal(signal.SIGINT)
    eventually(lambda: "Stopping" in app.log())
    app.signal(signal.SIGINT)

    assert app.wait(within=10) == Exit.GIVEN_BACK
    assert r.llen("queue:default") == 1


def test_a_jobs_own_timeout_is_the_time_it_may_use_once_a_stop_has_begun(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", timeout=0.5, max_timeout=30, concurrency=2)
    app.start()
    push(r, "patient", 1, 2.5)
    push(r, "soft", 2)
    eventually(lambda: len(app.started()) == 2)

    assert app.stop() == Exit.GIVEN_BACK
    assert app.ended() == ["1"]
    assert [line.split()[1] for line in app.lines() if line.startswith("interrupted")] == ["2"]


def test_max_timeout_bounds_what_a_job_may_ask_for(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", timeout=0.5, max_timeout=1)
    app.start()
    push(r, "patient", 1, 30)
    eventually(lambda: app.started() == ["1"])

    assert app.stop() == Exit.GIVEN_BACK
    assert app.ended() == []
    assert r.llen("queue:default") == 1


def test_a_term_during_the_start_is_obeyed(app: Jobsup) -> None:
    app.jobs("import time; time.sleep(30)")
    app.start(wait=False)
    eventually(lambda: app.log_path.exists() and "started" in app.log())
    app.signal(signal.SIGTERM)

    assert app.wait(within=10) == Exit.OK


def test_quiet_lets_jobs_finish_and_fetches_no_more(app: Jobsup, r: redis.Redis) -> None:
    app.start()
    push(r, "nap", 1, 0.5)
    eventually(lambda: app.started() == ["1"])
    app.signal(signal.SIGTSTP)
    eventually(lambda: "Quiet" in app.log())
    push(r, "quick", 2)

    eventually(lambda: app.ended() == ["1"])
    eventually(lambda: r.hget(next(iter(r.smembers("processes"))), "quiet") == b"true")
    assert r.llen("queue:default") == 1
    assert app.stop() == Exit.OK


def test_it_works_as_pid_1_and_reaps_what_is_reparented_to_it(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(
        "import os, subprocess\n"
        "from jobsup import job\n"
        "@job\n"
        "def orphan():\n"
        "    subprocess.run(['sh', '-c', 'sleep 0.2 & echo $! > orphan'], check=True)\n"
    )
    app.start(wrapper=["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"])
    push(r, "orphan")
    eventually(lambda: (app.directory / "orphan").exists())
    inside = int(app.ctl("status", "--json") and app.status()["pid"])
    assert inside == 1

    supervisor = app.children("parent")[0]
    eventually(lambda: "orphan" not in app.log() and not zombies(supervisor))
    os.kill(supervisor, signal.SIGTERM)
    assert app.wait() == Exit.OK


def zombies(pid: int) -> list[str]:
    import psutil

    return [p.name() for p in psutil.Process(pid).children() if p.status() == psutil.STATUS_ZOMBIE]
