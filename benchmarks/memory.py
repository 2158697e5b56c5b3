"""What preloading saves: memory of a supervisor with four workers, and how soon a worker is ready.

    python -m benchmarks.memory [--megabytes 100] [--share 0.1] [--workers 4] [--starts 40] [--json result.json]

Three supervisors, one after the other, run the same application, which holds so many megabytes of Python objects.
*preloaded*: the template imports it once, freezes the garbage collector and forks the workers.  *unfrozen*: the same
without freezing.  *separate*: ``preload: false``, each worker imports it for itself.  Jobs then look at that *share* of
the objects, in any order, which alone makes copies of their pages: the count of references is written.

Memory is PSS, from /proc/PID/smaps_rollup: a page that n processes share counts as 1/n of one in each, so that the
sum is what the host really spends.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.chaos.processes import Server
from benchmarks.chaos.verdict import percentiles
from jobsup import client
from jobsup.unix import ctlsock
from jobsup.unix.memory import proportional

MB = 1 << 20
WITHIN = 120.0
JOBS = 2_000
"""Each looks up a hundred objects of those that the application holds, and one in twenty collects garbage."""

APPLICATION = """
import gc, os
from jobsup import job
from jobsup.unix.memory import resident

if not FREEZE:
    gc.freeze = lambda: None
TABLE = {}
begun, goal = resident(os.getpid()), MEGABYTES << 20
while resident(os.getpid()) - begun < goal:
    TABLE.update((f"key {n}", {"name": f"name {n}", "tags": [n, str(n)]}) for n in range(len(TABLE), len(TABLE) + 1000))

@job
def look(n):
    for i in range(100):
        TABLE[f"key {(n * 7919 + i * 104729) % int(len(TABLE) * SHARE)}"]["tags"][0]
    if n % 20 == 0:
        gc.collect()
"""


class Supervisor:
    """One that runs the application, by the command that people type."""

    def __init__(self, directory: Path, url: str, application: str, workers: int, *, preload: bool) -> None:
        self.log = directory / "log"
        self.ctl = str(directory / "ctl.sock")
        (directory / "heavy_app.py").write_text(application)
        profile = {"name": "main", "require": "./heavy_app.py", "processes": workers, "preload": preload}
        (directory / "main.yml").write_text(json.dumps(profile))
        command = [sys.executable, "-m", "jobsup", "-C", "main.yml", "--redis", url, "--ctl", self.ctl]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=directory, stdout=log, stderr=log)
        wait_for(lambda: "workers are ready" in self.log.read_text(), "jobsup is not ready")

    def pids(self) -> dict[str, list[int]]:
        """Role -> processes."""
        status = self._ask("status")
        workers = [child["pid"] for pool in status["pools"] for child in pool["children"] if child["state"] == "ready"]
        helpers = [(helper["name"].lower().split()[0], helper["pid"]) for helper in status["helpers"]]
        return {"parent": [status["pid"]], "workers": workers} | {name: [pid] for name, pid in helpers}

    def memory(self) -> dict[str, float]:
        """Role -> MB, and the sum."""
        found = {role: sum(proportional(pid) for pid in pids) / MB for role, pids in self.pids().items()}
        return found | {"together": sum(found.values())}

    def starts(self, times: int, workers: int) -> list[float]:
        """Seconds from the request for a worker until it was ready, as the parent measured them."""
        before = len(self._ready())
        for number in range(times):
            for size in (workers + 1, workers):
                self._ask("scale", sizes={"main": size})
                wait_for(lambda size=size: len(self.pids()["workers"]) == size, "the pool has another size")
            wait_for(lambda number=number: len(self._ready()) > before + number, "a worker is not ready")
        return self._ready()[before:]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(WITHIN)

    def _ready(self) -> list[float]:
        found = re.findall(r"Worker main is ready \(pid \d+, generation 1\) after ([\d.]+)s", self.log.read_text())
        return [float(seconds) for seconds in found]

    def _ask(self, command: str, **details: Any) -> dict[str, Any]:
        reply = ctlsock.ask(self.ctl, {"command": command, **details})
        if not reply["ok"]:
            raise SystemExit(f"benchmarks.memory: {reply['error']}")
        return reply


def measure(server: Server, options: argparse.Namespace, *, preload: bool, freeze: bool) -> dict[str, Any]:
    facts = {"MEGABYTES": options.megabytes, "SHARE": options.share, "FREEZE": freeze}
    application = "".join(f"{name} = {value}\n" for name, value in facts.items()) + APPLICATION
    directory = Path(tempfile.mkdtemp(prefix="jobsup-memory-"))
    supervisor = Supervisor(directory, url_of(server), application, options.workers, preload=preload)
    try:
        ready = supervisor.memory()
        run_jobs(server)
        worked = supervisor.memory()
        seconds = supervisor.starts(options.starts, options.workers)
    finally:
        supervisor.stop()
    shutil.rmtree(directory)
    return {"ready": ready, "worked": worked, "start_seconds": percentiles(seconds)}


def run_jobs(server: Server) -> None:
    """All of them, to their end."""

    def processed() -> int:
        return int(server.client.get("stat:processed") or 0)  # type: ignore[arg-type]

    before = processed()
    client.configure(url_of(server)).push_bulk({"class": "look", "args": [[n] for n in range(JOBS)]})
    wait_for(lambda: processed() - before >= JOBS, "jobs are left")


def url_of(server: Server) -> str:
    return f"redis://127.0.0.1:{server.port}/0"


def wait_for(check: Callable[[], object], complaint: str) -> None:
    deadline = time.monotonic() + WITHIN
    while not check():
        if time.monotonic() > deadline:
            raise SystemExit(f"benchmarks.memory: {complaint} after {WITHIN:.0f} s")
        time.sleep(0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=100, help="that the application holds")
    parser.add_argument("--share", type=float, default=0.1, help="of it that jobs look at")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--starts", type=int, default=40)
    parser.add_argument("--json", metavar="FILE", help="write the result there as well")
    options = parser.parse_args()
    directory = tempfile.mkdtemp(prefix="jobsup-memory-server-")
    server = Server(directory, fsync="everysec")
    server.start()
    try:
        result = {
            name: measure(server, options, preload=preload, freeze=freeze)
            for name, preload, freeze in (
                ("preloaded", True, True),
                ("unfrozen", True, False),
                ("separate", False, True),
            )
        }
    finally:
        server.kill()
    shutil.rmtree(directory)
    print(json.dumps(result, indent=2))
    if options.json:
        Path(options.json).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
