# /// script
# requires-python = ">=3.11"
# dependencies = ["rq==3.0.0", "redis==8.1.0", "hiredis==3.5.0"]
# ///
"""RQ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import Redis
from rq import Queue, Retry

from benchmarks.peers import tool, work

VARIANTS = {
    "fast": "a pool of SimpleWorkers, one process a slot, which do not fork for each job; results are not kept",
    "reliable": "single workers that fork for each job, Retry(max=5), maintenance every 5 s",
}
RELIABLE = work.VARIANT == "reliable"

connection = Redis.from_url(work.URL)
queues = {queue: Queue(queue, connection=connection) for queue in work.QUEUES}
options: dict[str, Any] = {"retry": Retry(max=5)} if RELIABLE else {}
options["result_ttl"] = 0


def push(kind: str, value: Any, queue: str) -> None:
    queues[queue].enqueue(work.run, args=(kind, value), **options)


def bulk(kind: str, values: Sequence[Any], queue: str) -> None:
    queues[queue].enqueue_many([Queue.prepare_data(work.run, args=(kind, value), **options) for value in values])


def commands() -> list[list[str]]:
    workers = work.PROCESSES * work.SLOTS
    if RELIABLE:
        command = [
            tool("rq"),
            "worker",
            "-u",
            work.URL,
            "--maintenance-interval",
            "5",
            "--job-monitoring-interval",
            "5",
        ]
        return [[*command, *work.QUEUES]] * workers
    pool = ["worker-pool", "-u", work.URL, "-n", str(workers), "-w", "rq.worker.SimpleWorker"]
    return [[tool("rq"), *pool, *work.QUEUES]]
