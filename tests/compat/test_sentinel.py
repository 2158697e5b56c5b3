"""Real Sentinels promote the replica: workers, keeper and clients follow, and jobs go on."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sentinels import ASKING, PASSWORD, Watched

from conftest import eventually, required
from harness import Jobsup, inflight
from jobsup import Client
from jobsup.errors import RedisRefused, RedisUnavailable
from jobsup.exits import Exit

pytestmark = pytest.mark.system


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    required(shutil.which("redis-sentinel") is not None, "redis-sentinel")
    watched = Watched(tmp_path)
    watched.start()
    yield watched
    watched.stop()


@pytest.fixture
def app(watched: Watched, tmp_path: Path) -> Iterator[Jobsup]:
    app = Jobsup(tmp_path, watched.nodes[0])
    app.url = watched.url
    yield app
    app.tidy()


def worked_off(app: Jobsup, watched: Watched, jobs: int) -> None:
    eventually(lambda: {int(n) for n in app.ended()} == set(range(jobs)), within=30)
    with watched.primary().client() as r:
        eventually(lambda: inflight(r) == 0)


def said_once(app: Jobsup) -> None:
    """Nobody said twice that Redis went away, nor that it came back."""
    eventually(lambda: by_process(app, "Redis is away") == by_process(app, "Redis is back after"))
    assert set(by_process(app, "Redis is away").values()) == {1}, app.log()


def by_process(app: Jobsup, words: str) -> Counter[str]:
    """How often each process has said *words*."""
    return Counter(re.findall(rf"pid=(\d+) {words}", app.log()))


def test_jobs_go_on_at_the_new_primary_after_the_old_one_was_killed(app: Jobsup, watched: Watched) -> None:
    app.start()
    old = watched.primary()
    client = Client(watched.url)
    client.push_bulk({"class": "nap", "args": [[n, 0.02] for n in range(200)]})
    eventually(lambda: len(app.ended()) > 20)
    # What had not reached the replica would be lost with the primary: here all jobs have.
    with watched.other().client() as replica:
        eventually(lambda: replica.llen("queue:default") <= 180)

    old.kill()

    worked_off(app, watched, 200)
    assert watched.primary() is not old
    client.push({"class": "quick", "args": [200]})
    worked_off(app, watched, 201)
    said_once(app)
    named = re.findall(r"The Sentinels name \S+:(\d+) as the primary", app.log())
    assert named == [str(old.port), str(watched.primary().port)]
    assert app.stop() == Exit.OK


def test_a_planned_failover_loses_nothing_where_a_primary_writes_only_with_a_replica(
    app: Jobsup, watched: Watched
) -> None:
    for node in watched.nodes:
        with node.client() as r:
            r.config_set("min-replicas-to-write", "1")
    app.start()
    old = watched.primary()
    client = Client(watched.url)
    pushed = 0
    watched.fail_over()

    def push() -> bool:
        nonlocal pushed
        with contextlib.suppress(RedisRefused, RedisUnavailable):
            client.push({"class": "quick", "args": [pushed]})
            pushed += 1
            return True
        return False

    while watched.primary() is old or not watched.synchronised():
        push()
        time.sleep(0.005)  # a few thousand jobs are enough, and are to be worked off in time
    eventually(push, within=30)  # a replica that has all may still be unknown to its primary as a good one
    worked_off(app, watched, pushed)
    said_once(app)
    assert app.stop() == Exit.OK


def test_what_is_wrong_with_the_way_to_the_primary_is_one_sentence_without_a_password(
    app: Jobsup, watched: Watched
) -> None:
    wrong = [
        ("/mymaster/", "/nobody/", Exit.UNAVAILABLE, "(no Sentinel names a primary that is up)"),
        (ASKING, "wrong", Exit.NO_PERMISSION, "the Sentinels refuse the credentials"),
        (PASSWORD, "wrong", Exit.NO_PERMISSION, "Redis refuses the credentials"),
    ]
    for right, instead, code, words in wrong:
        app.url = watched.url.replace(right, instead)
        app.start(wait=False)

        assert app.wait() == code
        assert words in app.log()
    assert not {PASSWORD, ASKING, "wrong"} & set(re.findall(r"\w+", app.log()))
