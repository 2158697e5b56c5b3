"""Full load for a long time, on real processes and a real server, and what grows meanwhile.

    python -m benchmarks.soak --minutes 30 [--json result.json]

Exit code 1 when memory grew by more than 5 % or the number of descriptors or threads by any, in any process; when a
process was replaced; when a job is missing or anything is left.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from benchmarks.chaos.processes import Server, left_in
from benchmarks.chaos.report import leftovers
from benchmarks.soak.growth import growth
from jobsup import client

BACKLOG = 4_000
"""Jobs that are kept waiting, so that nobody idles."""
SAMPLES = 300
"""Over the run."""
TOLERATED = 0.05
"""Growth of resident memory: allocators fragment, and the last fifth of a run is compared with the second."""
WITHIN = 60.0
"""Seconds for a start, for the last jobs, and for the stop."""


class Soak:
    """Start, load and sample, stop, judge."""

    def __init__(self, directory: str, minutes: float, processes: int, concurrency: int) -> None:
        self._directory = directory
        self._seconds = minutes * 60
        self._server = Server(directory, fsync="everysec")
        self._server.start()
        self._redis = self._server.client
        self._log = os.path.join(directory, "log")
        url = f"redis://127.0.0.1:{self._server.port}/0"
        client.configure(url)
        jobs = os.path.join(os.path.dirname(os.path.abspath(__file__)), "jobs.py")
        profile = {"processes": processes, "concurrency": concurrency, "queues": ["default"], "require": jobs}
        with open(os.path.join(directory, "main.yml"), "w") as file:
            json.dump(profile, file)  # JSON is YAML
        with open(self._log, "ab") as log:
            self._jobsup = psutil.Popen(
                [sys.executable, "-m", "jobsup", "-C", "main.yml", "--ctl", "ctl.sock", "--redis", url],
                cwd=directory,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._pushed = 0
        self._fails = 0
        self._series: dict[str, dict[str, list[float]]] = {}
        self._rates: list[float] = []

    def run(self) -> dict[str, Any]:
        self._wait_for(lambda: "workers are ready" in Path(self._log).read_text(), "jobsup is not ready")
        watched = self._processes()
        begun = sampled = time.monotonic()
        processed = self._processed()
        spoke = begun
        while (now := time.monotonic()) < begun + self._seconds:
            if int(self._redis.llen("queue:default")) < BACKLOG:
                self._push()
            else:
                time.sleep(0.02)
            if now - sampled >= self._seconds / SAMPLES:
                self._sample(watched)
                done = self._processed()
                self._rates.append((done - processed) / (now - sampled))
                processed, sampled = done, now
            if now - spoke >= 10 and self._rates:
                spoke = now
                print(f"{now - begun:6.0f}s  {processed} runs, {self._rates[-1]:.0f}/s", flush=True)
        same = {process.pid for process in watched.values()} == {process.pid for process in self._processes().values()}
        self._wait_for(lambda: not leftovers(self._redis)["in_flight"] and self._idle(), "it did not become quiet")
        self._jobsup.send_signal(signal.SIGTERM)
        code = self._jobsup.wait(WITHIN)
        return {
            "minutes": self._seconds / 60,
            "jobs": self._pushed,
            "runs": {"expected": self._pushed + self._fails, "counted": self._processed()},
            "runs_per_second": round(statistics.median(self._rates), 1),
            "growth": {who: self._grown(series) for who, series in self._series.items()},
            "same_processes": same,
            "exit_code": code,
            "leftovers": leftovers(self._redis) | {"processes": len(left_in(self._directory))},
        }

    def close(self) -> None:
        for process in left_in(self._directory):
            process.kill()
        self._server.kill()

    def _push(self) -> None:
        from benchmarks.soak.jobs import Fails, Nothing, Read, Steps

        order = {"id": self._pushed, "lines": [{"sku": "x" * 20, "price": 1.5, "count": n} for n in range(16)]}
        Nothing.perform_bulk([[]] * 800)
        Read.perform_bulk([[order]] * 180)
        Fails.perform_bulk([[]] * 10)
        Steps.perform_bulk([[]] * 10)
        self._pushed += 1000
        self._fails += 10

    def _processed(self) -> int:
        return int(self._redis.get("stat:processed") or 0)

    def _idle(self) -> bool:
        left = leftovers(self._redis)
        return not any(left[name] for name in ("queued", "scheduled", "retrying"))

    def _processes(self) -> dict[str, psutil.Process]:
        """By the name in its title, numbered."""
        found = {"parent": psutil.Process(self._jobsup.pid)}
        children = self._jobsup.children()
        for role, mark in (("worker", " main ["), ("keeper", " keeper"), ("template", " template ")):
            those = [child for child in children if mark in " ".join(child.cmdline())]
            found |= {f"{role} {n}" if role == "worker" else role: child for n, child in enumerate(those, 1)}
        return found

    def _sample(self, watched: dict[str, psutil.Process]) -> None:
        for who, process in watched.items():
            series = self._series.setdefault(who, {"rss": [], "descriptors": [], "threads": []})
            series["rss"].append(process.memory_info().rss / 2**20)
            series["descriptors"].append(process.num_fds())
            series["threads"].append(process.num_threads())
        self._series.setdefault("server", {"keys": []})["keys"].append(int(self._redis.dbsize()))

    def _grown(self, series: dict[str, list[float]]) -> dict[str, list[float]]:
        """[early, late] of each."""
        return {name: [round(g.early, 2), round(g.late, 2)] for name, g in ((n, growth(s)) for n, s in series.items())}

    def _wait_for(self, check: Callable[[], bool], complaint: str) -> None:
        deadline = time.monotonic() + WITHIN
        while not check():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{complaint}; its log is {self._log}")
            time.sleep(0.05)


def failures(result: dict[str, Any]) -> list[str]:
    found = []
    for who, series in result["growth"].items():
        for name, (early, late) in series.items():
            # Keys come and go with retries and beats.
            if name != "keys" and late > early * (1 + TOLERATED if name == "rss" else 1):
                found.append(f"{name} of {who} grew from {early:g} to {late:g}")
    if result["runs"]["expected"] != result["runs"]["counted"]:
        found.append(f"{result['runs']['counted']} runs instead of {result['runs']['expected']}")
    if not result["same_processes"]:
        found.append("a process was replaced")
    if result["exit_code"] != 0:
        found.append(f"exit code {result['exit_code']}")
    found += [f"{left} {name} left" for name, left in result["leftovers"].items() if left]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="how long")
    parser.add_argument("--processes", type=int, default=2, help="workers in the pool")
    parser.add_argument("--concurrency", type=int, default=5, help="threads of each")
    parser.add_argument("--json", type=Path, help="write the result there")
    options = parser.parse_args()
    directory = os.path.realpath(tempfile.mkdtemp(prefix="jobsup-soak-"))
    soak = Soak(directory, options.minutes, options.processes, options.concurrency)
    try:
        result = soak.run()
    finally:
        soak.close()
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    if failures(result):
        print(f"FAILED: {'; '.join(failures(result))}; the log is in {directory}")
        return 1
    shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
