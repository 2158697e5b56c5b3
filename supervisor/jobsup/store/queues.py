"""The Redis side of a push."""

import contextlib
import os
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import redis

from jobsup.store import keys
from jobsup.store.connection import errors_translated, translated

Redis: TypeAlias = redis.Redis
"""A client, as ``store.connection.connect`` makes it: the type's name for code that must not import redis."""

_MOVED = ("NOREPLICAS", "UNBLOCKED")
"""Replies of a server that has lost its role.  It has done nothing of what was asked."""


class Pusher:
    """Pushes over connections of its own, from any thread; a forked process gets new ones.

    They are kept in a deque, whose ends are atomic, and not in redis-py's pool: that takes locks and asks the system
    whether something is to be read, a third of what a push costs.  A connection that was closed meanwhile is found out
    when it is used, and what was sent on it once more.
    """

    def __init__(self, client: Redis) -> None:
        self._pool = client.connection_pool
        self._idle: deque[Any] = deque()
        self._pid = os.getpid()

    def push(self, now: Mapping[str, list[bytes]], later: Iterable[tuple[float, bytes]] = ()) -> None:
        """Append payloads to their queues, oldest first, and put others aside until their times.  One round trip.

        Args:
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
        try:
            self._send(commands)
        except redis.RedisError as error:
            if not _worth_once_more(error):
                raise translated(error) from error
            # The other idle connections are as old, and the name may lead to the new primary: ask it again.
            self.close()
            with errors_translated():
                self._send(commands)
        except OSError as error:
            raise translated(error) from error

    def close(self) -> None:
        """Hang up, on connections that nobody uses now; the next push connects again."""
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().disconnect()

    def _send(self, commands: Sequence[tuple[Any, ...]]) -> None:
        if self._pid != os.getpid():
            self._pid, self._idle = os.getpid(), deque()  # those are the parent's
        connection = self._connection()
        try:
            connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            refusals = [error for _ in commands if (error := _refusal(connection)) is not None]
        except BaseException:
            connection.disconnect()  # a reply may still come, and would be taken for that of the next command
            raise
        self._idle.append(connection)
        if refusals:
            raise refusals[0]

    def _connection(self) -> Any:
        try:
            return self._idle.pop()
        except IndexError:
            connection = self._pool.connection_class(**self._pool.connection_kwargs)
            connection.connect()  # sending would connect too, but without asking the Sentinels
            return connection


def _worth_once_more(error: redis.RedisError) -> bool:
    """Not a timeout: who waits for a page has waited long enough, and the server may well have taken the job."""
    if isinstance(error, redis.ConnectionError):
        return not isinstance(error, redis.AuthenticationError | redis.exceptions.AuthorizationError)
    return str(error).startswith(_MOVED)


def _refusal(connection: Any) -> redis.ResponseError | None:
    try:
        connection.read_response()
    except redis.ResponseError as error:
        return error
    return None
