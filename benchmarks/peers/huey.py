# /// script
# requires-python = ">=3.11"
# dependencies = ["huey==3.5.4", "redis==8.1.0", "hiredis==3.5.0"]
# ///
"""Huey: one queue to a consumer, one process of threads to a command."""

from __future__ import annotations

from typing import Any

from huey import RedisHuey
from huey.signals import SIGNAL_INTERRUPTED

from benchmarks.peers import tool, work

VARIANTS = {
    "fast": "threads, no results, no periodic tasks",
    "reliable": "the same, TERM waits 5 s for running jobs, and what it interrupts is pushed again",
}
ONE_QUEUE = True
RELIABLE = work.VARIANT == "reliable"

app = RedisHuey(url=work.URL, results=False)
task = app.task(name="run")(work.run)

if RELIABLE:

    @app.signal(SIGNAL_INTERRUPTED)
    def again(_signal: str, interrupted: Any) -> None:
        app.enqueue(interrupted)


def push(kind: str, value: Any, _queue: str) -> None:
    task(kind, value)


def commands() -> list[list[str]]:
    command = [tool("huey_consumer"), f"{__name__}.app", "-k", "thread", "-w", str(work.SLOTS), "-n"]
    if RELIABLE:
        command += ["-g", "TERM", "-t", str(work.DRAIN), "-c", "1"]
    return [command] * work.PROCESSES
