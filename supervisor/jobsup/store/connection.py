"""Connections to Redis, and what its errors mean to us."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Iterator
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobsup.config import redis_url
from jobsup.errors import Fenced, RedisRefused, RedisUnavailable

Client: TypeAlias = redis.Redis
"""A pool of connections whose replies are bytes; only ``store`` calls its methods."""

_UNNAMED: dict[str, Any] = (
    {"driver_info": None}
    if "driver_info" in inspect.signature(redis.Redis).parameters
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
        url: ``redis://``, ``rediss://`` or ``unix://``, with credentials, database number and options as in
            redis-py.  With ``rediss://`` the server's certificate and its name are checked, against the
            system's authorities and those of ``?ssl_ca_certs=FILE``.
        timeout: seconds for connecting and for each reply.

    Raises:
        RedisRefused: the URL cannot be understood, or names a file that cannot be read.
    """
    _refuse_fault(url)
    # A host that vanished sends no FIN; a Unix socket has no such host, and redis-py no such option for it.
    more: dict[str, Any] = {} if url.startswith("unix:") else {"socket_keepalive": True}
    if url.startswith("rediss:"):
        more["ssl_check_hostname"] = True  # redis-py before 6 would not
        # Any command will do: a TLS 1.3 server sends session tickets behind its handshake, and while nothing is read
        # redis-py takes them for a reply that nobody asked for ("Connection not ready").
        more["client_name"] = "jobsup"
    try:
        return redis.Redis.from_url(
            url,
            decode_responses=False,
            protocol=2,
            **_UNNAMED,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=Retry(NoBackoff(), 0),
            **more,
        )
    except (ValueError, TypeError):
        # Not redis-py's words: they may quote a part of the URL that is a password.
        raise RedisRefused(
            "the Redis URL has an option after '?' with a value that it cannot have", permanent=True
        ) from None


def _refuse_fault(url: str) -> None:
    if wrong := redis_url.fault(url):
        raise RedisRefused(f"the Redis URL {wrong}", permanent=True)
    options = dict(parse_qsl(urlsplit(url).query))
    for option in redis_url.TLS_FILES:
        if option in options and not os.access(options[option], os.R_OK):
            raise RedisRefused(
                f"{option} of the Redis URL names {options[option]}, which cannot be read", permanent=True
            )


def translated(error: redis.RedisError | OSError) -> RedisUnavailable | RedisRefused | Fenced:
    """The error of ours that means the same."""
    if isinstance(error, _PERMANENT):
        return RedisRefused(f"Redis refuses the credentials: {error}", permanent=True)
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        # Not permanent: a certificate that ran out is replaced while workers wait.
        return RedisRefused(f"its certificate is not accepted ({error}); name its authority with ?ssl_ca_certs=FILE")
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
