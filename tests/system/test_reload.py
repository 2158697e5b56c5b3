"""Reloading the real command: the new worker is READY before the old one drains; what is broken is refused."""

from __future__ import annotations

import shutil
import signal
import site
import time
import venv
from pathlib import Path

import pytest
import redis

import jobsup
from conftest import eventually
from harness import LEDGER_JOBS, Jobsup, push
from jobsup.exits import Exit

pytestmark = pytest.mark.system

SECOND = LEDGER_JOBS.replace('note("end", n)', 'note("end", f"new-{n}")')


@pytest.fixture
def app(app: Jobsup) -> Jobsup:
    app.profile("main", timeout=10)
    return app


@pytest.mark.parametrize("how", [signal.SIGHUP, signal.SIGUSR2, "ctl"])
def test_a_reload_runs_the_code_that_is_on_disk_now(app: Jobsup, r: redis.Redis, how: signal.Signals | str) -> None:
    app.start()
    pid = app.pid
    push(r, "quick", 1)
    eventually(lambda: app.ended() == ["1"])
    app.jobs(SECOND)
    if isinstance(how, signal.Signals):
        app.signal(how)
        eventually(lambda: "Reloaded" in app.log(), within=20)
    else:
        done = app.ctl("reload", "--wait")
        assert done.returncode == 0, done.stderr
    push(r, "quick", 2)

    eventually(lambda: app.ended() == ["1", "new-2"])
    assert app.running()
    assert app.pid == pid
    eventually(lambda: len(app.workers()) == 1)
    eventually(lambda: len(app.children("template")) == 1)


def test_old_workers_finish_their_jobs_while_new_ones_take_over(app: Jobsup, r: redis.Redis) -> None:
    app.start()
    push(r, "nap", 1, 3.0)
    eventually(lambda: app.started() == ["1"])
    (old,) = app.workers()
    app.jobs(SECOND)
    app.signal(signal.SIGHUP)
    eventually(lambda: "Draining" in app.log(), within=20)
    push(r, "quick", 2)

    eventually(lambda: "new-2" in app.ended())
    assert old in app.workers()
    assert app.ended() == ["new-2"]
    eventually(lambda: app.ended() == ["new-2", "1"])
    eventually(lambda: old not in app.workers())
    assert app.started() == ["1"]


