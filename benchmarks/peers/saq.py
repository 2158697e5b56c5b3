# /// script
# requires-python = ">=3.11"
# dependencies = ["saq==0.26.4", "redis==7.4.1", "hiredis==3.5.0", "typing_extensions"]
# ///
"""SAQ: one queue to a worker, one process to a command.  typing_extensions is needed and not declared by it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from saq import Queue

from benchmarks.peers import tool, work

VARIANTS = {
    "fast": "no results",
    "reliable": "five retries, a sweep every 5 s, a job has 15 s and 5 s at a stop",
}
ONE_QUEUE = True
RELIABLE = work.VARIANT == "reliable"


async def task(_: object, *, kind: str, value: Any) -> None:
    await work.arun(kind, value)


queue = Queue.from_url(work.URL)
settings: dict[str, Any] = {"queue": queue, "functions": [("run", task)], "concurrency": work.SLOTS}
options: dict[str, Any] = {"ttl": -1}
if RELIABLE:
    settings |= {"timers": {"sweep": 5}, "shutdown_grace_period_s": work.DRAIN}
    options |= {"retries": 5, "timeout": work.LEASE}


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    await queue.connect()
    yield
    await queue.disconnect()


async def push(kind: str, value: Any, _queue: str) -> None:
    await queue.enqueue("run", kind=kind, value=value, **options)


def commands() -> list[list[str]]:
    return [[tool("saq"), f"{__name__}.settings"]] * work.PROCESSES
