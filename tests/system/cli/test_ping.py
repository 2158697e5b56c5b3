"""``jobsup ctl ping``: the exec probe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from running import Parent

pytestmark = pytest.mark.system

SCRIPT = "import sys; sys.argv[0] = 'jobsup'; from jobsup.__main__ import main; main()"
"""What the console script does."""


def ping(path: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-c", SCRIPT, "ctl", *options, "ping"]
    return subprocess.run(command, env={**os.environ, "JOBSUP_CTL": path}, capture_output=True, text=True, timeout=30)


def test_ping_succeeds_silently_when_the_parent_answers(parent: Parent) -> None:
    parent.start()
    for options in ([], ["--ctl", parent.config.ctl]):
        done = ping(parent.config.ctl, *options)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_ping_succeeds_while_it_drains(parent: Parent) -> None:
    parent.set("busy")
    parent.set("deaf")
    parent.start()
    parent.signal(signal.SIGTERM)
    assert ping(parent.config.ctl).returncode == 0


@pytest.mark.parametrize("options", [[], ["--ctl", "/nowhere/ctl.sock"]])
def test_ping_of_nobody_fails_with_one_sentence(options: list[str]) -> None:
    done = ping("/nowhere/ctl.sock", *options)

    assert done.returncode == 1
    assert done.stderr == (
        "jobsup: The parent does not answer on /nowhere/ctl.sock: [Errno 2] No such file or directory\n"
    )


def test_ping_of_a_parent_that_stands_still_fails(parent: Parent) -> None:
    parent.start()
    parent.signal(signal.SIGSTOP)
    try:
        assert ping(parent.config.ctl).returncode == 1
    finally:
        parent.signal(signal.SIGCONT)


def test_ping_starts_within_50_ms_and_loads_nothing_it_does_not_need(parent: Parent) -> None:
    parent.start()
    program = SCRIPT.replace("main()", "\ntry:\n    main()\nfinally:\n    print(*sys.modules)")
    command = [sys.executable, "-P", "-c", program, "ctl", "ping"]
    environ = {**os.environ, "JOBSUP_CTL": parent.config.ctl}
    loaded = set(subprocess.check_output(command, env=environ, text=True).split())

    assert not loaded & {"click", "yaml", "typing", "traceback", "dataclasses", "subprocess", "jobsup.config"}
    # CPU seconds, not time: what else the machine does is nobody's fault here.
    before = os.times()
    runs = 20
    for _ in range(runs):
        assert ping(parent.config.ctl).returncode == 0
    after = os.times()
    burnt = after.children_user + after.children_system - before.children_user - before.children_system
    assert burnt / runs < 0.05
