"""The Redis side of a push."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import redis

from jobsup.store import keys
from jobsup.store.connection import errors_translated

Redis: TypeAlias = redis.Redis
"""A client, as ``store.connection.connect`` makes it: the type's name for code that must not import redis."""

_MOVED = ("NOREPLICAS", "UNBLOCKED")
"""Replies of a server that has lost its role.  It has done nothing of what was asked."""


def push(client: Redis, jobs: Mapping[str, list[bytes]]) -> None:
    """Append payloads to their queues, oldest first.

    Raises:
        RedisUnavailable: nobody answers, twice; when a reply was lost, the jobs may have been pushed, even twice.
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


def _run(client: redis.Redis, commands: Callable[[redis.client.Pipeline], object]) -> None:
    """One pipeline; once more on a fresh connection when this one was lost, or its server is a replica by now."""
    with errors_translated():
        try:
            _execute(client, commands)
        except redis.RedisError as error:
            if not _worth_once_more(error):
                raise
            # The other idle connections are as old, and the name may lead to the new primary: ask it again.
            client.connection_pool.disconnect(inuse_connections=False)
            _execute(client, commands)


def _worth_once_more(error: redis.RedisError) -> bool:
    """Not a timeout: who waits for a page has waited long enough, and the server may well have taken the job."""
    if isinstance(error, redis.ConnectionError):
        return not isinstance(error, redis.AuthenticationError | redis.exceptions.AuthorizationError)
    return str(error).startswith(_MOVED)


def _execute(client: Redis, commands: Callable[[redis.client.Pipeline], object]) -> None:
    with client.pipeline(transaction=False) as pipeline:
        commands(pipeline)
        pipeline.execute()
