"""Jobs through reloads under load: none lost, none run twice, and how long they wait compared with no reload.

    python -m benchmarks.reload --jobs 5000 --reloads 20 [--work 0.15] [--json result.json]

The same load runs twice, without reloads and with them: jobs come at random moments, as those of many users do, the
same in both runs.  Exit code 1 when a job is lost or runs twice, or when a reload fails.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.chaos import ledger
from benchmarks.chaos.processes import Jobsup, Server, left_in
from benchmarks.chaos.verdict import percentiles
from jobsup import client

SEED = 1
WITHIN = 60.0


def measure(jobs: int, rate: float, work: float, reloads: int, processes: int) -> dict[str, Any]:
    """One run: *jobs* of *work* seconds, *rate* per second, while *reloads* follow one another, evenly spread."""
    directory = os.path.realpath(tempfile.mkdtemp(prefix="jobsup-reload-"))
    os.environ["CHAOS_DIRECTORY"] = directory
    path = ledger.create(directory)
    server = Server(directory, fsync="everysec")
    server.start()
    jobsup = Jobsup(directory, f"redis://127.0.0.1:{server.port}/0", processes)
    try:
        wait_for(lambda: jobsup.tick() is None and jobsup.ready, "jobsup is not ready")
        taken: list[float] = []
        reloader = threading.Thread(target=reload_again, args=(directory, reloads, jobs / rate, taken))
        reloader.start()
        pushed = push(server.port, jobs, rate, work)
        reloader.join()
        book = ledger.Ledger()

        def ended() -> bool:
            book.follow(path)
            return len(book.ended) == jobs

        wait_for(ended, "jobs are missing")
        jobsup.resting = True
        jobsup.stop()
        wait_for(lambda: jobsup.tick() is not None, "jobsup does not stop")
    finally:
        for process in left_in(directory):
            process.kill()
        server.kill()
    shutil.rmtree(directory)
    return {
        "reloads": percentiles(taken) if taken else None,
        "failed_reloads": reloads - len(taken),
        "lost": jobs - len(book.ended),
        "twice": sum(len(runs) > 1 for runs in book.runs.values()),
        "waited_seconds": percentiles([book.runs[number][0].start - at for number, at in enumerate(pushed)]),
    }


def push(port: int, jobs: int, rate: float, work: float) -> list[float]:
    """Push at random moments; returns when each was pushed, Unix seconds."""
    client.configure(f"redis://127.0.0.1:{port}/0")
    from benchmarks.chaos.jobs import Slow

    pushed = []
    gaps = random.Random(SEED)
    at = time.monotonic()
    for number in range(jobs):
        at += gaps.expovariate(rate)
        time.sleep(max(0.0, at - time.monotonic()))
        pushed.append(time.time())
        Slow.perform_async(number, work)
    return pushed


def reload_again(directory: str, reloads: int, seconds: float, taken: list[float]) -> None:
    begun = time.monotonic()
    for number in range(reloads):
        time.sleep(max(0.0, begun + seconds * (number + 0.5) / reloads - time.monotonic()))
        at = time.monotonic()
        command = [sys.executable, "-m", "jobsup", "ctl", "--ctl", os.path.join(directory, "ctl.sock")]
        if subprocess.run([*command, "reload", "--wait"], check=False).returncode == 0:
            taken.append(time.monotonic() - at)


def wait_for(check: Any, complaint: str) -> None:
    deadline = time.monotonic() + WITHIN
    while not check():
        if time.monotonic() > deadline:
            raise RuntimeError(complaint)
        time.sleep(0.02)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--reloads", type=int, default=20)
    parser.add_argument("--rate", type=float, default=80.0, help="jobs per second")
    parser.add_argument("--work", type=float, default=0.15, help="seconds that a job takes")
    parser.add_argument("--processes", type=int, default=4, help="workers in the pool, of four threads each")
    parser.add_argument("--json", type=Path, help="write the result there")
    options = parser.parse_args()
    result = {}
    for name, reloads in (("without", 0), ("with", options.reloads)):
        result[name] = measure(options.jobs, options.rate, options.work, reloads, options.processes)
        print(name, json.dumps(result[name]), flush=True)
    result["p99_ratio"] = round(result["with"]["waited_seconds"]["p99"] / result["without"]["waited_seconds"]["p99"], 2)
    print(f"p99 of the waiting time with reloads: {result['p99_ratio']} times that without")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return int(any(run["lost"] or run["twice"] or run["failed_reloads"] for run in (result["without"], result["with"])))


if __name__ == "__main__":
    sys.exit(main())
