# /// script
# requires-python = ">=3.11"
# dependencies = ["arq==0.28.0", "redis==5.3.1", "hiredis==3.5.0"]
# ///
"""arq: one queue to a worker, one process to a command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from arq import create_pool
from arq.connections import ArqRedis, RedisSettings

from benchmarks.peers import tool, work

VARIANTS = {
    "fast": "polls every 10 ms, reads 500 at a time, keeps no result",
    "reliable": "polls every 50 ms, waits 5 s for running jobs at a stop, gives a job 15 s",
}
ONE_QUEUE = True


async def task(_: object, kind: str, value: Any) -> None:
    await work.arun(kind, value)


class WorkerSettings:
    """What its command reads."""

    functions = (task,)
    redis_settings = RedisSettings.from_dsn(work.URL)
    max_jobs = work.SLOTS
    keep_result = 0
    if work.VARIANT == "fast":
        poll_delay, queue_read_limit = 0.01, 500
    else:
        poll_delay, job_completion_wait, job_timeout = 0.05, work.DRAIN, work.LEASE


_pool: list[ArqRedis] = []


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    _pool.append(await create_pool(WorkerSettings.redis_settings))
    yield


async def push(kind: str, value: Any, _queue: str) -> None:
    await _pool[0].enqueue_job("task", kind, value)


def commands() -> list[list[str]]:
    return [[tool("arq"), f"{__name__}.WorkerSettings"]] * work.PROCESSES
