"""``jobsup check --live`` against what real workers measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from conftest import Server, eventually
from harness import Jobsup, push
from jobsup.exits import Exit

pytestmark = pytest.mark.system

JOBSUP = Path(sys.executable).with_name("jobsup")


def check(app: Jobsup, server: Server, *args: str) -> subprocess.CompletedProcess[str]:
    command = [JOBSUP, "check", "-C", "main.yml", "--redis", server.url, *args]
    return subprocess.run(command, cwd=app.directory, capture_output=True, text=True, timeout=60)


def test_it_names_the_class_that_takes_longer_than_deploys_wait(app: Jobsup, r: redis.Redis, server: Server) -> None:
    app.start()
    push(r, "nap", 1, 1.5)
    for n in range(5):
        push(r, "quick", n)
    eventually(lambda: len(app.ended()) == 6)
    assert app.stop() == Exit.OK

    assert check(app, server, "--live").returncode == Exit.OK, "3 s are enough for it"
    app.profile("main", timeout=0.5)
    found = check(app, server, "--live")
    assert found.returncode == Exit.ERROR
    assert "nap in pool main takes 1." in found.stdout
    assert "any deploy gives it 0.5 s" in found.stdout
    assert "quick in pool" not in found.stdout
    document = json.loads(check(app, server, "--live", "--json").stdout)
    assert document["ok"] is False
    assert [(one["name"], one["runs"]) for one in document["live"]] == [("nap", 1), ("quick", 5)]
    assert "live" not in json.loads(check(app, server, "--json").stdout)
    app.profile("main", timeout=0.5, drain=60)
    assert check(app, server, "--live").returncode == Exit.OK, "a reload waits for it"


def test_without_a_server_it_says_so(app: Jobsup) -> None:
    command = [JOBSUP, "check", "-C", "main.yml", "--redis", "redis://127.0.0.1:1/0", "--live"]
    done = subprocess.run(command, cwd=app.directory, capture_output=True, text=True, timeout=60)

    assert done.returncode == Exit.UNAVAILABLE
    assert len(done.stderr.splitlines()) == 1
