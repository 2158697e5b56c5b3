"""Connections to Redis, and what its errors mean to us."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any, TypeAlias

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobsup.errors import Fenced, RedisRefused, RedisUnavailable

Client: TypeAlias = redis.Redis
"""A pool of connections whose replies are bytes; only ``store`` calls its methods."""

_UNNAMED: dict[str, Any] = (
    {"driver_info": None}
    if "driver_info" in inspect.signature(redis.Connection).parameters
    else {"lib_name": None, "lib_version": None}
)
"""redis-py would look its own version up among the installed packages for every connection, which takes longer than all
else that a worker does to become ready, and send two more commands."""

_PERMANENT = (
    redis.exceptions.AuthenticationError,
    redis.exceptions.AuthorizationError,
    redis.exceptions.NoPermissionError,
)


def connect(url: str, *, timeout: float = 3.0) -> Client:
    """A client for *url*; connects when first used.  Replies are bytes.

    It never repeats a command by itself: whether a lost reply may be asked for again is decided where the
    command is known.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``, with credentials and database number as in redis-py.
        timeout: seconds for connecting and for each reply.

    Raises:
        RedisRefused: the URL cannot be understood.
    """
    # A host that vanished sends no FIN; a Unix socket has no such host, and redis-py no such option for it.
    tcp: dict[str, Any] = {} if url.startswith("unix:") else {"socket_keepalive": True}
    try:
        return redis.Redis.from_url(
            url,
            decode_responses=False,
            protocol=2,
            **_UNNAMED,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            **tcp,
        )
    except (ValueError, TypeError):
        # Neither the URL nor redis-py's words: where the URL is malformed, its password is anywhere in both.
        raise RedisRefused(
            "what is given is not a Redis URL like redis://host:6379/0, rediss://… or unix:///path", permanent=True
        ) from None


def translated(error: redis.RedisError | OSError) -> RedisUnavailable | RedisRefused | Fenced:
    """The error of ours that means the same."""
    if isinstance(error, _PERMANENT):
        return RedisRefused(f"Redis refuses the credentials: {error}", permanent=True)
    if isinstance(error, redis.exceptions.ConnectionError | redis.exceptions.TimeoutError | OSError):
        return RedisUnavailable(str(error) or type(error).__name__)
    if str(error).startswith("FENCED"):
        return Fenced(str(error))
    return RedisRefused(str(error))


@contextlib.contextmanager
def errors_translated() -> Iterator[None]:
    """Raise RedisUnavailable or RedisRefused instead of redis-py's exceptions.

    Raises:
        RedisUnavailable: nobody answers (refused, timed out, lost, loading).
        RedisRefused: it answers, but not with what was asked for.
    """
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise translated(error) from error
