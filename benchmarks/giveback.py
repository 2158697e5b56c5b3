"""How soon the jobs of a stopped worker lie in their queue again when none of them ends in time.

    python -m benchmarks.giveback [--jobs 10000] [--times 5] [--json result.json]

One worker runs so many jobs at once, in coroutines that wait, and is told to stop (SIGTERM to the whole, one second to
finish).  *given back* is from the end of that second until the last of them is in the queue; then, that of the command.
The queue must hold each job once, the one that began first at the end that is fetched next.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.chaos.processes import Server
from jobsup import client

TIMEOUT = 1.0
"""Seconds that jobs have at a stop."""
WITHIN = 120.0
JOBS = """
import asyncio
from jobsup import job

@job
async def wait(n):
    await asyncio.sleep(3600)
"""


def measure(jobs: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="jobsup-giveback-") as name:
        directory = Path(name)
        server = Server(name, fsync="everysec")
        server.start()
        url = f"redis://127.0.0.1:{server.port}/0"
        (directory / "jobs.py").write_text(JOBS)
        profile = {"processes": 1, "concurrency": jobs, "queues": ["default"], "require": "./jobs.py"}
        (directory / "p.yml").write_text(json.dumps(profile | {"timeout": TIMEOUT}))
        numbers = list(range(jobs))
        client.Client(url).push_bulk({"class": "wait", "args": [[n] for n in numbers]})
        command = [sys.executable, "-m", "jobsup", "-C", "p.yml", "--redis", url, "--ctl", "ctl.sock"]
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(command, cwd=name, stdout=log, stderr=log)
        try:
            wait_for(lambda: server.client.llen("queue:default") == 0, 0.05)
            time.sleep(2.0)  # the last ones begin
            stopped = time.monotonic()
            process.send_signal(signal.SIGTERM)
            time.sleep(TIMEOUT * 0.9)
            back = wait_for(lambda: server.client.llen("queue:default") == jobs, 0.001)
            left = wait_for(lambda: process.poll() is not None, 0.001)
            found = [json.loads(raw)["args"][0] for raw in server.client.lrange("queue:default", 0, -1)]
        finally:
            process.kill()
            process.wait()
            server.kill()
    if sorted(found) != numbers:
        raise SystemExit(f"{len(set(numbers) - set(found))} jobs are missing, {len(found) - len(set(found))} twice")
    return {
        "given back": back - stopped - TIMEOUT,
        "command ended": left - stopped - TIMEOUT,
        "out of order": float(found[::-1] != numbers),
    }


def wait_for(check: Callable[[], bool], every: float) -> float:
    deadline = time.monotonic() + WITHIN
    while not check():
        if time.monotonic() > deadline:
            raise SystemExit("gave up waiting")
        time.sleep(every)
    return time.monotonic()


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    found = [measure(options.jobs) for _ in range(options.times)]
    for what in found[0]:
        values = [round(figures[what], 3) for figures in found]
        print(f"{what}: median {statistics.median(values):.3f}, each {values}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
