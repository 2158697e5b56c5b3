"""How soon the first job runs after the command, and what a web process pays for pushing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from benchmarks.compare.scenario import Case, Figures, Options, Scenario
from benchmarks.compare.session import ROOT, Bench, Setup
from benchmarks.compare.variants import compared

PROGRAM = """
import json, sys, time
begun = time.perf_counter()
import redis
between = time.perf_counter()
from jobsup import Job, client
class Receipt(Job):
    def perform(self, order):
        pass
client.configure("redis://127.0.0.1:%d/0")
end = time.perf_counter()
Receipt.perform_async(42)
loaded = sorted(name for name in sys.modules if name.startswith("jobsup"))
print(json.dumps({"redis": between - begun, "ours": end - between, "loaded": loaded}))
"""
FOREIGN = ("worker", "parent", "template", "keeper", "embedded", "web", "cli", "api", "assembly")
"""Packages that a web process has no use for."""


def started(bench: Bench, peer: str, variant: str) -> Figures:
    with bench.session(peer, variant, Setup()) as session:
        session.ask("single", count=1, kind="stamp", value=0)
        begun = session.start()
        session.follow(1)
        return {"seconds": session.board.stamps(1)[0] / 1e9 - begun}


def imported(bench: Bench) -> Figures:
    """Both in one process: what redis needs is not ours, and what we share with it is paid once."""
    found = json.loads(
        subprocess.run(
            [sys.executable, "-c", PROGRAM % bench.server.port],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ).stdout
    )
    useless = [name for name in found["loaded"] if name.split(".")[1:2] and name.split(".")[1] in FOREIGN]
    return {
        "ms beyond redis": found["ours"] * 1e3,
        "ms of redis": found["redis"] * 1e3,
        "modules": len(found["loaded"]),
        "of them not for pushing": len(useless),
    }


def start_cases(bench: Bench, options: Options) -> Iterator[Case]:
    for peer in options.peers:
        if peer != "bare":
            for variant in compared(peer, options.reliable):
                yield Case("1 x 10", peer, variant, partial(started, bench, peer, variant))


def import_cases(bench: Bench, _options: Options) -> Iterator[Case]:
    yield Case("a process that pushes", "jobsup", "default", partial(imported, bench))


START = Scenario(
    "start",
    "From the command to the first job",
    "One job waits; from the start of the command to the first instruction of the job.",
    ("seconds",),
    more=False,
    cases=start_cases,
)
IMPORT = Scenario(
    "import",
    "What pushing costs a web process at its start",
    "A process imports redis, then jobsup, declares a job and pushes one; the time before the push.",
    ("ms beyond redis",),
    more=False,
    cases=import_cases,
)
