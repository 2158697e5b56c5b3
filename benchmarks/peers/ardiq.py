# /// script
# requires-python = ">=3.12"
# dependencies = ["ardiq==1.2.0"]
# ///
"""ArdiQ, whose loop is written in Rust: one queue to a worker, with priorities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ardiq import Ardiq

from benchmarks.peers import tool, work

VARIANTS = {
    "fast": "no results, prefetch 200; it always acknowledges after the job",
    "reliable": "no results, reclaimed after 15 s",
}
ONE_QUEUE = True

settings: dict[str, Any] = {"prefetch": 200}
if work.VARIANT == "reliable":
    settings = {"idle_timeout_ms": work.LEASE * 1000}
app = Ardiq(redis_url=work.URL, concurrency=work.SLOTS, result_ttl_ms=0, **settings)


@app.task()
async def task(kind: str, value: Any) -> None:
    await work.arun(kind, value)


async def push(kind: str, value: Any, _queue: str) -> None:
    await task.enqueue(kind, value)


async def bulk(kind: str, values: Sequence[Any], _queue: str) -> None:
    await app.enqueue_many([task.prepare(kind, value) for value in values])


def commands() -> list[list[str]]:
    return [[tool("ardiq"), "run", f"{__name__}:app", "--workers", str(work.PROCESSES)]]
