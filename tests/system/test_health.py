"""The probes of the real command."""

from __future__ import annotations

import os
import signal
import socket
import urllib.error
import urllib.request

import pytest
import redis

from conftest import Server, eventually
from harness import Jobsup, push
from jobsup.exits import Exit

pytestmark = pytest.mark.system


def probe(address: str, page: str) -> tuple[int, str]:
    """Status and sentence; 0 while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://{address}/{page}", timeout=5) as reply:
            return reply.status, reply.read().decode().strip()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode().strip()
    except OSError as error:
        return 0, str(error)


def test_without_an_address_nobody_listens(app: Jobsup) -> None:
    app.start()
    assert "Probes" not in app.log()


def test_startup_waits_for_every_pool_and_ready_stays_true_while_quiet(
    app: Jobsup, r: redis.Redis, address: str
) -> None:
    app.jobs(
        "import os, time\n"
        "from jobsup import job\n"
        "while not os.path.exists('go'):\n    time.sleep(0.01)\n"
        "@job\ndef nap(n, seconds):\n    open('napping', 'w').close()\n    time.sleep(seconds)\n"
    )
    app.start("--health", address, wait=False)
    eventually(lambda: probe(address, "startup") == (503, "Not every pool has its workers yet."))
    assert probe(address, "live")[0] == 200
    assert probe(address, "ready")[0] == 503

    (app.directory / "go").touch()
    eventually(lambda: probe(address, "startup")[0] == 200)
    assert probe(address, "ready") == (200, "Workers that can fetch: 1.")

    push(r, "nap", 1, 2)
    eventually(lambda: (app.directory / "napping").exists())
    assert app.ctl("quiet").returncode == 0
    eventually(lambda: "Quiet" in app.log())
    assert probe(address, "ready")[0] == 200

    app.signal(signal.SIGTERM)
    eventually(lambda: probe(address, "ready") == (503, "A stop has begun."))
    assert probe(address, "live")[0] == 200
    assert app.wait() == Exit.OK


def test_a_redis_that_is_away_makes_it_unready_and_nothing_else(own_server: Server, app: Jobsup, address: str) -> None:
    app.server = own_server
    app.start("--health", address)
    own_server.kill()
    eventually(lambda: probe(address, "ready") == (503, "Redis is away."))
    assert probe(address, "live")[0] == 200
    assert probe(address, "startup")[0] == 200

    own_server.start()
    eventually(lambda: probe(address, "ready")[0] == 200)


def test_a_parent_that_stands_still_is_seen_by_live(app: Jobsup, address: str) -> None:
    app.start("--health", address)
    os.kill(app.pid, signal.SIGSTOP)
    try:
        # It goes round every five seconds at least; the rest is the arithmetic of the unit tests.
        eventually(lambda: seconds(probe(address, "live")[1]) > 6, within=15)
    finally:
        os.kill(app.pid, signal.SIGCONT)
    eventually(lambda: seconds(probe(address, "live")[1]) < 6)


def seconds(sentence: str) -> float:
    return float(sentence.removeprefix("The parent's loop went round ").removesuffix("s ago."))


def test_the_keepers_death_costs_the_probes_a_moment(app: Jobsup, address: str) -> None:
    app.start("--health", address)
    [keeper] = app.children("keeper")
    os.kill(keeper, signal.SIGKILL)
    eventually(lambda: app.children("keeper") not in ([], [keeper]))
    eventually(lambda: probe(address, "ready")[0] == 200)


def test_an_address_that_is_taken_refuses_the_start(app: Jobsup, address: str) -> None:
    host, port = address.split(":")
    with socket.create_server((host, int(port))):
        app.start("--health", address, wait=False)
        assert app.wait() == Exit.CANT_CREATE
    assert f"health: {address} cannot be listened on: Address already in use" in app.log()


def test_a_reload_moves_the_probes_to_another_address(app: Jobsup, address: str) -> None:
    app.profile("main", health=address)
    app.start()
    assert probe(address, "ready")[0] == 200
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        other = f"127.0.0.1:{free.getsockname()[1]}"
    app.profile("main", health=other)
    assert app.ctl("reload", "--wait").returncode == 0
    eventually(lambda: probe(other, "ready")[0] == 200)
    assert probe(address, "ready")[0] == 0
