# /// script
# requires-python = ">=3.12"
# dependencies = ["blitzq==1.1.0", "redis==8.1.0", "hiredis==3.5.0"]
# ///
"""BlitzQ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from blitzq import Queue

from benchmarks.peers import tool, work

VARIANTS = {
    "fast": "lists, at most once: a job dies with its worker; no results",
    "late": "streams, acknowledged after the job; no results",
    "reliable": "the same, reclaimed after 15 s, a stop within 5 s",
}

settings: dict[str, Any] = {"mode": "fast" if work.VARIANT == "fast" else "reliable"}
if work.VARIANT == "reliable":
    settings["visibility_timeout"] = work.LEASE
app = Queue(work.QUEUES[0], work.URL, store_results=False, **settings)
task = app.task(name="run")(work.arun)
to = {queue: task.options(queue=queue) for queue in work.QUEUES}


async def push(kind: str, value: Any, queue: str) -> None:
    await to[queue].enqueue(kind, value)


async def bulk(kind: str, values: Sequence[Any], queue: str) -> None:
    await to[queue].enqueue_many([(kind, value) for value in values])


def commands() -> list[list[str]]:
    command = [tool("blitzq"), "worker", f"{__name__}:app", "--queues", ",".join(work.QUEUES)]
    command += ["--workers", str(work.PROCESSES), "--concurrency", str(work.SLOTS)]
    if work.VARIANT == "reliable":
        command += ["--shutdown-timeout", str(work.DRAIN)]
    return [command]
