# /// script
# requires-python = ">=3.11"
# dependencies = ["dramatiq==2.2.1", "redis==8.1.0", "hiredis==3.5.0"]
# ///
"""Dramatiq."""

from __future__ import annotations

from typing import Any

from dramatiq import actor, set_broker
from dramatiq.brokers.redis import RedisBroker

from benchmarks.peers import tool, work

VARIANTS = {
    "fast": "no middleware, prefetch 200",
    "default": "as it comes",
    "reliable": "default middleware, heartbeat timeout 15 s, maintenance with one command in ten, a stop within 5 s",
}

settings: dict[str, Any] = {}
if work.VARIANT == "fast":
    settings = {"middleware": []}
elif work.VARIANT == "reliable":
    settings = {"heartbeat_timeout": work.LEASE * 1000, "maintenance_chance": 100_000}
broker = RedisBroker(url=work.URL, **settings)
set_broker(broker)

actors = {queue: actor(work.run, actor_name=f"run-{queue}", queue_name=queue) for queue in work.QUEUES}


def push(kind: str, value: Any, queue: str) -> None:
    actors[queue].send(kind, value)


def commands() -> list[list[str]]:
    command = [tool("dramatiq"), __name__, "--processes", str(work.PROCESSES), "--threads", str(work.SLOTS)]
    if work.VARIANT == "fast":
        return [["env", "dramatiq_queue_prefetch=200", *command]]
    if work.VARIANT == "reliable":
        command += ["--worker-shutdown-timeout", str(work.DRAIN * 1000)]
    return [command]
