"""Whether a job costs more when there are many of everything."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks.compare.scenario import Case, Figures, Options, Scenario
from benchmarks.compare.scenarios.drain import drained
from benchmarks.compare.session import Bench, Session, Setup
from jobsup.store import processes, scripts

SIZES = {"100 B": 100, "1 kB": 1_000, "100 kB": 100_000, "1 MB": 1_000_000}
LEASE = 3_600


def costs(
    bench: Bench,
    options: Options,
    *,
    setup: Setup | None = None,
    text: str = "",
    waiting: int = 0,
    prepare: Callable[[Session], None] | None = None,
) -> Figures:
    setup, job = setup or Setup(), ("noop", text)
    figures = drained(bench, "jobsup", "default", setup, options.seconds, job=job, waiting=waiting, prepare=prepare)
    figures = {"us/job": 1e6 / figures["jobs/s"]} | figures
    if text:
        figures["MB/s"] = figures["jobs/s"] * len(text) / 1e6
    return figures


def fill_queues(names: int, session: Session) -> None:
    """Other queues, which nobody here listens to, each with a job."""
    pipeline = session.redis.pipeline(transaction=False)
    for n in range(names):
        pipeline.sadd("queues", f"other{n}")
        pipeline.lpush(f"queue:other{n}", b"{}")
    pipeline.execute()


def register(names: int, session: Session) -> None:
    """Records of workers that hold a lease for an hour, as if they lived elsewhere."""
    run = scripts.runner(session.redis)
    info = b'{"hostname":"other","pid":1,"concurrency":10,"queues":["other"]}'
    for n in range(names):
        identity = f"other:{n}:0123456789ab"
        processes.register(run, identity, lease=LEASE, queues=["other"], place="other", pid=1, start="0")
        _beat(run, identity, {"info": info, "busy": 0, "beat": time.time(), "quiet": b"false"})


def _beat(run: scripts.Run, identity: str, record: dict[str, Any]) -> None:
    date = time.strftime("%Y-%m-%d", time.gmtime())
    facts = {"lease": LEASE, "wire": 8, "date": date, "processed": 0, "failed": 0, "work": {}}
    scripts.beat(run, identity, record=record, **facts)


def cases(bench: Bench, options: Options) -> Iterator[Case]:
    many, long = options.names, options.waiting
    conditions: dict[str, dict[str, Any]] = {
        "small": {},
        f"{long:,} waiting": {"waiting": long},
        f"{many:,} other queues": {"prepare": partial(fill_queues, many)},
        f"{many:,} queues of its own": {"setup": Setup(queues=many)},
        f"{many:,} other workers": {"prepare": partial(register, many)},
    }
    for variant, condition in conditions.items():
        yield Case("1 x 10", "jobsup", variant, partial(costs, bench, options, **condition))
    for variant, size in SIZES.items():
        yield Case("1 x 10", "jobsup", variant, partial(costs, bench, options, text="x" * size))


SCALE = Scenario(
    "scale",
    "Many jobs, queues and workers; large payloads",
    "The same as draining, 1 x 10, with so much more in the server; the other workers are records with a lease. "
    "Payloads: one argument of that size.",
    ("us/job",),
    more=False,
    cases=cases,
    reference=("jobsup", "small"),
)
