"""The Redis side of a push."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import redis

from jobsup.store import keys
from jobsup.store.connection import errors_translated

Redis: TypeAlias = redis.Redis
"""A client, as ``store.connection.connect`` makes it: the type's name for code that must not import redis."""

_MOVED = ("READONLY", "NOREPLICAS", "UNBLOCKED")
"""Replies of a server that has lost its role.  It has done nothing of what was asked."""


def push(client: Redis, jobs: Mapping[str, list[bytes]]) -> None:
    """Append payloads to their queues, oldest first.

    Raises:
        RedisUnavailable: nobody answers; when the reply was lost, the jobs may have been pushed.
        RedisRefused: it answers but will not take them.
    """

    def commands(pipeline: redis.client.Pipeline) -> None:
        pipeline.sadd(keys.QUEUES, *jobs)
        for queue, payloads in jobs.items():
            pipeline.lpush(keys.queue(queue), *payloads)

    _run(client, commands)


def schedule(client: Redis, jobs: Iterable[tuple[float, bytes]]) -> None:
    """Put payloads aside until their times (Unix seconds).  Raises as ``push`` does."""
    # repr: what Redis gives back must be the float that Sidekiq's pages address the entry by.
    members = {payload: repr(float(when)) for when, payload in jobs}
    _run(client, lambda pipeline: pipeline.zadd(keys.SCHEDULE, members))


def _run(client: Redis, commands: Callable[[redis.client.Pipeline], object]) -> None:
    """One pipeline; once more on a fresh connection when the server turns out to be a replica by now."""
    with errors_translated():
        try:
            _execute(client, commands)
        except redis.ResponseError as error:
            if not str(error).startswith(_MOVED) and not isinstance(error, redis.ReadOnlyError):
                raise
            # The name may lead to the new primary; only a new connection asks again.
            client.connection_pool.disconnect(inuse_connections=False)
            _execute(client, commands)


def _execute(client: Redis, commands: Callable[[redis.client.Pipeline], object]) -> None:
    with client.pipeline(transaction=False) as pipeline:
        commands(pipeline)
        pipeline.execute()
