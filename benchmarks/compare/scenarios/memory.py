"""What waiting workers hold."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.compare.scenario import Case, Figures, Options, Scenario
from benchmarks.compare.session import Bench, Setup
from benchmarks.compare.variants import compared
from jobsup.unix.memory import proportional

WORKERS = 4
CHILD_PER_SLOT = {("celery", "fast"), ("celery", "reliable"), ("rq", "fast"), ("rq", "reliable"), ("wakaq", "sync")}
"""Four of their workers have four slots, those of the others have ten each."""
MEGABYTES = 100


def held(bench: Bench, peer: str, variant: str, megabytes: int) -> Figures:
    slots = 1 if (peer, variant) in CHILD_PER_SLOT else 10
    with bench.session(peer, variant, Setup(WORKERS, slots, megabytes=megabytes)) as session:
        session.warm()
        workers = session.workers()
        return {"MB": sum(proportional(worker.pid) for worker in workers) / 2**20, "processes": len(workers)}


def cases(bench: Bench, options: Options) -> Iterator[Case]:
    for megabytes in (0, MEGABYTES):
        label = f"an application of {megabytes} MB" if megabytes else "idle"
        for peer in options.peers:
            if peer != "bare":
                for variant in compared(peer, options.reliable):
                    yield Case(label, peer, variant, partial(held, bench, peer, variant, megabytes))


MEMORY = Scenario(
    "memory",
    "Memory of four idle workers",
    "PSS of all processes that the command for four workers starts (a page that n share counts as 1/n in each), after "
    "40 jobs that do nothing. The application holds small Python objects. What preloading saves: benchmarks.memory.",
    ("MB",),
    more=False,
    cases=cases,
)
