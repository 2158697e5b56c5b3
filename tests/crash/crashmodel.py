"""What must be true when a run has ended, whoever was killed at whichever point.  Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from crashrun import Result

FAILS, PUSHES, PUSHED, SLEEPS = 5, 12, 13, 14
"""The job that fails to its death, the one that enqueues another, that other one, the one that no stop interrupts."""
SETTLED_WITHIN = 1.0
"""Seconds after its end in which the outcome of a run is in Redis."""
BY_PLAN = {"fail", "interrupted", "paused", "crash"}
LASTING = re.compile(r"queues|dead|stat:\w+|jobsup:swept|jobsup:deaths|jobsup:owner:.*")
"""Keys that may stay for ever; the record of a dead process and the like must expire."""
STOPPED = {0, 10, -9}


@dataclass(slots=True)
class Run:
    """*outcome*: the last word of its process about it, or None."""

    pid: int
    start: float
    outcome: str | None = None
    end: float = 0.0


def faults(result: Result) -> list[str]:
    """Sentences that say what is wrong; none when the end state is the model's."""
    runs, items = read(result.ledger)
    return [
        *_unfinished(result, runs, items),
        *_repeated(result, runs),
        *_misplaced(result),
        *_miscounted(result, runs),
        *_left(result),
        *_late(result),
    ]


def read(ledger: list[str]) -> tuple[dict[int, list[Run]], list[int]]:
    """(runs of each job, in the order of their starts; items done)."""
    runs: dict[int, list[Run]] = defaultdict(list)
    items = []
    for line in ledger:
        what, number, pid, at, *more = line.split()
        of_job = runs[int(number)]
        if what == "start":
            of_job.append(Run(int(pid), float(at)))
        elif what == "item":
            items.append(int(more[0]))
        else:
            run = next(run for run in reversed(of_job) if run.pid == int(pid) and run.outcome is None)
            run.outcome, run.end = what, float(at)
    return runs, items


def _unfinished(result: Result, runs: dict[int, list[Run]], items: list[int]) -> Iterator[str]:
    for number in result.acknowledged:
        wanted = "fail" if number == FAILS else "end"
        if not any(run.outcome == wanted for run in runs[number]):
            yield f"job {number} was lost"
    if missing := set(range(max(items, default=0) + 1)) - set(items):
        yield f"items {sorted(missing)} were left out"


def _repeated(result: Result, runs: dict[int, list[Run]]) -> Iterator[str]:
    for number, of_job in runs.items():
        if number == PUSHED and len(of_job) <= len(runs[PUSHES]):
            continue  # each is a job of its own, pushed by another run
        for run, following in pairwise(of_job):
            planned = (run.outcome in BY_PLAN and number != FAILS) or (number == SLEEPS and run.outcome is None)
            if not planned and not _killed_during(result, runs, run):
                yield f"job {number} ran again at {following.start}, though its run in {run.pid} was done or went on"


def _killed_during(result: Result, runs: dict[int, list[Run]], run: Run) -> bool:
    """Whether its process was killed, or crashed by plan, before the outcome had to be recorded."""
    deaths = {crash.pid: crash.end for of_job in runs.values() for crash in of_job if crash.outcome == "crash"}
    if result.death is not None:
        deaths[result.death.pid] = result.death.at
    at = deaths.get(run.pid)
    return at is not None and (run.outcome is None or at <= run.end + SETTLED_WITHIN)


def _misplaced(result: Result) -> Iterator[str]:
    if len(result.dead) != 1 or b"as planned" not in result.dead[0]:
        yield f"the dead set holds {result.dead}"
    for name, count in result.left.items():
        if count and name != "dead":
            yield f"{count} {name} left"


def _miscounted(result: Result, runs: dict[int, list[Run]]) -> Iterator[str]:
    """A run that came to an outcome is counted once, or not at all if its process died with the count in hand."""
    for name, count, outcomes in (
        ("processed", result.processed, {"end", "fail"}),
        ("failed", result.failed, {"fail"}),
    ):
        counted = [run for of_job in runs.values() for run in of_job if run.outcome in outcomes]
        mortal = {run.pid for of_job in runs.values() for run in of_job if run.outcome == "crash"}
        mortal |= {result.death.pid} if result.death else set()
        least = sum(run.pid not in mortal for run in counted)
        if not least <= count <= len(counted):
            yield f"{name} is {count}, not {least} to {len(counted)}"


def _left(result: Result) -> Iterator[str]:
    for key, expires in result.keys.items():
        if not expires and not LASTING.fullmatch(key):
            yield f"the key {key} is left and never expires"
    for process in result.processes:
        yield f"a process is left: {process}"
    for code in result.stops:
        if code not in STOPPED:
            yield f"a stop ended with exit code {code}"


def _late(result: Result) -> Iterator[str]:
    """Whoever dies is known to be dead at once: no way back may wait until a lease has run out."""
    for line in result.log.splitlines():
        if "has not been heard of" in line:
            yield f"only the end of its lease told of a death: {line}"
