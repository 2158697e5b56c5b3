"""Redis refuses, for reasons of its own: workers wait, say so once, and lose nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from conftest import Server, eventually
from harness import Jobsup, inflight, push
from jobsup import Client
from jobsup.errors import RedisRefused
from jobsup.exits import Exit

pytestmark = pytest.mark.system


@pytest.fixture
def own_app(own_server: Server, tmp_path: Path) -> Iterator[Jobsup]:
    """A supervisor that runs, on a server that the test may do anything to."""
    app = Jobsup(tmp_path, own_server)
    app.start()
    yield app
    app.tidy()


def worked_off(app: Jobsup, r: redis.Redis, jobs: int) -> None:
    eventually(lambda: {int(n) for n in app.ended()} == set(range(jobs)), within=30)
    eventually(lambda: inflight(r) == 0)


def demote(r: redis.Redis) -> None:
    r.replicaof("127.0.0.1", "1")
    r.client_kill_filter(_type="normal", skipme=True)  # as Sentinel does


def promote(r: redis.Redis) -> None:
    r.replicaof("NO", "ONE")


def change_password(r: redis.Redis) -> None:
    r.config_set("requirepass", "another")
    r.client_kill_filter(_type="normal", skipme=True)


def change_it_back(r: redis.Redis) -> None:
    r.config_set("requirepass", "")


@pytest.mark.parametrize(
    ("refuse", "relent"),
    [(demote, promote), (change_password, change_it_back)],
    ids=["demoted to a replica", "password changed"],
)
def test_a_server_that_refuses_for_a_while_is_waited_for_and_said_once(
    own_app: Jobsup,
    own_server: Server,
    refuse: Callable[[redis.Redis], None],
    relent: Callable[[redis.Redis], None],
) -> None:
    with own_server.client() as r:
        for n in range(100):
            push(r, "nap", n, 0.02)
        eventually(lambda: len(own_app.ended()) > 10)
        refuse(r)
        eventually(lambda: "Redis is away" in own_app.log())
        assert len(own_app.ended()) < 100
        relent(r)

        worked_off(own_app, r, 100)
        eventually(lambda: own_app.log().count("Redis is back after") == own_app.log().count("Redis is away"))
        assert own_app.log().count("Redis is away") <= 2  # the worker, and the keeper if it had something to write
        assert own_app.stop() == Exit.OK


def test_without_memory_jobs_are_worked_off_and_enqueueing_is_refused_with_a_sentence(
    own_app: Jobsup, own_server: Server
) -> None:
    with own_server.client() as r, r.pipeline() as pipe:
        for n in range(100):
            push(pipe, "nap", n, 0.05)
        pipe.execute()
        eventually(lambda: len(own_app.ended()) > 5)
        r.config_set("maxmemory", "1")
        with pytest.raises(RedisRefused, match="maxmemory"):
            Client(own_server.url).push({"class": "quick", "args": [1]})

        worked_off(own_app, r, 100)
        r.config_set("maxmemory", "0")
        push(r, "quick", 100)
        worked_off(own_app, r, 101)
        assert own_app.stop() == Exit.OK


def test_a_server_without_memory_is_said_once_however_many_jobs_end_meanwhile(
    own_app: Jobsup, own_server: Server
) -> None:
    with own_server.client() as r:
        now = time.time()
        for n in range(2):
            push(r, "nap", n, 0.5)
        for n in range(2, 6):
            job = {"class": "nap", "args": [n, 0.05], "jid": f"s{n}", "queue": "default"}
            r.zadd("schedule", {json.dumps(job): now + 0.5 + n * 0.3})
        eventually(lambda: len(own_app.started()) == 2)
        r.config_set("maxmemory", "1")

        # What needs no more memory than it frees is let through, so due jobs arrive; waiting for more is refused.
        worked_off(own_app, r, 6)
        assert own_app.log().count("Redis is away") == 1
        assert "Redis is back" not in own_app.log()

        r.config_set("maxmemory", "0")
        eventually(lambda: "Redis is back after" in own_app.log())
        push(r, "quick", 6)
        worked_off(own_app, r, 7)
        assert own_app.log().count("Redis is away") == own_app.log().count("Redis is back after") == 1


def test_an_outage_longer_than_the_leases_makes_no_job_run_twice(own_app: Jobsup, own_server: Server) -> None:
    with own_server.client() as r:
        push(r, "patient", 0, 3)
        eventually(lambda: own_app.started() == ["0"])
    own_server.kill()
    eventually(lambda: re.search(r"keeper pid=\d+ Redis is away", own_app.log()))
    # Time is not waited for: the leases run out on another port, where nobody sees it.
    aside = Server(own_server.directory)
    aside.start()
    with aside.client() as r:
        assert r.zadd("jobsup:leases", dict.fromkeys(r.zrange("jobsup:leases", 0, -1), 1), xx=True, ch=True) == 1
    aside.kill()

    worker = own_app.workers()[0]
    os.kill(worker, signal.SIGSTOP)  # however late it tries again
    own_server.start()
    eventually(lambda: re.search(r"keeper pid=\d+ Redis is back", own_app.log()))
    os.kill(worker, signal.SIGCONT)

    with own_server.client() as r:
        worked_off(own_app, r, 1)
        eventually(lambda: r.zrange("jobsup:leases", time.time(), "+inf", byscore=True))
    assert own_app.started() == own_app.ended() == ["0"]
    assert "not been heard of" not in own_app.log()
    assert own_app.stop() == Exit.OK


def test_scripts_that_the_server_forgets_are_loaded_again(own_app: Jobsup, own_server: Server) -> None:
    with own_server.client() as r:
        for n in range(100):
            push(r, "nap", n, 0.01)
        for done in (10, 40, 70):
            eventually(lambda done=done: len(own_app.ended()) > done)
            r.script_flush()

        worked_off(own_app, r, 100)
        assert len(own_app.ended()) == 100
        assert "Redis is away" not in own_app.log()
        assert own_app.stop() == Exit.OK
