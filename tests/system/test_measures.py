"""What a running supervisor measures, as it lies in Redis."""

from __future__ import annotations

import time

import pytest
import redis

from conftest import eventually
from harness import Jobsup, push
from jobsup.exits import Exit
from jobsup.store import durations

pytestmark = pytest.mark.system


def test_every_run_is_measured_by_the_time_the_supervisor_has_stopped(app: Jobsup, r: redis.Redis) -> None:
    app.start()
    for n in range(4):
        push(r, "nap", n, 0.3)
    push(r, "patient", 9, 0.6)
    push(r, "Boom")
    push(r, "NobodyDeclaredThis")
    eventually(lambda: len(app.ended()) == 5 and r.zcard("retry") == 2)

    assert app.stop() == Exit.OK
    found = durations.read(r, time.time()).classes
    assert set(found) == {("main", "nap"), ("main", "patient")}
    assert (found["main", "nap"].runs, found["main", "patient"].runs) == (4, 1)
    assert 0.27 < found["main", "nap"].quantile(0.5) < 0.6
    assert (found["main", "nap"].timeout, found["main", "patient"].timeout) == (None, 30.0)
    # The flushes may lie on both sides of a minute.
    minutes = [r.hgetall(key) for key in r.keys("j|*") if r.ttl(key) <= 28_800]
    metrics = {name: sum(int(minute.get(name, 0)) for minute in minutes) for minute in minutes for name in minute}
    assert (metrics[b"nap|p"], metrics[b"nap|f"]) == (4, 0)
    assert 1200 <= metrics[b"nap|ms"] < 3000
    assert (metrics[b"Boom|p"], metrics[b"Boom|f"], metrics[b"Boom|ms"]) == (1, 1, 0)
