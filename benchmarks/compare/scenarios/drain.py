"""A full queue: how many jobs per second, and what each costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks.compare import machine
from benchmarks.compare.scenario import Case, Figures, Options, Scenario
from benchmarks.compare.session import Bench, Session, Setup
from benchmarks.compare.variants import compared

GUESS = 1_000.0
"""Jobs per second of whoever was not measured yet; wrong guesses are measured again."""
LEAST = 400
"""Jobs, below which a middle is no middle."""
MORE = 20
"""Times as many jobs, at most, after one look that saw too few."""


def drained(
    bench: Bench,
    peer: str,
    variant: str,
    setup: Setup,
    seconds: float,
    *,
    job: tuple[str, Any] = ("noop", 0),
    rate: float | None = None,
    waiting: int = 0,
    prepare: Callable[[Session], None] | None = None,
) -> Figures:
    """Push as many jobs as take some *seconds*, then start the workers and look at the middle.

    *waiting* jobs more stay behind them.  *rate* is known where jobs are longer than what surrounds them.
    *prepare* is called before the workers start.

    Raises:
        Failed, Unavailable: what was wrong.
    """
    key = (peer, variant, setup, job[0], len(str(job[1])), waiting, prepare)
    count = max(LEAST, int((rate or bench.rates.get(key, GUESS)) * seconds))
    while True:
        with bench.session(peer, variant, setup) as session:
            if prepare:
                prepare(session)
            figures = _middle(session, count, waiting, job)
        # Where nothing was known but a guess, a middle that was too short is no result.
        if rate is not None or key in bench.rates or figures["jobs/s"] * seconds < 2 * count:
            bench.rates[key] = figures["jobs/s"]
            return figures
        count = min(int(figures["jobs/s"] * seconds), MORE * count)


def _middle(session: Session, count: int, waiting: int, job: tuple[str, Any]) -> Figures:
    load = machine.load()
    session.ask("fill", count=count + waiting, kind=job[0], value=job[1])
    session.start()
    done, first, last = session.steady(count)
    if not done:
        return {"jobs/s": count / (last.at - first.at)}  # all ended between two looks
    figures = {
        "jobs/s": done / (last.at - first.at),
        "worker CPU us/job": (last.workers - first.workers) / done * 1e6,
        "server CPU us/job": (last.server - first.server) / done * 1e6,
        "foreign %": machine.foreign(first, last),
        "load before": load,
    }
    if not waiting:
        time.sleep(0.2)  # whoever runs a job twice would do it now
        figures["ran twice"] = session.board.total() - count
    return figures


def cases(bench: Bench, options: Options) -> Iterator[Case]:
    cores = machine.cores()
    setups = (Setup(1), Setup(2), *((Setup(2 * cores),) if cores > 1 else ()))
    for setup in setups:
        for peer in options.peers:
            if setup.processes > 2 and peer != "jobsup":
                continue
            for variant in compared(peer, options.reliable):
                measure = partial(drained, bench, peer, variant, setup, options.seconds)
                yield Case(str(setup), peer, variant, measure)


DRAIN = Scenario(
    "drain",
    "Draining a full queue",
    "Jobs that do nothing are pushed, then the workers start; the rate is that of the middle 70 %. "
    "P x S: P processes with S slots (threads, coroutines or children) each.",
    ("jobs/s",),
    more=True,
    cases=cases,
)
