"""What people read: pages of queues and sorted sets, process records, running jobs.  Nothing here writes.

What a foreign writer left in a key must not break a page: a key of the wrong type reads as empty.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import redis

from jobsup.store import keys
from jobsup.store.stats import redis_name, replies, text

Redis: TypeAlias = redis.Redis
"""A client, as ``store.connection.connect`` makes it: the type's name for code that must not import redis."""


class Page(NamedTuple):
    """A part of a queue, newest first, and the size of the whole queue at the same moment."""

    size: int
    raws: list[bytes]


class ProcessReply(NamedTuple):
    """One process record; None where a field is missing."""

    identity: str
    info: bytes
    concurrency: bytes | None
    busy: bytes | None
    beat: bytes | None
    quiet: bytes | None
    rss: bytes | None
    rtt_us: bytes | None


class WorkReply(NamedTuple):
    """One entry of a process' work hash."""

    identity: str
    thread: str
    entry: bytes


def queue_names(client: Redis) -> list[str]:
    """Every queue that was ever pushed to, sorted."""
    pipeline = client.pipeline(transaction=False)
    pipeline.smembers(keys.QUEUES)
    (names,) = replies(pipeline)
    return sorted(map(text, names or ()))


def queue_page(client: Redis, name: str, start: int, count: int) -> Page:
    """*count* jobs from the newest-but-*start* on."""
    key = redis_name(keys.queue(name))
    # MULTI, because the reader computes the next start from this size.
    pipeline = client.pipeline(transaction=True)
    pipeline.llen(key)
    pipeline.lrange(key, start, start + count - 1)
    size, raws = replies(pipeline)
    return Page(size or 0, raws or [])


def queue_oldest(client: Redis, name: str) -> bytes | None:
    """The job that is fetched next."""
    pipeline = client.pipeline(transaction=False)
    pipeline.lrange(redis_name(keys.queue(name)), -1, -1)
    (raws,) = replies(pipeline)
    return raws[0] if raws else None


def set_size(client: Redis, key: str) -> int:
    pipeline = client.pipeline(transaction=False)
    pipeline.zcard(key)
    (size,) = replies(pipeline)
    return size or 0


def set_page(client: Redis, key: str, edge: float, count: int, *, newest_first: bool) -> list[tuple[bytes, float]]:
    """The first *count* (member, score) from score *edge* on, itself included."""
    pipeline = client.pipeline(transaction=False)
    if newest_first:
        pipeline.zrevrangebyscore(key, edge, "-inf", start=0, num=count, withscores=True)
    else:
        pipeline.zrangebyscore(key, edge, "+inf", start=0, num=count, withscores=True)
    (entries,) = replies(pipeline)
    return [(member, score) for member, score in entries or ()]


def processes(client: Redis) -> list[ProcessReply]:
    """Every process that still has its record, sorted by identity; two round trips."""
    pipeline = client.pipeline(transaction=False)
    pipeline.smembers(keys.PROCESSES)
    (identities,) = replies(pipeline)
    members = sorted(identities or ())
    for member in members:
        pipeline.hmget(member, *ProcessReply._fields[1:])
    return [
        ProcessReply(text(member), *record)
        for member, record in zip(members, replies(pipeline), strict=True)
        if record and record[0] is not None
    ]


def work(client: Redis) -> list[WorkReply]:
    """Every running job that a process record tells of; two round trips.

    Both generations are read (``:work`` and ``:workers``); a thread that stands in both is told once.
    """
    pipeline = client.pipeline(transaction=False)
    pipeline.smembers(keys.PROCESSES)
    (members,) = replies(pipeline)
    identities = sorted(map(text, members or ()))
    for identity in identities:
        for wire in (6, 8):
            pipeline.hgetall(redis_name(keys.work(identity, wire)))
    found = replies(pipeline)
    return [
        WorkReply(identity, text(thread), entry)
        for i, identity in enumerate(identities)
        for thread, entry in ((found[2 * i] or {}) | (found[2 * i + 1] or {})).items()
    ]
