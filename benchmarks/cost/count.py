"""Runs the real command at a full queue and counts."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import redis

from jobsup import client

ROOT = Path(__file__).parents[2]
BASELINE = Path(__file__).with_name("baseline.json")
JOBS = 5_000
WITHIN = 60.0
"""Seconds in which all jobs have run."""

Counts: TypeAlias = dict[str, float]
"""What is counted -> how many for each job."""
TOLERATED = {
    "Redis commands": 0.05,
    "round trips": 0.6,
    "calls of Python functions": 0.05,
    "calls of C functions": 0.05,
}
"""Share by which counts differ from run to run.  How many jobs a round trip settles depends on who was faster."""


def count(url: str, directory: Path) -> Counts:
    """Run jobs that do nothing in one worker of ten threads, at *url*, whose data is lost.

    Raises:
        RuntimeError: they did not all run.
    """
    server = redis.Redis.from_url(url)
    server.flushall()
    pusher = client.Client(url)
    marks = [directory / name for name in ("first", "last")]
    for mark in marks:
        mark.unlink(missing_ok=True)
    pusher.push({"class": "report", "args": [str(marks[0])]})
    pusher.push_bulk({"class": "noop", "args": [[]] * JOBS})
    pusher.push({"class": "report", "args": [str(marks[1])]})
    server.config_resetstat()
    profile = {"require": "benchmarks.cost.jobs", "concurrency": 10, "queues": ["default"]}
    (directory / "main.yml").write_text(json.dumps(profile))  # JSON is YAML
    command = [sys.executable, "-m", "jobsup", "-C", "main.yml", "--redis", url, "--ctl", "ctl.sock"]
    with (directory / "log").open("wb") as log:
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, cwd=directory, env=environ, stdout=log, stderr=log)
    try:
        _wait_for_all(server, marks[1], directory / "log")
        commands: Mapping[str, Mapping[str, int]] = server.info("commandstats")  # type: ignore[assignment]
    finally:
        process.terminate()
        process.wait()
    first, last = (json.loads(mark.read_text()) for mark in marks)
    python, c = (
        sum(counts[kind] - first.get(thread, [0, 0])[kind] for thread, counts in last.items()) for kind in (0, 1)
    )
    # Beats, sweeps and registrations are a few dozen in all: less than what is tolerated.
    return {
        "Redis commands": sum(of["calls"] for of in commands.values()) / JOBS,
        "round trips": commands["cmdstat_evalsha"]["calls"] / JOBS,
        "calls of Python functions": python / JOBS,
        "calls of C functions": c / JOBS,
    }


def _wait_for_all(server: redis.Redis, mark: Path, log: Path) -> None:
    deadline = time.monotonic() + WITHIN
    while not mark.exists() or server.keys("jobsup:inflight:*"):
        if time.monotonic() > deadline:
            raise RuntimeError(f"jobs are left; the log ends with {log.read_text()[-500:]}")
        time.sleep(0.1)


def version() -> str:
    """Of Python: what is a function call differs between them."""
    return ".".join(platform.python_version_tuple()[:2])


def recorded() -> Counts:
    """The baseline of this Python.

    Raises:
        KeyError: none was recorded.
    """
    baseline: dict[str, Counts] = json.loads(BASELINE.read_text())
    if version() not in baseline:
        raise KeyError(f"no baseline for Python {version()}: record one with python -m benchmarks.cost --record")
    return baseline[version()]


def record(counts: Counts) -> None:
    known = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    known[version()] = {name: round(value, 4) for name, value in counts.items()}
    BASELINE.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")


def differences(found: Counts, baseline: Counts) -> list[str]:
    """A sentence for everything that is more or less than it was, beyond what is tolerated."""
    said = []
    for name, before in baseline.items():
        change = found[name] / before - 1
        if abs(change) > TOLERATED[name]:
            word = "more" if change > 0 else "fewer"
            said.append(f"{abs(change):.0%} {word} {name} for each job: {found[name]:.4g} instead of {before:.4g}")
    return said
