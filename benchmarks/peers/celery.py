# /// script
# requires-python = ">=3.11"
# dependencies = ["celery==5.7.0", "kombu==5.7.0", "billiard==4.3.2", "packaging", "redis==8.1.0", "hiredis==3.5.0"]
# ///
"""Celery.  packaging is needed and not declared by it."""

from __future__ import annotations

from typing import Any

from celery import Celery

from benchmarks.peers import tool, work

VARIANTS = {
    "fast": "prefork, early acknowledgement, prefetch 64 a slot, no results, gossip, mingle or heartbeat",
    "threads": "the same with a pool of threads",
    "reliable": "prefork, acks_late, reject_on_worker_lost, prefetch 1, visibility timeout",
}
RELIABLE = work.VARIANT == "reliable"

app = Celery(broker=work.URL)
app.conf.task_ignore_result = True
app.conf.worker_prefetch_multiplier = 1 if RELIABLE else 64
if RELIABLE:
    app.conf.task_acks_late = app.conf.task_reject_on_worker_lost = True
    app.conf.broker_transport_options = {
        "visibility_timeout": work.LEASE,
        "unacked_restore_interval": 1,
        "unacked_restore_throttle": 1,
    }

task = app.task(name="run")(work.run)


def push(kind: str, value: Any, queue: str) -> None:
    task.apply_async((kind, value), queue=queue)


def commands() -> list[list[str]]:
    command = [tool("celery"), "-A", __name__, "worker", "-Q", ",".join(work.QUEUES)]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    if work.VARIANT == "threads":
        threads = ["--pool", "threads", "--concurrency", str(work.SLOTS)]
        return [[*command, *threads, "-n", f"worker{number}@%h"] for number in range(work.PROCESSES)]
    # A prefork worker has one process for each slot.
    return [[*command, "--concurrency", str(work.PROCESSES * work.SLOTS)]]
