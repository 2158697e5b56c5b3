"""What the ledger and the faults prove.  Pure.

A job that ran more than once must be explained run by run: something that was done to the process of the earlier run,
while that run was *exposed*: from its start until its outcome must have been recorded.  Being generous here would hide
bugs, so an explanation has to be as narrow as the promise:

- a SIGKILL of the process explains every exposed run;
- a freeze explains one when it was long enough for the lease to run out;
- whatever asks the process to leave (TERM, a stop, a reload, the death of its parent, its pool given up) explains a
  run that did not end, ended beyond the drain's deadline, or ended when the outcome could not be recorded;
- an outage explains nothing by itself: settling is repeated and fenced.  It makes the exposure of a run longer.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks.chaos.ledger import Run

SETTLED_WITHIN = 1.0
"""Seconds after its end in which the outcome of a run is in Redis, when nothing hinders it."""
BACK_WITHIN = 3.0
"""Seconds after an outage in which a worker has connected again and settled."""
LEASE_AT_LEAST = 9.0
"""Seconds that a lease lasts at any moment: 15 s after the last beat, and beats are 5 s apart."""
LEAVING = 40.0
"""Seconds in which a process that was asked to leave, perhaps after its replacement is ready, has left."""

ASKED_TO_LEAVE = {"worker.term", "stop", "reload", "parent.kill", "pool.given_up"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What was done: *pids* are the worker processes it was done to.  Unix seconds."""

    kind: str
    at: float
    until: float
    pids: frozenset[int] = frozenset()

    @property
    def outage(self) -> bool:
        """Whether it keeps every worker from Redis."""
        return self.kind.startswith(("server.", "network."))


@dataclass
class Verdict:
    """*unexplained*: (job, its earlier run, when it started again); *latencies*: seconds, by kind of fault."""

    lost: list[int] = field(default_factory=list)
    reruns: Counter[str] = field(default_factory=Counter)
    unexplained: list[tuple[int, Run, float]] = field(default_factory=list)
    latencies: dict[str, list[float]] = field(default_factory=dict)


def judge(
    acknowledged: Iterable[int], runs: Mapping[int, Sequence[Run]], faults: Sequence[Fault], timeout: float
) -> Verdict:
    """Judge a run whose pool drains within *timeout* seconds.

    *acknowledged* are the jobs whose push was confirmed: each must have ended.
    """
    verdict = Verdict()
    verdict.lost = [n for n in acknowledged if not any(run.end and not run.failed for run in runs.get(n, ()))]
    for number, run, again in superseded(runs):
        fault = explain(run, again, faults, timeout)
        if fault is None:
            verdict.unexplained.append((number, run, again))
            continue
        verdict.reruns[fault.kind] += 1
        verdict.latencies.setdefault(fault.kind, []).append(again - fault.at)
    starts = sorted(run.start for those in runs.values() for run in those)
    for fault in faults:
        first = bisect_left(starts, fault.until)
        if fault.outage and first < len(starts):
            verdict.latencies.setdefault(fault.kind, []).append(starts[first] - fault.until)
    return verdict


def superseded(runs: Mapping[int, Sequence[Run]]) -> Iterator[tuple[int, Run, float]]:
    """(job, run, start of the next one) of every run that was followed by another and had not failed by plan."""
    for number, those in runs.items():
        for run, following in pairwise(those):
            if not run.failed:
                yield number, run, following.start


def explain(run: Run, again: float, faults: Sequence[Fault], timeout: float) -> Fault | None:
    """The fault that made a run that began at *again* necessary; None when there is none."""
    exposed_until, hindered = exposure(run, again, faults)
    for fault in faults:
        if run.pid not in fault.pids or fault.at > exposed_until:
            continue
        if fault.kind == "worker.kill" and fault.until >= run.start:
            return fault
        if fault.kind.startswith("worker.freeze") and fault.until >= run.start:
            if fault.until - fault.at >= LEASE_AT_LEAST:
                return fault
        elif (
            fault.kind in ASKED_TO_LEAVE
            and fault.at + LEAVING >= run.start
            and (run.end is None or hindered or run.end >= fault.at + timeout)
        ):
            return fault
    return None


def exposure(run: Run, again: float, faults: Sequence[Fault]) -> tuple[float, bool]:
    """Until when *run* had to fear for its outcome, and whether something kept its process from recording it."""
    until = again if run.end is None else run.end + SETTLED_WITHIN
    hindered = False
    for fault in sorted(faults, key=lambda fault: fault.at):
        if not fault.outage and not (fault.kind.startswith("worker.freeze") and run.pid in fault.pids):
            continue
        if fault.at <= until and fault.until + BACK_WITHIN >= run.start:
            hindered = True
            until = max(until, fault.until + BACK_WITHIN)
    return min(until, again), hindered


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """In seconds; nearest rank."""
    ordered = sorted(values)

    def rank(share: float) -> float:
        return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 4)

    return {"n": len(ordered), "p50": rank(0.5), "p99": rank(0.99), "max": rank(1.0)}
