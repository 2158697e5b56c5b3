# /// script
# requires-python = ">=3.11"
# dependencies = ["streaq==7.2.0", "coredis==6.9.0"]
# ///
"""streaQ: one queue to a worker, with priorities; one process to a command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streaq import Worker

from benchmarks.peers import tool, work

VARIANTS = {
    "fast": "no results, silent, prefetch 200",
    "reliable": "no results, silent, reclaimed after 15 s, 5 s for running jobs at a stop",
}
ONE_QUEUE = True

settings: dict[str, Any] = {"prefetch": 200}
if work.VARIANT == "reliable":
    settings = {"grace_period": work.DRAIN, "idle_timeout": work.LEASE}
worker = Worker(redis_url=work.URL, concurrency=work.SLOTS, **settings)


@worker.task(ttl=0, silent=True)
async def task(kind: str, value: Any) -> None:
    await work.arun(kind, value)


def session() -> Worker[Any]:
    return worker


async def push(kind: str, value: Any, _queue: str) -> None:
    await task.enqueue(kind, value)


async def bulk(kind: str, values: Sequence[Any], _queue: str) -> None:
    await worker.enqueue_many([task.enqueue(kind, value) for value in values])


def commands() -> list[list[str]]:
    return [[tool("streaq"), "run", f"{__name__}:worker"]] * work.PROCESSES
