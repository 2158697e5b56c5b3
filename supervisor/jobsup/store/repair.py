"""What people change: each step is one command or one script, so that no job is lost or doubled in between.

All find what they change by its stored bytes, never by re-encoding it.  They raise RedisUnavailable or
RedisRefused.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, cast

from jobsup.store import keys, scripts
from jobsup.store.connection import errors_translated
from jobsup.store.reading import Redis
from jobsup.store.stats import redis_name

Signal: TypeAlias = Literal["TSTP", "TERM", "TTIN"]
"""Quiet, stop, dump threads."""

SIGNAL_TTL = 60
"""Seconds: as long as the record of a process that may have died before it could look."""


def enqueue(client: Redis, source: str, member: bytes, queue: str, payload: bytes, now: float) -> bool:
    """Move *member* of the sorted set *source* to its queue as *payload*.  False: it was gone already.

    Where the queue's key is no list, the job goes to the dead set instead.
    """
    return scripts.enqueue_due(scripts.runner(client), source, now, [(member, queue, payload)]) == 1


def kill(client: Redis, source: str, member: bytes, now: float, oldest: float, most: int) -> bool:
    """Move *member* of *source* to the dead set, then trim that.  False: it was gone already.

    Of the dead, those from before *oldest* (Unix seconds) are dropped, and fewer than *most* are kept, as
    Sidekiq does.
    """
    args: list[Any] = [member, repr(now), repr(oldest), -most]
    return bool(scripts.runner(client)("kill_entry", [source, keys.DEAD], args))


def reschedule(client: Redis, source: str, member: bytes, at: float) -> bool:
    """Give *member* another time, in Unix seconds.  False: it was gone, and stays so."""
    with errors_translated():
        pipeline = client.pipeline(transaction=True)
        pipeline.zadd(source, {member: at}, xx=True)
        pipeline.zscore(source, member)
        return pipeline.execute()[1] is not None


def remove(client: Redis, source: str, member: bytes) -> bool:
    """Delete *member* of the sorted set *source*.  False: it was gone already."""
    with errors_translated():
        return bool(client.zrem(source, member))


def clear_set(client: Redis, source: str) -> int:
    """Delete every entry.  Returns how many there were."""
    with errors_translated():
        pipeline = client.pipeline(transaction=True)
        pipeline.zcard(source)
        pipeline.unlink(source)
        return int(pipeline.execute()[0])


def remove_job(client: Redis, queue: str, raw: bytes) -> bool:
    """Delete one job that has exactly these bytes.  False: it was taken or deleted already."""
    with errors_translated():
        # redis-py's type says str; it sends bytes as they are.
        return bool(client.lrem(cast(str, redis_name(keys.queue(queue))), 1, cast(str, raw)))


def clear_queue(client: Redis, queue: str) -> int:
    """Delete every job of *queue*, and its name.  Returns how many jobs there were."""
    key = redis_name(keys.queue(queue))
    with errors_translated():
        pipeline = client.pipeline(transaction=True)
        pipeline.llen(key)
        pipeline.unlink(key)
        pipeline.srem(keys.QUEUES, redis_name(queue))
        return int(pipeline.execute()[0])


def ask(client: Redis, identity: str, signal: Signal) -> None:
    """Leave *signal* for the process to find with its next heartbeat."""
    _leave_word(client, identity, signal.encode())


def cancel(client: Redis, identity: str, jid: str) -> bool:
    """Ask the process to end the job *jid* that it runs; it looks with its next heartbeat.

    False: it is none of jobsup's, and Sidekiq's own would send itself the word as a signal.
    """
    with errors_translated():
        ours = client.zscore(keys.LEASES, redis_name(identity)) is not None
    if ours:
        _leave_word(client, identity, f"CANCEL {jid}".encode("utf-8", "replace"))
    return ours


def _leave_word(client: Redis, identity: str, word: bytes) -> None:
    key = redis_name(keys.signals(identity))
    with errors_translated():
        pipeline = client.pipeline(transaction=True)
        pipeline.lpush(key, word)
        pipeline.expire(key, SIGNAL_TTL)
        pipeline.execute()
