"""jobsup itself: the command that people type, with everything at its default.  Runs in our own environment."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.peers import work
from jobsup import client, job

VARIANTS = {
    "default": "reliable fetch, fenced settlement, heartbeats, retries and measures, default log level",
    "coroutines": "the same, and the job is an async def",
}

client.configure(work.URL)
task = job(name="run")(work.arun if work.VARIANT == "coroutines" else work.run)
to = {queue: task.set(queue=queue) for queue in work.QUEUES}


def push(kind: str, value: Any, queue: str) -> None:
    to[queue].perform_async(kind, value)


def bulk(kind: str, values: Sequence[Any], queue: str) -> None:
    to[queue].perform_bulk([[kind, value] for value in values])


def commands() -> list[list[str]]:
    profile = {"processes": work.PROCESSES, "concurrency": work.SLOTS, "queues": work.QUEUES, "require": __name__}
    path = os.path.join(work.DIRECTORY, "main.yml")
    with open(path, "w") as file:
        json.dump(profile, file)  # JSON is YAML
    ctl = os.path.join(work.DIRECTORY, "ctl.sock")
    return [[sys.executable, "-m", "jobsup", "-C", path, "--redis", work.URL, "--ctl", ctl]]
