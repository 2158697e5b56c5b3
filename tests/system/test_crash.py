"""Whatever is killed, the jobs come back."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil
import pytest
import redis

from conftest import Server, eventually
from harness import Jobsup, inflight, push
from jobsup.exits import Exit

pytestmark = pytest.mark.system


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_the_jobs_of_a_killed_worker_run_again_and_it_is_replaced(app: Jobsup, r: redis.Redis) -> None:
    app.start()
    (worker,) = app.workers()
    push(r, "nap", 1, 1.0)
    push(r, "nap", 2, 1.0)
    eventually(lambda: sorted(app.started()) == ["1", "2"])
    os.kill(worker, signal.SIGKILL)

    eventually(lambda: sorted(app.ended()) == ["1", "2"])
    assert sorted(app.started()) == ["1", "1", "2", "2"]
    assert app.workers() != [worker]
    assert "SIGKILL" in app.log()
    eventually(lambda: inflight(r) == 0)
    assert app.stop() == Exit.OK


def test_a_worker_that_exits_by_itself_loses_nothing(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(
        "import os\n"
        "from jobsup import job\n"
        "@job\n"
        "def leave():\n"
        "    try:\n"
        "        os.close(os.open('left', os.O_CREAT | os.O_EXCL))\n"
        "    except FileExistsError:\n"
        "        open(os.environ['LEDGER'], 'a').write('end again\\n')\n"
        "    else:\n"
        "        os._exit(3)\n"
    )
    app.start()
    push(r, "leave")

    eventually(lambda: app.ended() == ["again"])
    assert "exit code 3" in app.log()


def test_what_a_killed_worker_started_does_not_survive_it(app: Jobsup, r: redis.Redis) -> None:
    app.jobs(
        "import os, subprocess\n"
        "from jobsup import job\n"
        "@job\n"
        "def spawn():\n"
        "    child = subprocess.Popen(['sleep', '60'])\n"
        "    open(os.environ['LEDGER'], 'a').write(f'start {child.pid}\\n')\n"
        "    child.wait()\n"
    )
    app.start()
    push(r, "spawn", retry=False)
    eventually(lambda: len(app.started()) == 1)
    os.kill(app.workers()[0], signal.SIGKILL)

    eventually(lambda: not alive(int(app.started()[0])))


def test_a_killed_keeper_is_replaced_and_no_job_notices(app: Jobsup, r: redis.Redis) -> None:
    app.start()
    workers = app.workers()
    push(r, "nap", 1, 1.0)
    eventually(lambda: app.started() == ["1"])
    (keeper,) = app.children("keeper")
    os.kill(keeper, signal.SIGKILL)

    eventually(lambda: app.children("keeper") not in ([], [keeper]))
    eventually(lambda: app.ended() == ["1"])
    assert app.started() == ["1"]
    assert app.workers() == workers


def test_a_worker_that_dies_while_there_is_no_keeper_is_given_back_by_the_next_one(app: Jobsup, r: redis.Redis) -> None:
    app.start()
    push(r, "nap", 1, 0.7)
    eventually(lambda: app.started() == ["1"])
    os.kill(app.children("keeper")[0], signal.SIGKILL)
    os.kill(app.workers()[0], signal.SIGKILL)

    eventually(lambda: app.ended() == ["1"])
    eventually(lambda: inflight(r) == 0)


def test_a_killed_template_is_replaced_without_touching_its_workers(app: Jobsup, r: redis.Redis) -> None:
    app.start()
    workers = app.workers()
    (template,) = app.children("template")
    os.kill(template, signal.SIGKILL)

    eventually(lambda: app.children("template") not in ([], [template]))
    assert app.workers() == workers
    os.kill(workers[0], signal.SIGKILL)
    eventually(lambda: app.workers() not in ([], workers))
    push(r, "quick", 1)
    eventually(lambda: app.ended() == ["1"])


def test_a_killed_parent_leaves_no_process_and_its_workers_finish_what_they_run(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", timeout=3, concurrency=1, processes=2)
    app.start()
    everyone = [child.pid for child in psutil.Process(app.pid).children(recursive=True)]
    push(r, "nap", 1, 1.0)
    push(r, "soft", 2)
    eventually(lambda: sorted(app.started()) == ["1", "2"])
    app.signal(signal.SIGKILL)
    app.wait()

    eventually(lambda: not any(map(alive, everyone)), within=15)
    assert app.ended() == ["1"]
    assert r.llen("queue:default") == 1
    assert inflight(r) == 0


def test_when_all_are_killed_at_once_the_next_start_gives_everything_back(app: Jobsup, r: redis.Redis) -> None:
    app.start()
    push(r, "nap", 1, 0.5)
    push(r, "nap", 2, 0.5)
    eventually(lambda: len(app.started()) == 2)
    everyone = psutil.Process(app.pid).children(recursive=True)
    for process in (psutil.Process(app.pid), *everyone):
        process.kill()
    app.wait()
    eventually(lambda: not any(alive(process.pid) for process in everyone))
    assert inflight(r) == 2
    begun = time.monotonic()
    app.start()

    eventually(lambda: sorted(app.ended()) == ["1", "2"])
    assert time.monotonic() - begun < 14, "found by their lease only, not by the start"
    eventually(lambda: inflight(r) == 0)


def test_a_pool_whose_workers_keep_dying_is_given_up_and_the_exit_code_says_so(app: Jobsup, r: redis.Redis) -> None:
    app.jobs("import os, threading\nthreading.Timer(0.3, os._exit, [9]).start()\n")
    app.profile("main", preload=False)
    app.start(wait=False)
    push(r, "quick", 1)

    eventually(lambda: "given up" in app.log(), within=60)
    # Nobody knows the job, so it lies in one of these, but not nowhere.
    eventually(lambda: r.llen("queue:default") + inflight(r) + r.zcard("retry") == 1)
    app.signal(signal.SIGTERM) if app.process and app.process.poll() is None else None
    assert app.wait() == Exit.POOL_FAILED


def test_redis_may_go_away_and_come_back(own_server: Server, tmp_path: Path) -> None:
    app = Jobsup(tmp_path, own_server)
    try:
        app.start()
        with own_server.client() as client:
            for n in range(200):
                push(client, "nap", n, 0.01)
        eventually(lambda: len(app.ended()) > 20)
        own_server.kill()
        eventually(lambda: "Redis is away" in app.log())
        own_server.start()

        eventually(lambda: {int(n) for n in app.ended()} == set(range(200)), within=30)
        with own_server.client() as client:
            eventually(lambda: inflight(client) == 0)
        assert app.stop() == Exit.OK
    finally:
        app.tidy()


def test_a_stop_while_redis_is_away_still_ends_in_time(own_server: Server, tmp_path: Path) -> None:
    app = Jobsup(tmp_path, own_server)
    app.profile("main", timeout=1, kill_after=1)
    try:
        app.start()
        with own_server.client() as client:
            push(client, "soft", 1)
        eventually(lambda: app.started() == ["1"])
        own_server.kill()
        app.signal(signal.SIGTERM)

        assert app.wait(within=15) == Exit.LEFT_BEHIND
    finally:
        app.tidy()
