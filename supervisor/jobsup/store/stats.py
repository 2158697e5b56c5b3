"""The numbers of the whole system, in two round trips however many queues and processes there are.

Of what waits in queues whose names are known, in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import redis

from jobsup.store import keys
from jobsup.store.connection import errors_translated


@dataclass(frozen=True, slots=True)
class QueueReply:
    """One queue as Redis has it: its length, and the job that is fetched next."""

    name: str
    size: int
    oldest: bytes | None


@dataclass(frozen=True, slots=True)
class StatsReply:
    """What Redis said.  ``busy`` has one value per live process."""

    processed: int
    failed: int
    scheduled_size: int
    retry_size: int
    dead_size: int
    busy: tuple[int, ...]
    queues: tuple[QueueReply, ...]


@dataclass(frozen=True, slots=True)
class WaitingReply:
    """What waits, as Redis said it."""

    scheduled_size: int
    retry_size: int
    dead_size: int
    queues: tuple[QueueReply, ...]


def text(value: bytes) -> str:
    """A name that others chose; bytes that are no UTF-8 survive the way back through ``redis_name``."""
    return value.decode("utf-8", "surrogateescape")


def redis_name(value: str) -> bytes:
    """The bytes behind ``text``: a key may contain what no Python client would write."""
    return value.encode("utf-8", "surrogateescape")


def number(value: object) -> int:
    """A counter, whoever wrote it: 0 for what is missing or no number."""
    try:
        return int(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return 0


def replies(pipeline: Any) -> list[Any]:
    """Run *pipeline*; a key of a foreign type reads as missing, any other error is raised.

    Raises:
        RedisUnavailable, RedisRefused: as ``errors_translated``.
    """
    with errors_translated():
        found = cast(list[Any], pipeline.execute(raise_on_error=False))
        for reply in found:
            if isinstance(reply, Exception) and not str(reply).startswith("WRONGTYPE"):
                raise reply
    return [None if isinstance(reply, Exception) else reply for reply in found]


def read(client: redis.Redis) -> StatsReply:
    """Everything that ``Stats`` is computed from.

    Raises:
        RedisUnavailable, RedisRefused: as ``errors_translated``.
    """
    pipeline = client.pipeline(transaction=False)
    pipeline.mget(keys.PROCESSED, keys.FAILED)
    for name in (keys.SCHEDULE, keys.RETRY, keys.DEAD):
        pipeline.zcard(name)
    pipeline.smembers(keys.QUEUES)
    pipeline.smembers(keys.PROCESSES)
    counters, scheduled, retries, dead, queues, processes = replies(pipeline)
    names = sorted(map(text, queues or ()))

    for name in names:
        key = redis_name(keys.queue(name))
        pipeline.llen(key)
        pipeline.lrange(key, -1, -1)
    for identity in processes or ():
        pipeline.hmget(identity, "info", "busy")
    found = replies(pipeline)
    records = found[2 * len(names) :]
    return StatsReply(
        processed=number(counters[0]),
        failed=number(counters[1]),
        scheduled_size=number(scheduled),
        retry_size=number(retries),
        dead_size=number(dead),
        # The set outlives the records of processes that crashed: a process is what still has its record.
        busy=tuple(number(record[1]) for record in records if record and record[0] is not None),
        queues=tuple(
            QueueReply(name, number(found[2 * i]), next(iter(found[2 * i + 1] or ()), None))
            for i, name in enumerate(names)
        ),
    )


def waiting(client: redis.Redis, names: Sequence[str]) -> WaitingReply:
    """What waits in the sets and in the queues *names*; two commands for each of these, none longer than O(1).

    Raises:
        RedisUnavailable, RedisRefused: as ``errors_translated``.
    """
    pipeline = client.pipeline(transaction=False)
    for name in (keys.SCHEDULE, keys.RETRY, keys.DEAD):
        pipeline.zcard(name)
    for name in names:
        key = redis_name(keys.queue(name))
        pipeline.llen(key)
        pipeline.lindex(key, -1)
    scheduled, retries, dead, *found = replies(pipeline)
    queues = zip(names, found[::2], found[1::2], strict=True)
    return WaitingReply(
        number(scheduled),
        number(retries),
        number(dead),
        tuple(QueueReply(name, number(size), oldest) for name, size, oldest in queues),
    )
