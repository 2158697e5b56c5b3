"""The shipped unit under a real systemd."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from machine import UNITS, Machine, Service

from conftest import Server, eventually, required
from harness import LEDGER_JOBS, inflight, push

pytestmark = pytest.mark.system


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    required(os.geteuid() == 0 and Path("/lib/systemd/systemd").exists(), "root and systemd, to boot one in namespaces")
    machine = Machine(tmp_path / "boot.log")
    yield machine
    machine.kill()


@pytest.fixture
def service(machine: Machine, server: Server, tmp_path: Path) -> Callable[..., Service]:
    def make(more: str = "", **settings: object) -> Service:
        profile = {"concurrency": 2, "processes": 2, "require": "./app_jobs.py", "timeout": 10, "kill_after": 2}
        (tmp_path / "main.yml").write_text(json.dumps(profile | {"canary_jobs": 0} | settings))
        (tmp_path / "app_jobs.py").write_text(LEDGER_JOBS)
        (tmp_path / "ledger").touch()
        return Service(machine, tmp_path, server.url, more)

    return make


def ledger(tmp_path: Path, what: str) -> list[str]:
    lines = (tmp_path / "ledger").read_text().splitlines()
    return [line.split()[1] for line in lines if line.startswith(what)]


def test_it_is_started_when_every_worker_is_ready_and_says_so(service: Callable[..., Service], tmp_path: Path) -> None:
    unit = service()

    assert unit.do("start") == 0, (tmp_path / "log").read_text()

    assert unit.show("ActiveState") == "active"
    assert "2 workers" in unit.show("StatusText")
    assert (tmp_path / "log").read_text().count("Worker main is ready") == 2


def test_a_configuration_that_is_wrong_fails_the_start_once(service: Callable[..., Service], tmp_path: Path) -> None:
    unit = service(concurrency=-1)

    assert unit.do("start") != 0

    assert unit.show("ActiveState") == "failed"
    assert (unit.show("ExecMainStatus"), unit.show("NRestarts")) == ("78", "0")
    assert "concurrency" in (tmp_path / "log").read_text()


def test_a_reload_runs_the_new_code_under_the_same_main_process(
    service: Callable[..., Service], r: redis.Redis, tmp_path: Path
) -> None:
    unit = service()
    unit.do("start")
    main = unit.show("MainPID")
    push(r, "nap", 1, 2.0)
    eventually(lambda: ledger(tmp_path, "start") == ["1"])
    (tmp_path / "app_jobs.py").write_text(LEDGER_JOBS.replace('note("end", n)', 'note("end", f"new-{n}")'))

    assert unit.do("reload") == 0

    assert (unit.show("MainPID"), unit.show("ActiveState"), unit.show("SubState")) == (main, "active", "running")
    push(r, "quick", 2)
    eventually(lambda: sorted(ledger(tmp_path, "end")) == ["1", "new-2"])


def test_a_reload_that_is_refused_fails_and_the_old_code_goes_on(
    service: Callable[..., Service], r: redis.Redis, tmp_path: Path
) -> None:
    unit = service()
    unit.do("start")
    (tmp_path / "app_jobs.py").write_text("import no_such_module\n")

    assert unit.do("reload") != 0

    assert (unit.show("ActiveState"), unit.show("SubState")) == ("active", "running")
    push(r, "quick", 1)
    eventually(lambda: ledger(tmp_path, "end") == ["1"])


def test_a_stop_lets_jobs_end_and_leaves_no_process(
    service: Callable[..., Service], r: redis.Redis, tmp_path: Path
) -> None:
    unit = service()
    unit.do("start")
    push(r, "nap", 1, 2.0)
    eventually(lambda: ledger(tmp_path, "start") == ["1"])

    assert unit.do("stop") == 0

    assert ledger(tmp_path, "end") == ["1"]
    assert unit.show("ActiveState") == "inactive"
    assert inflight(r) == 0


def test_a_main_process_that_is_killed_is_started_again_and_its_jobs_run(
    service: Callable[..., Service], r: redis.Redis, tmp_path: Path
) -> None:
    unit = service()
    unit.do("start")
    old = set(unit.pids())
    push(r, "nap", 1, 3.0)
    eventually(lambda: ledger(tmp_path, "start") == ["1"])

    unit.signal_main("KILL")

    eventually(lambda: unit.show("NRestarts") == "1" and unit.show("ActiveState") == "active", within=40)
    assert not old & set(unit.pids())
    eventually(lambda: "1" in ledger(tmp_path, "end"), within=30)


def test_a_main_process_that_hangs_is_ended_by_the_watchdog(
    service: Callable[..., Service], r: redis.Redis, tmp_path: Path
) -> None:
    unit = service(more="WatchdogSec=3")
    unit.do("start")

    unit.signal_main("STOP")

    eventually(lambda: unit.show("NRestarts") == "1" and unit.show("ActiveState") == "active", within=60, every=0.2)
    push(r, "quick", 1)
    eventually(lambda: ledger(tmp_path, "end") == ["1"])


def test_a_drain_that_needs_longer_than_systemd_would_wait_gets_the_time_of_its_budget(
    service: Callable[..., Service], r: redis.Redis, tmp_path: Path
) -> None:
    unit = service(more="TimeoutStopSec=2", timeout=20)
    unit.do("start")
    push(r, "nap", 1, 5.0)
    eventually(lambda: ledger(tmp_path, "start") == ["1"])

    assert unit.do("stop") == 0

    assert ledger(tmp_path, "end") == ["1"]
    assert unit.show("ActiveState") == "inactive"


def test_a_drain_that_overruns_its_budget_ends_and_its_job_is_given_back(
    service: Callable[..., Service], r: redis.Redis, tmp_path: Path
) -> None:
    unit = service(timeout=1, kill_after=1)
    unit.do("start")
    push(r, "nap", 1, 60.0)
    eventually(lambda: ledger(tmp_path, "start") == ["1"])

    assert unit.do("stop", within=20) == 0

    # Not from systemd, which forgets what ended well.
    assert unit.show("ActiveState") == "inactive"
    assert "exit code 10" in (tmp_path / "log").read_text()
    assert (r.llen("queue:default"), inflight(r)) == (1, 0)


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
