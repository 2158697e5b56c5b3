"""What the ledger and the faults prove.  Pure.

A job that ran more than once must be explained run by run: something that was done to the process of the earlier run,
while that run was *exposed*: from its start until its outcome must have been recorded.  Being generous here would hide
bugs, so an explanation has to be as narrow as the promise:

- a SIGKILL of the process explains every exposed run;
- a freeze explains one when it was long enough for the lease to run out;
- whatever asks the process to leave (TERM, a stop, a reload, the death of its parent, its pool given up) explains a
  run that did not end, ended beyond the drain's deadline, or ended when the outcome could not be recorded;
- an outage explains nothing by itself: settling is repeated and fenced.  It makes the exposure of a run longer.
  Only a push whose connection was lost may have been sent twice, and explains one run more.

Of an iterable job every item must have been done.  An item done twice must be explained too, and more narrowly: being
asked to leave explains none, as the place is kept then, unless an outage hindered that.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks.chaos.ledger import Item, Ledger, Run

SETTLED_WITHIN = 1.0
"""Seconds after its end in which the outcome of a run is in Redis, when nothing hinders it."""
BACK_WITHIN = 3.0
"""Seconds after an outage in which a worker has connected again and settled."""
LEASE_AT_LEAST = 9.0
"""Seconds that a lease lasts at any moment: 15 s after the last beat, and beats are 5 s apart."""
LEAVING = 40.0
"""Seconds in which a process that was asked to leave, perhaps after its replacement is ready, has left."""

NEAR = 5.0
"""Seconds after which a fault has no more part in how soon a job starts again: replacements are ready, queues short."""

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
    """*unexplained*: (job, its earlier run, when it started again); *latencies*: seconds, by kind of fault.

    *alone* are the latencies of the faults near which nothing else was done.
    """

    lost: list[int] = field(default_factory=list)
    lost_items: list[tuple[int, int]] = field(default_factory=list)
    items_again: int = 0
    unexplained_items: list[tuple[int, Item, Item]] = field(default_factory=list)
    reruns: Counter[str] = field(default_factory=Counter)
    unexplained: list[tuple[int, Run, float]] = field(default_factory=list)
    latencies: dict[str, list[float]] = field(default_factory=dict)
    alone: dict[str, list[float]] = field(default_factory=dict)


def judge(
    acknowledged: Iterable[int],
    repeated: Set[int],
    items: Mapping[int, int],
    ledger: Ledger,
    faults: Sequence[Fault],
    timeout: float,
) -> Verdict:
    """Judge a run whose pool drains within *timeout* seconds.

    *acknowledged* are the jobs whose push was confirmed: each must have ended.  *repeated* are those whose push may
    have been sent twice.  *items* is how many items the iterable ones have.
    """
    runs = ledger.runs
    verdict = Verdict()
    verdict.lost = [n for n in acknowledged if not any(run.end and not run.failed for run in runs.get(n, ()))]
    twice = set(repeated)
    for number, run, again in superseded(runs):
        fault = explain(run, again, faults, timeout)
        if fault is None and number in repeated:
            # Two copies run side by side, so that what follows a run may be the second one of the other copy.
            others = (other for other in runs[number] if other is not run and other.start < again)
            fault = next(filter(None, (explain(other, again, faults, timeout) for other in others)), None)
        if fault is None and number in twice:
            twice.remove(number)
            verdict.reruns["push.repeated"] += 1
            continue
        if fault is None:
            verdict.unexplained.append((number, run, again))
            continue
        verdict.reruns[fault.kind] += 1
        verdict.latencies.setdefault(fault.kind, []).append(again - fault.at)
        if not any(near(other, fault, again) for other in faults if other is not fault):
            verdict.alone.setdefault(fault.kind, []).append(again - fault.at)
    starts = sorted(run.start for those in runs.values() for run in those)
    for fault in faults:
        first = bisect_left(starts, fault.until)
        if fault.outage and first < len(starts):
            verdict.latencies.setdefault(fault.kind, []).append(starts[first] - fault.until)
    judge_items(verdict, repeated, items, ledger, faults)
    return verdict


def judge_items(
    verdict: Verdict, repeated: Set[int], items: Mapping[int, int], ledger: Ledger, faults: Sequence[Fault]
) -> None:
    for number, count in items.items():
        done: dict[int, Item] = {}
        copied: set[int] = set()
        for item in ledger.items.get(number, ()):
            if item.index in done:
                verdict.items_again += 1
                if explains_item(done[item.index], item, ledger.runs[number], faults):
                    pass
                elif number in repeated and item.index not in copied:
                    copied.add(item.index)
                else:
                    verdict.unexplained_items.append((number, done[item.index], item))
            done[item.index] = item
        if number in ledger.ended:
            verdict.lost_items += [(number, index) for index in range(count) if index not in done]


def explains_item(first: Item, again: Item, runs: Sequence[Run], faults: Sequence[Fault]) -> bool:
    """Whether something was done because of which the place behind item *first* need not have been kept."""
    run = next(run for run in reversed(runs) if run.pid == first.pid and run.start <= first.at)
    _, hindered = exposure(run, again.at, faults)
    for fault in faults:
        if fault.at > again.at:
            continue
        since = fault.until >= run.start
        if since and fault.kind == "worker.kill" and first.pid in fault.pids:
            return True
        # Of two processes that hold the job for a while, either may be the one that was taken for dead.
        if since and frozen_too_long(fault, faults) and fault.pids & {first.pid, again.pid}:
            return True
        if asks_to_leave(fault, run) and hindered:
            return True
    return False


@dataclass(frozen=True, slots=True)
class Order:
    """*behind*: jobs that were given back behind one that never ran, which is wrong.  *swapped*: jobs that lie behind a
    younger one of the same process; threads that a stop interrupts end, and give back, at their own moments.
    """

    behind: list[int]
    swapped: int


def order(waiting: Sequence[int], taken: Mapping[int, int]) -> Order:
    """What a stop gave back: *waiting* are the jobs in the queue, the next one first; *taken* says which process had
    taken a job.
    """
    behind, swapped, fresh = [], 0, False
    newest: dict[int, int] = {}
    for number in waiting:
        process = taken.get(number)
        if process is None:
            fresh = True
            continue
        if fresh:
            behind.append(number)
        swapped += number < newest.get(process, number)
        newest[process] = max(number, newest.get(process, number))
    return Order(behind, swapped)


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
            if frozen_too_long(fault, faults):
                return fault
        elif asks_to_leave(fault, run) and (run.end is None or hindered or run.end >= fault.at + timeout):
            return fault
    return None


def asks_to_leave(fault: Fault, run: Run) -> bool:
    """Whether it asked the process of *run* to go, which that may have begun when its replacement was not there yet."""
    return fault.kind in ASKED_TO_LEAVE and run.pid in fault.pids and fault.at + LEAVING >= run.start


def frozen_too_long(fault: Fault, faults: Sequence[Fault]) -> bool:
    """Whether a freeze, with the outages that met it, kept its process from Redis for as long as a lease lasts."""
    if not fault.kind.startswith("worker.freeze"):
        return False
    begun, ended = fault.at, fault.until
    for other in sorted(faults, key=lambda other: other.at):
        if other.outage and other.at <= ended and other.until + BACK_WITHIN >= begun:
            begun, ended = min(begun, other.at), max(ended, other.until)
    return ended - begun >= LEASE_AT_LEAST


def near(other: Fault, fault: Fault, again: float) -> bool:
    """Whether *other* may have had a part in how soon what *fault* hit began *again*."""
    return other.at <= again and other.until + NEAR >= fault.at


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
