"""Jobs that take their time: how much of the ideal is left."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.compare import machine
from benchmarks.compare.scenario import Case, Figures, Options, Scenario
from benchmarks.compare.scenarios.drain import drained
from benchmarks.compare.session import Bench, Setup
from benchmarks.compare.statistics import ideal
from benchmarks.compare.variants import compared

NAPS = (1, 10, 100)
"""Milliseconds."""
SPIN = 5
CROWD = 1_000
COROUTINES = ("arq", "taskiq", "saq", "streaq", "ardiq", "blitzq")
SATURATED = {"wakaq": ("sync",)}
"""WakaQ's coroutines end their process when all slots are busy, which long jobs bring about."""


def worked(bench: Bench, peer: str, variant: str, setup: Setup, seconds: float, kind: str, length: int) -> Figures:
    processors = min(setup.processes, machine.cores()) if kind == "spin" else None
    goal = ideal(length, setup.processes * setup.slots, processors)
    figures = drained(bench, peer, variant, setup, seconds, job=(kind, length), rate=_known(bench, peer, goal))
    return {"% of ideal": 100 * figures["jobs/s"] / goal} | figures


def _known(bench: Bench, peer: str, goal: float) -> float | None:
    """Who is far from the ideal needs a measurement to say how many jobs take some seconds."""
    return goal if peer in ("jobsup", "bare") or goal <= 100 else None


def _variants(peer: str, setup: Setup, options: Options) -> tuple[str, ...]:
    if peer == "bare":
        return ("threads",)
    if peer == "jobsup" and setup.slots == CROWD:
        return ("default", "coroutines")
    return SATURATED.get(peer) or compared(peer, options.reliable)


def cases(bench: Bench, options: Options) -> Iterator[Case]:
    naps = [(f"{length} ms", "nap", length, Setup()) for length in NAPS]
    spin = (f"{SPIN} ms of CPU", "spin", SPIN, Setup(machine.cores()))
    crowd = (f"100 ms, 1 x {CROWD}", "nap", 100, Setup(1, CROWD))
    for label, kind, length, setup in (*naps, spin, crowd):
        for peer in options.peers:
            if setup.slots == CROWD and peer not in (*COROUTINES, "jobsup"):
                continue
            for variant in _variants(peer, setup, options):
                measure = partial(worked, bench, peer, variant, setup, options.seconds, kind, length)
                yield Case(label, peer, variant, measure)


WORK = Scenario(
    "work",
    "Jobs that sleep or compute",
    f"Full queues of jobs that sleep, 1 x 10, or compute, {machine.cores()} x 10; ideal is slots (computing: "
    "processors) through duration. bare threads: as many threads that run the job again and again, without a server. "
    f"1 x {CROWD}: those that run coroutines, and jobsup, with them and with threads.",
    ("% of ideal",),
    more=True,
    cases=cases,
)
