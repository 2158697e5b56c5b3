"""Pushing, one by one and a thousand at a time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.compare.machine import spent
from benchmarks.compare.scenario import Case, Figures, Options, Scenario
from benchmarks.compare.session import Bench, Failed, Setup
from benchmarks.compare.variants import compared

GUESS = 1_000.0


def pushed(bench: Bench, peer: str, variant: str, op: str, seconds: float) -> Figures:
    with bench.session(peer, variant, Setup()) as session:
        if op == "bulk" and not session.abilities["bulk"]:
            raise Failed("it cannot push many at once")
        # Connections, scripts and caches are not what is measured.
        session.ask(op, count=100, kind="noop", value=0)
        while True:
            key = (peer, variant, op)
            known = key in bench.rates
            count = max(1_000, int(bench.rates.get(key, GUESS) * seconds))
            server = spent(session.server)
            done = session.ask(op, count=count, kind="noop", value=0)
            bench.rates[key] = count / done["seconds"]
            if known:
                return {
                    "jobs/s": count / done["seconds"],
                    "client CPU us/job": done["cpu"] / count * 1e6,
                    "server CPU us/job": (spent(session.server) - server) / count * 1e6,
                }


def cases(bench: Bench, options: Options) -> Iterator[Case]:
    for label, op in (("one by one", "single"), ("1,000 at a time", "bulk")):
        for peer in options.peers:
            variant = compared(peer, options.reliable)[0]
            yield Case(label, peer, variant, partial(pushed, bench, peer, variant, op, options.seconds / 2))


ENQUEUE = Scenario(
    "enqueue",
    "Pushing jobs",
    "One process pushes jobs that do nothing, to one queue, on one connection; nobody runs them. bare: the server's "
    "own limit for the same LPUSH, with payloads that are ready.",
    ("jobs/s",),
    more=True,
    cases=cases,
)
