"""What Redis says of queues, sets and classes, gathered while somebody scrapes.

A scrape waits for nobody: it is answered from what was gathered last, and without it when that is too old to be true.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass

from jobsup.clock import FOREVER, monotonic, wall
from jobsup.config.model import Config
from jobsup.durations import Durations
from jobsup.errors import MalformedPayload, RedisRefused
from jobsup.events import Events
from jobsup.payload import Limits, enqueued, limits_of, loads
from jobsup.store import durations, stats
from jobsup.store.connection import Client
from jobsup.store.stats import QueueReply

_EVERY = 4.0
"""Seconds between two gatherings, at least; the keeper's loop goes round every two."""
_DURATIONS_EVERY = 15.0
FRESH = 15.0
"""Seconds for which figures are shown."""
_ASKED_WITHIN = 300.0
"""Seconds since the last scrape after which nothing is gathered: Prometheus takes a series for ended after as long, so
that nobody scrapes more rarely."""
_MOST_CLASSES = 100
"""Classes that are shown: those that took most of the time."""
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Figures:
    """What was found.

    Attributes:
        at: when it was asked for, monotonic seconds.
        sizes: queue -> jobs that wait.
        latencies: queue -> seconds since the job that is fetched next was enqueued; 0.0: there is none, or it does not
            say.
        suspects: queue -> jobs that wait in its quarantine.
        retry, schedule, dead: jobs in the sets.
        durations: (profile, class) -> its runs of this UTC day, over all supervisors.
    """

    at: float
    sizes: Mapping[str, int]
    latencies: Mapping[str, float]
    suspects: Mapping[str, int]
    retry: int
    schedule: int
    dead: int
    durations: Mapping[tuple[str, str], Durations]


class Gatherer:
    """Written by the keeper's thread, read by the one that answers scrapes; what one hands to the other never changes.

    1. configure   which queues and profiles count from now on
    2. fresh       a scrape: what can be shown; from here on it is gathered
    3. gather      one round trip when it is due, and every fourth time a second one
    4. forget      Redis is away: nothing that it said is shown
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._asked_at = -FOREVER
        self._found: Figures | None = None
        self._due_at = -FOREVER
        self._durations: Mapping[tuple[str, str], Durations] = {}
        self._durations_due_at = -FOREVER
        self._refused = False

    def configure(self, client: Client, config: Config) -> None:
        self._client = client
        self._queues = tuple(dict.fromkeys(queue for profile in config.profiles for queue in profile.queues))
        self._profiles = frozenset(profile.name for profile in config.profiles)
        self._limits = limits_of(config.profiles)
        self._due_at = self._durations_due_at = -FOREVER

    def fresh(self, now: float) -> Figures | None:
        """What was found in the last ``FRESH`` seconds; None: nothing."""
        self._asked_at = now
        found = self._found
        return found if found and found.at > now - FRESH else None

    def gather(self, suspects: Mapping[str, int]) -> None:
        """Ask Redis, if somebody wants to know and it is time to.

        Raises:
            RedisUnavailable: nobody answers.
        """
        now = monotonic()
        if now < self._due_at or self._asked_at <= now - _ASKED_WITHIN:
            return
        self._due_at = now + _EVERY
        try:
            self._found = self._read(now, suspects)
            self._refused = False
        except RedisRefused as error:
            # Not as elsewhere a reason to take Redis for away: the keeper's own work does not need these.
            self._found = None
            if not self._refused:
                self._refused = True
                self._events.emit("metrics.refused", error=str(error))

    def forget(self) -> None:
        self._found = None

    def _read(self, now: float, suspects: Mapping[str, int]) -> Figures:
        if now >= self._durations_due_at:
            # Of one day alone: a sum over several falls when the first of them ends, which no counter may do but to 0.
            self._durations = self._shown(durations.read(self._client, wall(), days=1).classes)
            self._durations_due_at = now + _DURATIONS_EVERY
        waiting = stats.waiting(self._client, self._queues)
        wall_now = wall()
        return Figures(
            at=now,
            sizes={queue.name: queue.size for queue in waiting.queues},
            latencies={queue.name: _latency(queue, wall_now, self._limits) for queue in waiting.queues},
            suspects={queue: suspects.get(queue, 0) for queue in self._queues},
            retry=waiting.retry_size,
            schedule=waiting.scheduled_size,
            dead=waiting.dead_size,
            durations=self._durations,
        )

    def _shown(self, found: Mapping[tuple[str, str], Durations]) -> dict[tuple[str, str], Durations]:
        """Those of our profiles, as many as are bearable; what no worker of ours writes is not shown."""
        ours = (item for item in found.items() if item[0][0] in self._profiles and _named(item[0][1]))
        return dict(heapq.nlargest(_MOST_CLASSES, ours, key=lambda item: item[1].total))


def _latency(queue: QueueReply, now: float, limits: Limits) -> float:
    try:
        since = enqueued(loads(queue.oldest, limits)) if queue.oldest else 0.0
    except MalformedPayload:
        return 0.0
    return max(0.0, now - since) if since else 0.0


def _named(klass: str) -> bool:
    return 0 < len(klass) <= _LONGEST_NAME and klass.isprintable()
