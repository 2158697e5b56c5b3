"""How long the jobs of each class take: written with the heartbeat, read by reports and by Sidekiq's Web.

Sidekiq's own metrics are kept by the minute, for eight hours, and end at 335 seconds: right for a graph, of no use for
the question whether a job that runs once a night will outlast a deploy.  So each day has a hash of ours beside them.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import redis

from jobsup.config.model import QUARANTINE
from jobsup.durations import Counts, Durations, bucket, merged
from jobsup.store import keys
from jobsup.store.connection import Client, translated
from jobsup.store.stats import number, replies, text

DAYS = 7
"""Days, today included, that are read."""
_LIMITS = (
    *(20, 30, 45, 65, 100, 150, 225, 335, 500, 750, 1100, 1700, 2500, 3800, 5750, 8500, 13000, 20000, 30000),
    *(45000, 65000, 100000, 150000, 225000, 335000),
)
"""Sidekiq's buckets in milliseconds: a run is in the first whose limit is greater, or behind the last."""
_LONGEST_NAME = 200


@dataclass(slots=True)
class Runs:
    """What ended of one class since the last flush.  ``timeout`` and ``pauses`` as in ``Durations``."""

    ended: int = 0
    failed: int = 0
    ms: int = 0
    counts: Counter[int] = field(default_factory=Counter)
    gram: Counter[int] = field(default_factory=Counter)
    timeout: float | None = None
    pauses: bool = False

    def succeeded(self, seconds: float) -> None:
        """Count a run.  As in Sidekiq only these are measured: a failure takes any time."""
        ms = int(seconds * 1000)
        self.ended += 1
        self.ms += ms
        self.counts[bucket(seconds)] += 1
        self.gram[bisect_right(_LIMITS, ms)] += 1

    def add(self, other: Runs) -> None:
        self.ended += other.ended
        self.failed += other.failed
        self.ms += other.ms
        self.counts.update(other.counts)
        self.gram.update(other.gram)
        self.timeout, self.pauses = other.timeout, other.pauses


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of all classes.

    Attributes:
        since: Unix seconds of the first measurement that was read; None: there is none.
        classes: by pool and class.  The runs of suspects count for the pool they came from.
    """

    since: float | None
    classes: dict[tuple[str, str], Durations]

    def by_class(self) -> dict[str, Durations]:
        """The same over all pools."""
        found: dict[str, list[Durations]] = {}
        for (_pool, klass), durations in self.classes.items():
            found.setdefault(klass, []).append(durations)
        return {klass: merged(parts) for klass, parts in found.items()}


def flush(client: Client, pool: str, wire: int, now: float, batch: Mapping[str, Runs]) -> None:
    """Add *batch*, by class, to what Redis has.  One round trip.

    Raises:
        RedisUnavailable: it may or may not have been added.
    """
    utc = time.gmtime(now)
    pipe = client.pipeline(transaction=False)
    day = keys.runs(time.strftime("%Y%m%d", utc))
    pipe.hsetnx(day, "since", repr(now))
    for klass, runs in batch.items():
        name = f"{pool.removesuffix(QUARANTINE)}|{klass[:_LONGEST_NAME]}"
        for found, count in runs.counts.items():
            pipe.hincrby(day, f"{name}|{found}", count)
        if runs.timeout is not None:
            pipe.hset(day, f"{name}|timeout", repr(runs.timeout))
        if runs.pauses:
            pipe.hset(day, f"{name}|pauses", "1")
        if wire == 8:  # older ones keep theirs under other names, and 6.4 has none
            _for_sidekiq(pipe, klass, runs, utc)
    pipe.expire(day, keys.RUNS_TTL)
    try:
        # What one key refuses (somebody else's type, an ACL without it) must not keep the others from being written.
        pipe.execute(raise_on_error=False)
    except (redis.RedisError, OSError) as error:
        raise translated(error) from error


def _for_sidekiq(pipe: Any, klass: str, runs: Runs, utc: time.struct_time) -> None:
    if set("|/$") & set(klass) or len(klass) > _LONGEST_NAME:
        return  # its Web splits names there
    minute, ten_minutes, gram = keys.metrics(klass, utc)
    for key, ttl in ((minute, keys.MINUTE_TTL), (ten_minutes, keys.TEN_MINUTES_TTL)):
        pipe.hincrby(key, f"{klass}|p", runs.ended)
        pipe.hincrby(key, f"{klass}|f", runs.failed)
        pipe.hincrby(key, f"{klass}|ms", runs.ms)
        pipe.expire(key, ttl)
    if runs.gram:
        field = pipe.bitfield(gram, default_overflow="SAT")
        for index, count in runs.gram.items():
            field.incrby("u16", f"#{index}", count)
        field.execute()
        pipe.expire(gram, keys.MINUTE_TTL)


def read(client: Client, now: float, days: int = DAYS) -> Measured:
    """All that was measured in the last *days* days, today included; one round trip.

    Raises:
        RedisUnavailable, RedisRefused: as ``errors_translated``.
    """
    pipe = client.pipeline(transaction=False)
    for ago in range(days):
        pipe.hgetall(keys.runs(time.strftime("%Y%m%d", time.gmtime(now - 86_400 * ago))))
    found = [{text(name): value for name, value in (reply or {}).items()} for reply in replies(pipe)]
    begun = [since for day in found if (since := _seconds(day.pop("since", None))) is not None]
    return Measured(min(begun, default=None), _classes(found))


def _classes(days: list[dict[str, bytes]]) -> dict[tuple[str, str], Durations]:
    counts: dict[tuple[str, str], Counts] = {}
    timeouts: dict[tuple[str, str], float] = {}
    pausing: set[tuple[str, str]] = set()
    for day in reversed(days):  # the newest word about a class counts
        for name, value in day.items():
            pool, _, rest = name.partition("|")
            klass, _, what = rest.rpartition("|")
            if what == "timeout":
                timeouts[pool, klass] = _seconds(value) or 0.0
            elif what == "pauses":
                pausing.add((pool, klass))
            elif what.isascii() and what.isdigit() and len(what) < 5:
                found = counts.setdefault((pool, klass), {})
                found[int(what)] = found.get(int(what), 0) + number(value)
    return {which: Durations(counts.get(which, {}), timeouts.get(which), which in pausing) for which in counts}


def _seconds(value: bytes | None) -> float | None:
    try:
        seconds = float(value or b"")
    except ValueError:
        return None
    return seconds if 0 <= seconds < 1e12 else None
