"""``jobsup stats`` as a shell runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from conftest import Server

pytestmark = pytest.mark.system

JOBSUP = Path(sys.executable).with_name("jobsup")


def stats(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REDIS_")}
    return subprocess.run([JOBSUP, "stats", *args], env=kept | environment, capture_output=True, text=True, timeout=30)


def test_json_has_exactly_the_documented_keys(r: redis.Redis, server: Server) -> None:
    r.sadd("queues", "mail")
    r.lpush("queue:mail", "job")
    r.set("stat:processed", 5)

    done = stats("--json", REDIS_URL=server.url)

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "processed": 5,
        "failed": 0,
        "enqueued": 1,
        "busy": 0,
        "processes": 0,
        "scheduled_size": 0,
        "retry_size": 0,
        "dead_size": 0,
        "queues": [{"name": "mail", "size": 1, "latency": 0.0}],
    }


def test_what_goes_into_a_pipe_is_plain_text(r: redis.Redis, server: Server) -> None:
    r.sadd("queues", b"caf\xe9")

    done = stats("--redis", server.url)

    assert done.returncode == 0
    assert done.stdout.splitlines()[0].split() == ["processed", "0"]
    assert "\x1b" not in done.stdout


def test_a_missing_server_is_one_sentence_with_the_cure_and_exit_code_69() -> None:
    done = stats(REDIS_URL="redis://:hunter2@127.0.0.1:1/0")

    assert (done.returncode, done.stdout) == (69, "")
    assert len(done.stderr.splitlines()) == 1
    assert "REDIS_URL" in done.stderr
    assert "--embedded" in done.stderr
    assert "hunter2" not in done.stderr


def test_wrong_credentials_are_one_sentence_and_exit_code_77(server: Server) -> None:
    done = stats("--redis", f"redis://nobody:hunter2@127.0.0.1:{server.port}/0")

    assert (done.returncode, done.stdout) == (77, "")
    assert len(done.stderr.splitlines()) == 1
    assert "hunter2" not in done.stderr


def test_a_url_that_is_none_is_one_sentence_and_exit_code_64() -> None:
    done = stats("--redis", "nonsense")

    assert (done.returncode, done.stdout) == (64, "")
    assert len(done.stderr.splitlines()) == 1
