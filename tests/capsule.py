"""A capsule at work in the test's own process, against a real server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import redis

from jobsup.config.model import Capsule
from jobsup.events import Events
from jobsup.store import keys, scripts
from jobsup.store.connection import connect
from jobsup.unix.slot import Slot
from jobsup.worker.counters import Counters
from jobsup.worker.eventloop import EventLoop
from jobsup.worker.executor import Running
from jobsup.worker.fetch import Fetcher
from jobsup.worker.lease import Lease, Outage
from jobsup.worker.manager import Manager
from jobsup.worker.measures import Measures
from jobsup.worker.outcome import Outcome
from jobsup.worker.settle import DeadLimits

ME = "host:1:aaaaaaaaaaaa"


class Worker:
    """A capsule with an execute function of the test's own, and everything it says."""

    def __init__(
        self,
        url: str,
        execute: Callable[..., Outcome | Running],
        *,
        concurrency: int = 2,
        queues: tuple[tuple[str, int], ...] = (("a", 0), ("b", 0)),
        lazily: bool = False,
    ) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []
        events = Events()
        events.subscribe(lambda name, facts: self.said.append((name, facts)))
        self.counters = Counters()
        self.measures = Measures()
        self.lease = Lease()
        self.crashes: list[BaseException] = []
        client = connect(url)
        self.run = scripts.runner(connect(url))
        self.register()

        def fetcher(inbox: Any, outbox: Any) -> Fetcher:
            return Fetcher(
                client=client,
                identity=ME,
                capsule=Capsule("default", concurrency, queues),
                limits=DeadLimits(10_000, 15_552_000),
                inbox=inbox,
                outbox=outbox,
                lease=self.lease,
                outage=Outage(events),
                counters=self.counters,
                measures=self.measures,
                events=events,
                isolated=False,
                tick=lambda _now: None,
                on_work=lambda: None,
                on_settled=lambda: None,
            )

        self.slot = Slot.create(concurrency)
        entries = [self.slot.entry(index) for index in range(concurrency)]
        crashed = self.crashes.append
        self.manager = Manager(entries, fetcher, self.lease.alive, execute, crashed, EventLoop(crashed), lazily=lazily)

    def register(self) -> None:
        scripts.register(
            self.run,
            ME,
            lease=15,
            queues=orjson.dumps(["a", "b", *(f"q{n}" for n in range(40))]).decode(),
            place="",
            pid=1,
            start="1",
        )
        self.lease._confirmed_at = float("inf")

    def names(self) -> list[str]:
        return [name for name, _ in self.said]

    def stop(self) -> None:
        self.manager.quiet()
        self.manager.close(5.0)


def inflight(r: redis.Redis) -> list[bytes]:
    return [raw for q in ("a", "b") for raw in r.lrange(keys.inflight(ME, q), 0, -1)]
