# /// script
# requires-python = ">=3.11"
# dependencies = ["WakaQ==4.0.4", "redis==8.1.0"]
# ///
"""WakaQ: it never acknowledges, so a job dies with its worker."""

from __future__ import annotations

from typing import Any

from wakaq import WakaQ

from benchmarks.peers import tool, work

VARIANTS = {
    "fast": "coroutines; its worker ends itself once all of its slots are busy",
    "sync": "one process a slot",
}
SYNC = work.VARIANT == "sync"

slots = (
    {"concurrency": work.PROCESSES * work.SLOTS}
    if SYNC
    else {"concurrency": work.PROCESSES, "async_concurrency": work.SLOTS}
)
app = WakaQ(queues=work.QUEUES, host=work.HOST, port=work.PORT, **slots)


def task(kind: str, value: Any) -> None:
    work.run(kind, value)


async def atask(kind: str, value: Any) -> None:
    await work.arun(kind, value)


function = app.task(task if SYNC else atask)


def push(kind: str, value: Any, queue: str) -> None:
    function.delay(kind, value, queue=queue)


def commands() -> list[list[str]]:
    return [[tool("wakaq-worker"), "--app", f"{__name__}.app"]]
