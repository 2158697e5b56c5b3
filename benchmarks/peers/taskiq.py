# /// script
# requires-python = ">=3.11"
# dependencies = ["taskiq==0.13.0", "taskiq-redis==1.2.4", "uvloop==0.23.0", "redis==8.1.0", "hiredis==3.5.0"]
# ///
"""Taskiq with its stream broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from taskiq_redis import RedisStreamBroker

from benchmarks.peers import tool, work

VARIANTS = {
    "fast": "acknowledged when received, arguments are not parsed, prefetch 100",
    "late": "the same, acknowledged when saved",
    "reliable": "acknowledged when executed, reclaimed after 15 s, a stop within 5 s",
}

settings: dict[str, Any] = {}
if work.VARIANT == "reliable":
    settings = {"idle_timeout": work.LEASE * 1000, "unacknowledged_lock_timeout": 5}
first, *others = work.QUEUES
streams: dict[str, str | int] = dict.fromkeys(others, ">")
broker = RedisStreamBroker(work.URL, queue_name=first, additional_streams=streams, **settings)
task = broker.task(task_name="run")(work.arun)
to = {queue: task.kicker().with_labels(queue_name=queue) for queue in work.QUEUES}


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    await broker.startup()
    yield
    await broker.shutdown()


async def push(kind: str, value: Any, queue: str) -> None:
    await to[queue].kiq(kind, value)


def commands() -> list[list[str]]:
    command = [tool("taskiq"), "worker", f"{__name__}:broker"]
    command += ["--workers", str(work.PROCESSES), "--max-async-tasks", str(work.SLOTS)]
    if work.VARIANT == "reliable":
        return [[*command, "--ack-type", "when_executed", "--wait-tasks-timeout", str(work.DRAIN)]]
    ack = "when_received" if work.VARIANT == "fast" else "when_saved"
    return [[*command, "--no-parse", "--max-prefetch", "100", "--ack-type", ack]]
