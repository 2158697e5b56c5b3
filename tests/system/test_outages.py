"""Redis is gone for a while, loads, is slow, or hangs: jobs go on afterwards, and a stop does not wait for it."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from benchmarks.chaos.processes import Proxy

from conftest import Server, eventually
from harness import Jobsup, inflight, push
from jobsup.exits import Exit
from jobsup.store.connection import connect

pytestmark = pytest.mark.system


@pytest.fixture
def own_app(own_server: Server, tmp_path: Path) -> Iterator[Jobsup]:
    app = Jobsup(tmp_path, own_server)
    yield app
    app.tidy()


def seconds_away(app: Jobsup) -> dict[str, list[float]]:
    """Role -> what each of its sentences that Redis is back told."""
    told: dict[str, list[float]] = {}
    for role, seconds in re.findall(r"(\w+) pid=\d+ Redis is back after ([\d.]+)s", app.log()):
        told.setdefault(role, []).append(float(seconds))
    return told


def loads(server: Server) -> bool:
    """Whether it answers everything with LOADING."""
    try:
        with connect(server.url) as client:  # a plain one would try again until it is loaded
            client.ping()
    except redis.BusyLoadingError:
        return True
    except redis.ConnectionError:
        pass
    return False


def test_an_outage_with_a_long_load_at_its_end_is_one_outage_of_that_length(
    own_app: Jobsup, own_server: Server
) -> None:
    own_app.start()
    with own_server.client() as r:
        with r.pipeline() as pipe:
            for n in range(3000):
                pipe.set(f"ballast:{n}", "x")
            pipe.execute()
        push(r, "patient", 0, 1)
        for n in range(1, 50):
            push(r, "nap", n, 0.02)
        eventually(lambda: len(own_app.ended()) > 5)
    own_server.kill()
    gone = time.monotonic()
    eventually(lambda: "keeper" in own_app.log() and own_app.log().count("Redis is away") == 2, within=20)
    # Each key takes a millisecond to load, and meanwhile every command is answered with LOADING.
    loading = ("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
    own_server.start(*loading)
    returned = time.monotonic()
    assert returned - gone > 3

    with own_server.client() as r:
        eventually(lambda: {int(n) for n in own_app.ended()} == set(range(50)), within=20)
        eventually(lambda: inflight(r) == 0)
        refused = r.info("errorstats")
    assert refused["errorstat_LOADING"]["count"] > 2
    eventually(lambda: len(seconds_away(own_app)) == 2)
    for told in seconds_away(own_app).values():
        assert len(told) == 1
        assert returned - gone - 1.5 < told[0] < returned - gone + 4
    assert own_app.log().count("Redis is away") == 2
    assert own_app.stop() == Exit.OK


def test_a_start_while_redis_loads_its_data_waits_for_it(own_app: Jobsup, own_server: Server) -> None:
    with own_server.client() as r, r.pipeline() as pipe:
        for n in range(3000):
            pipe.set(f"ballast:{n}", "x")
        push(pipe, "quick", 1)
        pipe.execute()
    own_server.kill()
    loading = ("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
    with ThreadPoolExecutor() as aside:
        loaded = aside.submit(own_server.start, *loading)
        eventually(lambda: loads(own_server))
        own_app.start()
        loaded.result()

    eventually(lambda: own_app.ended() == ["1"])
    assert own_app.stop() == Exit.OK


def test_a_network_that_takes_200_ms_for_each_answer_costs_speed_and_nothing_else(
    own_app: Jobsup, own_server: Server
) -> None:
    proxy = Proxy(own_server.port)
    try:
        proxy.order("slow", delay=0.1, seconds=600)  # each way
        own_app.url = proxy.url
        own_app.profile("main", concurrency=5)
        own_app.start()
        with own_server.client() as r, r.pipeline() as pipe:
            for n in range(200):
                push(pipe, "quick", n)
            pipe.execute()
            begun = time.monotonic()
            eventually(lambda: len(own_app.ended()) == 200, within=30)
            # Taken one by one and threads idle during each round trip, it would be 200 times 0.2 s by 5.
            assert time.monotonic() - begun < 8
            eventually(lambda: inflight(r) == 0)
            until = r.zrange("jobsup:leases", 0, -1, withscores=True)[0][1]
            eventually(lambda: r.zrange("jobsup:leases", 0, -1, withscores=True)[0][1] > until)
        assert own_app.stop() == Exit.OK
        assert sorted(own_app.ended(), key=int) == [str(n) for n in range(200)]
        assert "Redis is away" not in own_app.log()
    finally:
        own_app.tidy()
        proxy.close()


def hang(server: Server) -> None:
    """It accepts connections and says nothing, as a host that froze behind a load balancer."""
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGSTOP)


def vanish(server: Server) -> None:
    server.kill()


def refuse(server: Server) -> None:
    with server.client() as r:
        r.config_set("requirepass", "another")
        r.client_kill_filter(_type="normal", skipme=True)


@pytest.mark.parametrize(
    ("trouble", "job"),
    [
        (hang, ("soft", 1)),
        (hang, None),
        (vanish, ("nap", 1, 0.5)),
        (refuse, ("soft", 1)),
    ],
)
def test_a_stop_during_an_outage_ends_in_time_and_leaves_no_process(
    own_app: Jobsup, own_server: Server, trouble: Callable[[Server], None], job: tuple[object, ...] | None
) -> None:
    own_app.profile("main", timeout=1, kill_after=1)
    own_app.start()
    if job:
        with own_server.client() as r:
            push(r, *job)  # type: ignore[arg-type]
        eventually(lambda: own_app.started() == ["1"])
    children = [*own_app.workers(), *own_app.children("keeper"), *own_app.children("template")]
    trouble(own_server)

    begun = time.monotonic()
    own_app.signal(signal.SIGTERM)
    code = own_app.wait(within=15)

    assert time.monotonic() - begun < 1 + 1 + 6  # timeout + kill_after + what the guarantees add
    assert code == Exit.LEFT_BEHIND
    assert not any(os.path.exists(f"/proc/{pid}") for pid in children)
