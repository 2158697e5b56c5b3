"""Scheduled jobs and retries: how late they start while a million others wait."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from benchmarks.compare.scenario import Case, Figures, Options, Scenario
from benchmarks.compare.session import Bench, Session, Setup
from benchmarks.compare.statistics import percentile
from benchmarks.peers.bare import payload

RATE = 1_000
"""Due per second."""
AHEAD = 3.0
"""Seconds from the last preparation until the first is due."""
FAR = 86_400
BATCH = 1_000
SETS = ("schedule", "retry")
WARM = 40


def late(bench: Bench, waiting: int, due: int) -> Figures:
    with bench.session("jobsup", "default", Setup()) as session:
        _fill(session, waiting)
        session.warm(WARM)
        begin = time.time() + AHEAD
        times = [begin + n / RATE for n in range(due)]
        for parity, name in enumerate(SETS):
            for start in range(parity, due, 2 * BATCH):
                numbers = range(start, min(start + 2 * BATCH, due), 2)
                session.redis.zadd(name, {_job("stamp", n): times[n] for n in numbers})
        session.follow(WARM + due)
        shift = time.time() - time.monotonic()
        lateness = [
            (stamp / 1e9 + shift - at) * 1e3 for stamp, at in zip(session.board.stamps(due), times, strict=True)
        ]
    return {
        "p50 ms": percentile(lateness, 0.5),
        "p99 ms": percentile(lateness, 0.99),
        "max ms": max(lateness),
    }


def _fill(session: Session, waiting: int) -> None:
    for start in range(0, waiting, BATCH):
        far = time.time() + FAR
        session.redis.zadd(SETS[0], {_job("noop", n): far + n for n in range(start, min(start + BATCH, waiting))})


def _job(kind: str, n: int) -> bytes:
    return payload(kind, n, "q0")


def cases(bench: Bench, options: Options) -> Iterator[Case]:
    for waiting in (0, options.waiting):
        variant = "none waiting" if not waiting else f"{waiting:,} waiting"
        yield Case(f"{RATE:,} due per second", "jobsup", variant, partial(late, bench, waiting, options.due))


SCHEDULE = Scenario(
    "schedule",
    "Lateness of scheduled jobs and retries",
    "Half of the due jobs lie in the schedule, half among the retries; lateness is from the time they are due to their "
    "first instruction, with 1 x 10.",
    ("p50 ms", "p99 ms"),
    more=False,
    cases=cases,
    reference=("jobsup", "none waiting"),
)
