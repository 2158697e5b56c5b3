"""The shipped unit under a real systemd: what ``systemctl`` says, and what becomes of the jobs."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import redis
from machine import PYTHON, UNITS, Machine

from conftest import eventually, never, required
from harness import LEDGER_JOBS, inflight, push

pytestmark = pytest.mark.system

JOBS = (
    LEDGER_JOBS
    + """
@job(timeout=600)
def hold(n):
    note("start", n)
    while not os.path.exists("go"):
        time.sleep(0.01)
    note("end", n)
"""
)


def go(machine: Machine) -> None:
    """Let the jobs end that were held."""
    (machine.app.directory / "go").touch()


def held(machine: Machine, r: redis.Redis, *, timeout: float = 60, **settings: object) -> None:
    """A machine with a service that runs one job, until it may ``go``."""
    machine.app.jobs(JOBS)
    machine.app.profile("main", timeout=timeout, **settings)
    machine.boot()
    machine.start()
    push(r, "hold", 1)
    eventually(lambda: machine.app.started() == ["1"])


def test_it_is_active_when_every_pool_has_its_workers_and_says_so(machine: Machine) -> None:
    machine.app.jobs("import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n" + LEDGER_JOBS)
    machine.app.profile("main", processes=2)
    machine.boot()
    machine.systemctl("start", "--no-block", "jobsup")

    eventually(lambda: machine.show("StatusText") == "Starting: 0 of 2 workers ready", within=20)
    assert machine.shows(ActiveState="activating")
    go(machine)
    eventually(lambda: machine.shows(ActiveState="active"), within=20)
    assert machine.app.log().count("is ready (pid") == 2
    eventually(lambda: machine.show("StatusText") == "2 workers ready in 1 pool")


def test_a_configuration_that_is_wrong_fails_the_start_once(machine: Machine) -> None:
    machine.app.profile("main", concurrency=-1)
    machine.boot()

    assert machine.systemctl("start", "jobsup").returncode != 0
    assert machine.shows(ActiveState="failed", ExecMainStatus="78", NRestarts="0")
    assert "concurrency" in machine.app.log()


def test_no_number_of_starts_that_fail_is_the_last(machine: Machine, r: redis.Redis) -> None:
    away = "sh -c 'test -e go || exit 69; exec \"$0\" -m jobsup -C main.yml'"
    machine.drop_in("20-away", f"[Service]\nExecStart=\nExecStart={away} {PYTHON}\nRestartSec=10ms\n")
    machine.boot()
    machine.systemctl("start", "jobsup")

    eventually(lambda: int(machine.show("NRestarts")) > 20, within=30)
    go(machine)
    eventually(lambda: machine.shows(ActiveState="active"), within=30)
    push(r, "quick", 1)
    eventually(lambda: machine.app.ended() == ["1"])


def test_a_reload_keeps_the_process_and_the_jobs_and_a_refused_one_fails(machine: Machine, r: redis.Redis) -> None:
    held(machine, r, drain=60)
    pid = machine.main_pid

    assert machine.systemctl("reload", "jobsup").returncode == 0
    assert "generation 2 has taken over" in machine.app.log()
    assert machine.shows(ActiveState="active", MainPID=str(pid))
    push(r, "quick", 2)
    eventually(lambda: machine.app.ended() == ["2"])
    eventually(lambda: "1 worker leaving with 1 job" in machine.show("StatusText"))
    go(machine)
    eventually(lambda: machine.app.ended() == ["2", "1"])
    assert machine.app.started() == ["1"]

    machine.app.jobs("import no_such_module_anywhere\n")
    assert machine.systemctl("reload", "jobsup").returncode != 0
    assert machine.shows(ActiveState="active", MainPID=str(pid))
    eventually(lambda: "the last reload was refused" in machine.show("StatusText"))


def test_a_stop_waits_for_the_jobs_longer_than_its_timeout_if_the_profile_says_so(
    machine: Machine, r: redis.Redis
) -> None:
    machine.drop_in("20-short", "[Service]\nTimeoutStopSec=1\n")
    held(machine, r)
    machine.systemctl("stop", "--no-block", "jobsup")
    eventually(lambda: machine.show("StatusText").startswith("Draining: 1 job running, until "))
    never(lambda: not machine.shows(ActiveState="deactivating"), within=3, every=0.2)
    go(machine)

    eventually(lambda: machine.shows(ActiveState="inactive"), within=20)
    assert machine.app.ended() == ["1"]
    assert machine.shows(Result="success", ExecMainStatus="0")
    assert machine.app.started() == ["1"]


def test_jobs_beyond_their_time_go_back_and_that_is_no_failure_of_the_service(machine: Machine, r: redis.Redis) -> None:
    machine.app.profile("main", timeout=1)
    machine.boot()
    machine.start()
    push(r, "soft", 1)
    eventually(lambda: machine.app.started() == ["1"])

    assert machine.systemctl("stop", "jobsup").returncode == 0
    assert machine.shows(ActiveState="inactive", Result="success", ExecMainStatus="10")
    assert (r.llen("queue:default"), inflight(r)) == (1, 0)


def test_when_the_parent_is_killed_all_go_and_the_next_one_gives_the_jobs_back(
    machine: Machine, r: redis.Redis
) -> None:
    held(machine, r)
    before, pid = machine.pids(), machine.main_pid
    assert len(before) >= 4, "parent, keeper, template, worker"
    machine.send(signal.SIGKILL, pid)

    eventually(lambda: machine.app.started() == ["1", "1"], within=30)
    go(machine)
    eventually(lambda: machine.app.ended() == ["1"])
    eventually(lambda: machine.shows(ActiveState="active", NRestarts="1"))
    assert machine.main_pid != pid
    assert not before & machine.pids(), "nobody of the first run is left"


def test_a_parent_that_hangs_is_ended_with_its_stacks_written_and_another_takes_over(
    machine: Machine, r: redis.Redis
) -> None:
    machine.drop_in("20-watchdog", "[Service]\nWatchdogSec=3\n")
    machine.boot()
    machine.start()
    pid = machine.main_pid
    machine.send(signal.SIGSTOP, pid)
    push(r, "quick", 1)  # its worker does not hang
    eventually(lambda: machine.app.ended() == ["1"])

    eventually(lambda: machine.shows(NRestarts="1", ActiveState="active"), within=20, every=0.2)
    assert machine.main_pid != pid
    assert "Fatal Python error: Aborted" in machine.app.log()
    assert "parent/loop.py" in machine.app.log()
    push(r, "quick", 2)
    eventually(lambda: machine.app.ended() == ["1", "2"])


def test_a_parent_that_hangs_in_a_drain_is_not_waited_for_to_the_end_of_its_budget(
    machine: Machine, r: redis.Redis
) -> None:
    machine.drop_in("20-short", "[Service]\nTimeoutStopSec=1\nWatchdogSec=0\n")
    held(machine, r, timeout=600)
    machine.systemctl("stop", "--no-block", "jobsup")
    eventually(lambda: machine.show("StatusText").startswith("Draining"))
    begun = time.monotonic()
    machine.send(signal.SIGSTOP, machine.main_pid)

    eventually(lambda: machine.shows(ActiveState="failed"), within=30, every=0.2)
    assert time.monotonic() - begun < 20
    assert machine.shows(Result="timeout")
    assert inflight(r) == 1, "the next start gives it back"


def test_with_the_drop_in_for_a_local_socket_jobs_run_and_have_no_network(machine: Machine, r: redis.Redis) -> None:
    server = machine.app.server
    assert server is not None
    server.socket.chmod(0o777)
    machine.drop_in("20-local-socket", (UNITS / "jobsup.service.d" / "local-socket.conf").read_text())
    machine.redis_url("unix:///run/lab/valkey.sock")
    machine.app.jobs(
        LEDGER_JOBS + "\nimport socket\n@job\ndef reach(port):\n"
        "    try:\n        socket.create_connection(('127.0.0.1', port), 1)\n        note('end', 'reached')\n"
        "    except OSError as error:\n        note('end', type(error).__name__)\n"
    )
    machine.boot()
    machine.start()
    push(r, "reach", server.port)

    eventually(lambda: machine.app.ended() != [])
    assert machine.app.ended() != ["reached"]


# -- the files


@pytest.mark.parametrize("name", ["jobsup.service", "jobsup@.service", "jobsup.slice"])
def test_systemd_finds_nothing_wrong_with_a_unit_but_the_program_that_is_not_there(name: str) -> None:
    required(shutil.which("systemd-analyze") is not None, "systemd-analyze")
    said = subprocess.run(["systemd-analyze", "verify", str(UNITS / name)], capture_output=True, text=True, check=False)
    assert [line for line in said.stderr.splitlines() if "/opt/app" not in line] == []


@pytest.mark.parametrize(("drop_in", "most"), [(False, 1.2), (True, 0.5)])
def test_the_exposure_of_the_unit_is_as_low_as_promised(tmp_path: Path, drop_in: bool, most: float) -> None:
    required(shutil.which("systemd-analyze") is not None, "systemd-analyze")
    shutil.copy(UNITS / "jobsup.service", tmp_path)
    if drop_in:
        shutil.copytree(UNITS / "jobsup.service.d", tmp_path / "jobsup.service.d")
    said = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "./jobsup.service"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    [level] = re.findall(r"Overall exposure level for jobsup.service: ([\d.]+)", said)
    assert float(level) <= most
