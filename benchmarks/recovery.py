"""How long a job waits when its worker is killed, and how soon the replacement is READY.

    python -m benchmarks.recovery [--kills 20]

Starts the real command on the embedded server with two worker processes, SIGKILLs a busy one again and again, and
measures on one clock (the wall clock of one machine): from the kill to the job lying in its queue or starting again,
and from the kill to the line that says that the replacement is ready.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import redis

JOBS = """
import os, time
from jobsup import job

@job
def work(n):
    with open("ledger", "a") as ledger:
        ledger.write(f"{n} {os.getpid()} {time.time()}\\n")
    time.sleep(0.4)
"""
PAUSE = 10.5
"""Seconds between two kills: back-off begins with workers that die young, and this does not measure it."""
READY = re.compile(r"^(\S+)Z .* is ready \(pid (\d+),", re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    kills = parser.parse_args().kills
    with tempfile.TemporaryDirectory(prefix="jobsup-recovery-") as directory:
        os.chdir(directory)
        Path("jobs.py").write_text(JOBS)
        Path("p.yml").write_text("processes: 2\nconcurrency: 2\nqueues: [default]\nrequire: ./jobs.py\n")
        with Path("log").open("wb") as log:
            supervisor = subprocess.Popen(
                [sys.executable, "-m", "jobsup", "-C", "p.yml", "--embedded=state", "--ctl", "ctl.sock"],
                stdout=log,
                stderr=log,
            )
        try:
            report(*measure(kills))
        finally:
            supervisor.terminate()
            supervisor.wait()


def measure(kills: int) -> tuple[list[float], list[float]]:
    until(lambda: "workers are ready" in Path("log").read_text())
    client = redis.Redis(unix_socket_path="state/valkey.sock")
    again, ready = [], []
    for n in range(kills):
        seen = len(READY.findall(Path("log").read_text()))
        payload = {"class": "work", "args": [n], "jid": f"j{n}", "queue": "default", "retry": True}
        client.lpush("queue:default", json.dumps(payload))
        until(lambda n=n: starts(n))
        pid = starts(n)[0][0]
        killed = time.time()
        os.kill(pid, signal.SIGKILL)
        until(lambda n=n: len(starts(n)) > 1)
        again.append(starts(n)[1][1] - killed)
        until(lambda seen=seen: len(READY.findall(Path("log").read_text())) > seen)
        stamp, _ = READY.findall(Path("log").read_text())[-1]
        ready.append(datetime.fromisoformat(stamp + "+00:00").timestamp() - killed)
        until(lambda: not client.keys("jobsup:inflight:*"))
        time.sleep(PAUSE)
    return again, ready


def starts(n: int) -> list[tuple[int, float]]:
    try:
        rows = [line.split() for line in Path("ledger").read_text().splitlines()]
    except FileNotFoundError:
        return []
    return [(int(pid), float(at)) for number, pid, at in rows if int(number) == n]


def until(check: object, within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not check():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise SystemExit(f"gave up waiting; the log says:\n{Path('log').read_text()[-3000:]}")
        time.sleep(0.001)


def report(again: list[float], ready: list[float]) -> None:
    for name, values in (("job starts again", again), ("replacement READY", ready)):
        ordered = sorted(values)
        p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
        print(
            f"{name:18} n={len(values)}  median {statistics.median(values) * 1000:6.1f} ms"
            f"  p99 {p99 * 1000:6.1f} ms  max {ordered[-1] * 1000:6.1f} ms"
        )


if __name__ == "__main__":
    main()
