"""Debian's real Ruby Sidekiq, and jobsup as the command that people start, on the same server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from conftest import Server, eventually, required

RUBY = Path(__file__).with_name("ruby")
JOBS = Path(__file__).with_name("jobs.py")

Ruby: TypeAlias = Callable[..., Any]


def environment(server: Server) -> dict[str, str]:
    foreign = ("REDIS_PROVIDER", "RAILS_ENV", "APP_ENV", "JOBSUP_ENV", "JOBSUP_CTL")
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    return kept | {"REDIS_URL": server.url}


def stop(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


@pytest.fixture
def ruby(server: Server) -> Ruby:
    """Run one of the scripts in ``ruby/``; returns the JSON that it prints."""
    required(shutil.which("sidekiq") is not None, "ruby-sidekiq")

    def run(script: str, *args: str, stdin: object = None) -> Any:
        done = subprocess.run(
            ["ruby", "-W0", RUBY / script, *args],
            input=json.dumps(stdin),
            env=environment(server),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


@pytest.fixture
def sidekiq(server: Server, ruby: Ruby, tmp_path: Path) -> Iterator[None]:
    """A real Ruby worker that runs ``ruby/jobs.rb``."""
    with (tmp_path / "sidekiq.log").open("wb") as log:
        process = subprocess.Popen(
            ["sidekiq", "-r", RUBY / "jobs.rb", "-q", "default", "-q", "other", "-c", "2", "-t", "5"],
            env=environment(server),
            cwd=tmp_path,
            stdout=log,
            stderr=log,
        )
    yield
    stop(process)


@pytest.fixture
def jobsup(server: Server, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    """The real command, with two workers that run ``jobs.py``.

    It writes as Debian's Sidekiq 6 reads, or for the generation that is the fixture's parameter.
    """
    wire = getattr(request, "param", 6)
    config = tmp_path / "sidekiq.yml"
    config.write_text(f"concurrency: 2\nprocesses: 2\nqueues: [default, other]\nlabels: [compat]\nwire: {wire}\n")
    # The path of a Unix socket holds about a hundred bytes; pytest's directories may be longer.
    with tempfile.TemporaryDirectory() as short, (tmp_path / "jobsup.log").open("wb") as log:
        command = [Path(sys.executable).with_name("jobsup"), "-C", config, "-r", JOBS]
        process = subprocess.Popen(
            [*command, "--redis", server.url, "--ctl", Path(short, "ctl.sock")],
            env=environment(server),
            cwd=tmp_path,
            stdout=log,
            stderr=log,
        )
        try:
            with server.client() as r:
                eventually(lambda: process.poll() is not None or r.scard("processes") == 2, within=30)
            assert process.poll() is None, (tmp_path / "jobsup.log").read_text()
            yield process
        finally:
            stop(process)