def test_the_new_worker_is_ready_before_the_old_one_drains(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", processes=2)
    app.start()
    assert app.ctl("reload", "--wait").returncode == 0
    log = app.log()

    first_drained = log.index("Draining")
    assert log[:first_drained].count("generation 2) after") == 1, "surge of one, one for one"


@pytest.mark.parametrize(
    "broken",
    ["import no_such_module_anywhere\n", "raise SystemExit(1)\n", "def job(:\n"],
    ids=["import", "exit", "syntax"],
)
def test_broken_code_is_refused_and_the_old_generation_goes_on(app: Jobsup, r: redis.Redis, broken: str) -> None:
    app.start()
    workers = app.workers()
    app.jobs(broken)
    refused = app.ctl("reload", "--wait")

    assert refused.returncode == Exit.ERROR
    assert app.workers() == workers
    push(r, "quick", 1)
    eventually(lambda: app.ended() == ["1"])
    app.jobs(SECOND)
    assert app.ctl("reload", "--wait").returncode == 0
    push(r, "quick", 2)
    eventually(lambda: app.ended() == ["1", "new-2"])


def test_code_whose_workers_cannot_start_is_rolled_back(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", preload=False)
    app.start()
    workers = app.workers()
    app.jobs("import no_such_module_anywhere\n")
    refused = app.ctl("reload", "--wait")

    assert refused.returncode == Exit.ERROR
    assert app.workers() == workers
    push(r, "quick", 1)
    eventually(lambda: app.ended() == ["1"])


def test_a_broken_configuration_is_refused_with_what_is_wrong(app: Jobsup, r: redis.Redis) -> None:
    app.start()
    workers = app.workers()
    (app.directory / "main.yml").write_text("concurrency: -1\nqueues: [default\n")
    refused = app.ctl("reload", "--wait")

    assert refused.returncode == Exit.ERROR
    assert "main.yml" in refused.stderr + refused.stdout
    assert app.workers() == workers


def test_a_pool_can_be_resized_by_a_reload(app: Jobsup) -> None:
    app.start()
    app.profile("main", processes=3, timeout=10)
    assert app.ctl("reload", "--wait").returncode == 0
    eventually(lambda: len(app.workers()) == 3)
    app.profile("main", processes=1, timeout=10)
    assert app.ctl("reload", "--wait").returncode == 0

    eventually(lambda: len(app.workers()) == 1)


def test_no_job_is_lost_or_run_twice_over_reloads_under_load(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", processes=2, timeout=10)
    app.start()
    for n in range(600):
        push(r, "nap", n, 0.02)
    for _ in range(3):
        assert app.ctl("reload", "--wait").returncode == 0

    eventually(lambda: len(app.ended()) >= 600, within=40)
    assert sorted(map(int, app.ended())) == list(range(600))
    assert sorted(app.started()) == sorted(app.ended())


def test_ctl_tells_what_runs(app: Jobsup, r: redis.Redis) -> None:
    app.start()
    push(r, "nap", 1, 2.0)
    eventually(lambda: app.started() == ["1"])
    eventually(lambda: app.status()["pools"][0]["children"][0]["busy"] == 1)
    status = app.status()

    (pool,) = status["pools"]
    assert pool["name"] == "main"
    (child,) = pool["children"]
    assert child["pid"] == app.workers()[0]
    assert child["identity"].encode() in r.smembers("processes")
    assert (child["state"], child["generation"], child["busy"]) == ("ready", 1, 1)
    assert child["rss"] > 1_000_000
    assert "main" in app.ctl("status").stdout


def test_ctl_drain_waits_and_stop_ends(app: Jobsup, r: redis.Redis) -> None:
    app.start()
    push(r, "nap", 1, 1.0)
    eventually(lambda: app.started() == ["1"])
    assert app.ctl("quiet").returncode == 0
    assert app.ctl("quiet").returncode == 0
    assert app.ctl("drain", "--wait", "--timeout", "10").returncode == 0

    assert app.ended() == ["1"]
    assert app.running()
    assert app.ctl("stop").returncode == 0
    assert app.wait() == Exit.OK
    assert app.ctl("quiet").returncode == 0
    gone = app.ctl("status")
    assert gone.returncode == Exit.ERROR
    assert "Traceback" not in gone.stderr


def test_ctl_dump_writes_every_stack_to_the_log(app: Jobsup, r: redis.Redis) -> None:
    app.start()
    push(r, "nap", 1, 2.0)
    eventually(lambda: app.started() == ["1"])
    assert app.ctl("dump").returncode == 0

    eventually(lambda: "time.sleep(seconds)" in app.log())
    assert app.stop() == Exit.OK


# -- the first worker of a generation has to prove itself

FAILING = LEDGER_JOBS.replace("def quick(n):", "def quick(n):\n    raise RuntimeError(n)")


def test_code_whose_first_jobs_fail_is_rolled_back_and_the_old_workers_never_left(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", processes=2, canary_jobs=1, canary_seconds=30)
    app.start()
    workers = app.workers()
    for n in range(60):
        push(r, "quick", n)
    eventually(lambda: len(app.ended()) == 60)
    app.jobs(FAILING)
    reload = app.begin_ctl("reload", "--wait")
    eventually(lambda: len(app.workers()) == 3)
    while reload.poll() is None:  # whoever takes them: some come to the new worker
        push(r, "quick", 99)
        time.sleep(0.02)

    assert reload.returncode == Exit.ERROR
    assert "the first worker of main had" in app.log()
    eventually(lambda: app.workers() == workers)


def test_good_code_takes_over_after_its_first_job(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", canary_jobs=1, canary_seconds=60)
    app.start()
    app.jobs(SECOND)
    reload = app.begin_ctl("reload", "--wait")
    eventually(lambda: len(app.workers()) == 2)
    assert app.status()["reload"]["on_trial"] == ["main"]
    while reload.poll() is None:
        push(r, "quick", 1)
        time.sleep(0.02)

    assert reload.returncode == 0
    assert "new-1" in app.ended()


def test_without_jobs_the_new_generation_takes_over_after_canary_seconds(app: Jobsup) -> None:
    app.profile("main", canary_jobs=1, canary_seconds=0.5)
    app.start()
    assert app.ctl("reload", "--wait").returncode == 0


def test_code_whose_first_job_kills_its_process_is_rolled_back(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", canary_jobs=1, canary_seconds=60)
    app.start()
    workers = app.workers()
    app.jobs(LEDGER_JOBS.replace("def quick(n):", "def quick(n):\n    os._exit(3)"))
    reload = app.begin_ctl("reload", "--wait")
    eventually(lambda: len(app.workers()) == 2)
    while reload.poll() is None:
        push(r, "quick", 1)
        time.sleep(0.02)

    assert reload.returncode == Exit.ERROR
    assert "a worker of the new generation crashed" in app.log()
    eventually(lambda: app.workers() == workers)


# -- what a deploy does to the files


def test_a_reload_follows_a_symbolic_link_to_the_current_release(app: Jobsup, r: redis.Redis) -> None:
    for release, source in (("one", LEDGER_JOBS), ("two", SECOND)):
        (app.directory / release).mkdir()
        (app.directory / release / "app_jobs.py").write_text(source)
        (app.directory / release / "main.yml").write_text((app.directory / "main.yml").read_text())
    (app.directory / "app_jobs.py").unlink()
    (app.directory / "main.yml").unlink()
    current = app.directory / "current"
    current.symlink_to("one")
    app.start(cwd=current)
    push(r, "quick", 1)
    eventually(lambda: app.ended() == ["1"])
    (app.directory / "next").symlink_to("two")
    (app.directory / "next").rename(current)
    shutil.rmtree(app.directory / "one")

    done = app.ctl("reload", "--wait")

    assert done.returncode == 0, done.stderr
    push(r, "quick", 2)
    eventually(lambda: app.ended() == ["1", "new-2"])


def test_a_reload_follows_a_virtual_environment_that_was_replaced(app: Jobsup, r: redis.Redis, tmp_path: Path) -> None:
    packages = [*site.getsitepackages(), str(Path(jobsup.__file__).parents[1])]
    for name in ("old", "new"):
        venv.create(tmp_path / name, with_pip=False)
        [where] = (tmp_path / name).glob("lib/python*/site-packages")
        (where / "ours.pth").write_text("\n".join(packages) + "\n")
        (where / "library.py").write_text(f"VERSION = {name!r}\n")
    env = tmp_path / "env"
    env.symlink_to("old")
    app.python = str(env / "bin" / "python")
    app.jobs(LEDGER_JOBS.replace("def quick(n):", "def quick(n):\n    import library\n    n = library.VERSION"))
    app.start()
    push(r, "quick", 1)
    eventually(lambda: app.ended() == ["old"])
    (tmp_path / "next").symlink_to("new")
    (tmp_path / "next").rename(env)
    shutil.rmtree(tmp_path / "old")

    assert app.ctl("reload", "--wait").returncode == 0

    push(r, "quick", 2)
    eventually(lambda: app.ended() == ["old", "new"])
