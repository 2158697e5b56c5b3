"""The Redis side of a push."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import redis

from jobsup.store import keys
from jobsup.store.connection import errors_translated

Redis: TypeAlias = redis.Redis
"""A client, as ``store.connection.connect`` makes it: the type's name for code that must not import redis."""

_MOVED = ("NOREPLICAS", "UNBLOCKED")
"""Replies of a server that has lost its role.  It has done nothing of what was asked."""


def push(client: Redis, now: Mapping[str, list[bytes]], later: Iterable[tuple[float, bytes]] = ()) -> None:
    """Append payloads to their queues, oldest first, and put others aside until their times.  One round trip.

    Args:
        client: as ``store.connection.connect`` makes it.
        now: payloads by queue.
        later: (Unix seconds, payload).

    Raises:
        RedisUnavailable: nobody answers, twice; when a reply was lost, the jobs may have been pushed, even twice.
        RedisRefused: it answers but will not take them, or not all.
    """
    commands: list[tuple[Any, ...]] = [("SADD", keys.QUEUES, *now)] if now else []
    commands += [("LPUSH", keys.queue(queue), *payloads) for queue, payloads in now.items()]
    # repr: what Redis gives back must be the float that Sidekiq's pages address the entry by.
    members = [part for when, payload in later for part in (repr(float(when)), payload)]
    if members:
        commands.append(("ZADD", keys.SCHEDULE, *members))
    with errors_translated():
        try:
            _send(client, commands)
        except redis.RedisError as error:
            if not _worth_once_more(error):
                raise
            # The other idle connections are as old, and the name may lead to the new primary: ask it again.
            client.connection_pool.disconnect(inuse_connections=False)
            _send(client, commands)


def _worth_once_more(error: redis.RedisError) -> bool:
    """Not a timeout: who waits for a page has waited long enough, and the server may well have taken the job."""
    if isinstance(error, redis.ConnectionError):
        return not isinstance(error, redis.AuthenticationError | redis.exceptions.AuthorizationError)
    return str(error).startswith(_MOVED)


def _send(client: Redis, commands: Sequence[tuple[Any, ...]]) -> None:
    """All at once, on one connection; half the time of a redis-py pipeline, which is most of what a push costs."""
    pool = client.connection_pool
    connection: Any = pool.get_connection()
    try:
        connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        refusals = [error for _ in commands if (error := _refusal(connection)) is not None]
    except BaseException:
        connection.disconnect()  # a reply may still come, and would be taken for that of the next command
        raise
    finally:
        pool.release(connection)
    if refusals:
        raise refusals[0]


def _refusal(connection: Any) -> redis.ResponseError | None:
    try:
        connection.read_response()
    except redis.ResponseError as error:
        return error
    return None
