"""An idle worker: how soon a job starts, and what waiting for it costs the server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

from benchmarks.compare import machine
from benchmarks.compare.scenario import Case, Figures, Options, Scenario
from benchmarks.compare.session import Bench, Failed, Session, Setup
from benchmarks.compare.statistics import percentile
from benchmarks.compare.variants import compared

GAP = 0.01
"""Seconds between jobs."""
QUEUES = (1, 3, 20)
WARM = 40
LOOK = 0.1


def started(bench: Bench, peer: str, variant: str, queues: int, options: Options) -> Figures:
    with bench.session(peer, variant, Setup(queues=queues)) as session:
        if queues > 1 and session.abilities["one_queue"]:
            raise Failed("its worker listens to one queue")
        load = machine.load()
        session.warm(WARM)
        sent, inside = _commands(session, options.idle)
        pushed = session.ask("paced", count=options.jobs, gap=GAP)["sent"]
        session.follow(WARM + options.jobs)
        late = [(start - at) / 1e6 for start, at in zip(session.board.stamps(options.jobs), pushed, strict=True)]
    return {
        "p50 ms": percentile(late, 0.5),
        "p99 ms": percentile(late, 0.99),
        "max ms": max(late),
        "idle commands/s": sent,
        "in scripts/s": inside,
        "load before": load,
    }


def _commands(session: Session, seconds: float) -> tuple[float, float]:
    """Per second: commands that anybody but us sends, and those that scripts call."""
    sent = 0
    with session.redis.monitor() as monitor:
        before = session.redis.info("stats")["total_commands_processed"]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if monitor.connection.can_read(timeout=LOOK):
                sent += monitor.next_command()["client_type"] != "lua"
        done = session.redis.info("stats")["total_commands_processed"] - before
    ours = 1  # INFO
    return (sent - ours) / seconds, (done - sent) / seconds


def cases(bench: Bench, options: Options) -> Iterator[Case]:
    for queues in QUEUES:
        for peer in options.peers:
            if peer == "bare" and queues > 1:
                continue
            variants = ("blmove",) if peer == "bare" else compared(peer, options.reliable)
            for variant in variants:
                measure = partial(started, bench, peer, variant, queues, options)
                yield Case(f"{queues} queue{'s' * (queues > 1)}", peer, variant, measure)


LATENCY = Scenario(
    "latency",
    "From push to start on an idle worker",
    "Jobs 10 ms apart to a worker of 1 x 10 that has nothing else to do, over its queues in turn; from before the push "
    "to the first instruction of the job. Before that, Redis commands of everything idle: those that are sent, and "
    "those that scripts call. bare: a blocking move.",
    ("p50 ms", "p99 ms"),
    more=False,
    cases=cases,
)
