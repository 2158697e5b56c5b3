"""What a scrape of the real command tells."""

from __future__ import annotations

import os
import signal

import pytest
import redis

from conftest import Server, eventually, never
from harness import Jobsup, push
from scraped import Samples, scrape

pytestmark = pytest.mark.system


def of_redis(found: Samples) -> list[tuple[str, ...]]:
    return [key for key in found if key[0].endswith(("_size", "_latency_seconds")) or "duration" in key[0]]


def test_a_scrape_shows_what_waits_what_runs_and_what_was_done(app: Jobsup, r: redis.Redis, address: str) -> None:
    app.profile("main", concurrency=1, queues=["default", "other"])
    app.start("--health", address)
    assert scrape(address)["jobsup_redis_up",] == 1
    for n in range(3):
        push(r, "quick", n)
    push(r, "Boom")
    eventually(lambda: r.zcard("retry") == 1 and len(app.ended()) == 3)
    push(r, "nap", 9, 60)
    eventually(lambda: app.started() == ["9"])
    push(r, "quick", 10)

    # The parent looks at its slots every five seconds at least.
    def told() -> bool:
        found = scrape(address)
        return found["jobsup_busy", "main"] == found.get(("jobsup_queue_size", "default")) == 1

    eventually(told, within=20)
    found = scrape(address)
    assert found["jobsup_queue_latency_seconds", "default"] > 0
    assert found["jobsup_queue_size", "other"] == 0
    assert (found["jobsup_retry_size",], found["jobsup_dead_size",]) == (1, 0)
    assert (found["jobsup_jobs_processed_total", "main"], found["jobsup_jobs_failed_total", "main"]) == (4, 1)
    assert (found["jobsup_workers", "main"], found["jobsup_concurrency", "main"]) == (1, 1)

    # The counters are the parent's: neither its workers nor its keeper take them along.
    os.kill(app.workers()[0], signal.SIGKILL)
    os.kill(app.children("keeper")[0], signal.SIGKILL)
    eventually(lambda: len(app.started()) == 2 and len(app.workers()) == 1)

    def restarted() -> bool:
        try:
            found = scrape(address)
        except OSError:
            return False
        return found.get(("jobsup_worker_deaths_total", "main")) == 1

    eventually(restarted, within=20)
    assert scrape(address)["jobsup_jobs_processed_total", "main"] >= 4
    assert scrape(address)["jobsup_workers_started_total", "main"] == 2


def test_while_redis_is_away_or_hangs_a_scrape_is_answered_without_what_it_said(
    own_server: Server, app: Jobsup, address: str
) -> None:
    app.server = own_server
    app.start("--health", address)
    with own_server.client() as client:
        push(client, "quick", 1, queue="nobody")
    eventually(lambda: of_redis(scrape(address)))

    own_server.kill()
    eventually(lambda: scrape(address)["jobsup_redis_up",] == 0)
    never(lambda: of_redis(scrape(address)), within=0.5)
    assert scrape(address)["jobsup_workers", "main"] == 1

    own_server.start()
    eventually(lambda: of_redis(scrape(address)) and scrape(address)["jobsup_redis_up",] == 1, within=20)

    assert own_server.process is not None
    own_server.process.send_signal(signal.SIGSTOP)
    try:
        eventually(lambda: scrape(address)["jobsup_redis_up",] == 0, within=20)
        assert not of_redis(scrape(address))
    finally:
        own_server.process.send_signal(signal.SIGCONT)
    eventually(lambda: of_redis(scrape(address)), within=20)


def test_nobody_is_asked_for_figures_that_nobody_reads(app: Jobsup, r: redis.Redis, address: str) -> None:
    app.start("--health", address)
    before = commands(r, "zcard")
    never(lambda: commands(r, "zcard") > before, within=3)

    scrape(address)
    eventually(lambda: commands(r, "zcard") == before + 3)


def commands(r: redis.Redis, name: str) -> int:
    return int(r.info("commandstats").get(f"cmdstat_{name}", {"calls": 0})["calls"])
