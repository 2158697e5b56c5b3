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
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel, SentinelManagedConnection, SentinelManagedSSLConnection

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


_SENTINEL_TIMEOUT = 1.0
"""Seconds for connecting to a Sentinel and for its reply: when one is silent there are others to ask."""


class _IsReplica(redis.exceptions.ConnectionError):
    """The server takes no writes: it is a replica, perhaps since a failover."""


class _ToPrimary:
    """Closes a connection whose server turns out to be a replica, so that the next one leads to the primary.

    The server need not have closed it: a name in the DNS moves without the old primary's knowing.
    """

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)  # type: ignore[misc]
        except redis.exceptions.ResponseError as error:
            # Not by its type: Redis 6.2 wraps what a script meets in words of its own.
            if "read only replica" not in str(error):
                raise
            self.disconnect()  # type: ignore[attr-defined]
            raise _IsReplica("it is a read-only replica") from error


class _Tcp(_ToPrimary, redis.Connection):
    pass


class _Tls(_ToPrimary, redis.SSLConnection):
    pass


class _Unix(_ToPrimary, redis.UnixDomainSocketConnection):
    pass


class _TcpPrimary(SentinelManagedConnection, _Tcp):
    pass


class _TlsPrimary(SentinelManagedSSLConnection, _Tls):
    pass


_DIRECT = {"redis": _Tcp, "rediss": _Tls, "unix": _Unix}


def connect(url: str, *, timeout: float = 3.0) -> Client:
    """A client for *url*; connects when first used.  Replies are bytes.

    It never repeats a command by itself: whether a lost reply may be asked for again is decided where the
    command is known.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``, with credentials, database number and options as in
            redis-py; or ``redis+sentinel://`` or ``rediss+sentinel://``, see ``config.redis_url.sentinels``.
            With TLS the server's certificate and its name are checked, against the system's authorities and
            those of ``?ssl_ca_certs=FILE``.
        timeout: seconds for connecting and for each reply.

    Raises:
        RedisRefused: the URL cannot be understood, or names a file that cannot be read.
    """
    asked = _understood(url)
    node = asked.node if asked else url
    scheme = urlsplit(node).scheme
    options: dict[str, Any] = {
        **_UNNAMED,
        "decode_responses": False,
        "protocol": 2,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
    }
    if scheme != "unix":
        # A host that vanished sends no FIN; a Unix socket has no such host, and redis-py no such option for it.
        options["socket_keepalive"] = True
    if scheme == "rediss":
        options["ssl_check_hostname"] = True  # redis-py before 6 would not
        # Any command will do: a TLS 1.3 server sends session tickets behind its handshake, and while nothing is read
        # redis-py takes them for a reply that nobody asked for ("Connection not ready").
        options["client_name"] = "jobsup"
    try:
        if asked is None:
            return redis.Redis.from_url(url, connection_class=_DIRECT[scheme], **options)
        return _through(asked, options)
    except (ValueError, TypeError):
        # Not redis-py's words: they may quote a part of the URL that is a password.
        raise RedisRefused(
            "the Redis URL has an option after '?' with a value that it cannot have", permanent=True
        ) from None


def _through(asked: redis_url.Sentinels, options: dict[str, Any]) -> Client:
    """A client whose every new connection first asks the Sentinels who is primary now."""
    named = parse_url(asked.node)  # type: ignore[no-untyped-call]
    tls = {option: value for option, value in (options | named).items() if option.startswith("ssl_")}
    secure = named.pop("connection_class", None) is not None
    del named["host"]
    sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
        asked.hosts,
        sentinel_kwargs={
            **options,
            **tls,
            "socket_timeout": _SENTINEL_TIMEOUT,
            "socket_connect_timeout": _SENTINEL_TIMEOUT,
            "username": asked.username,
            "password": asked.password,
            "ssl": secure,
        },
    )
    client: Client = sentinel.master_for(
        asked.primary, connection_class=_TlsPrimary if secure else _TcpPrimary, **{**options, **named}
    )
    return client


def primary(client: Client) -> str | None:
    """``host:port`` of the server that the Sentinels named last.  None: nobody was asked."""
    address = getattr(client.connection_pool, "master_address", None)
    return None if address is None else "{}:{}".format(*address)


def _understood(url: str) -> redis_url.Sentinels | None:
    if wrong := redis_url.fault(url):
        raise RedisRefused(f"the Redis URL {wrong}", permanent=True)
    asked = redis_url.sentinels(url)
    options = dict(parse_qsl(urlsplit(asked.node if asked else url).query))
    for option in redis_url.TLS_FILES:
        if option in options and not os.access(options[option], os.R_OK):
            raise RedisRefused(
                f"{option} of the Redis URL names {options[option]}, which cannot be read", permanent=True
            )
    return asked


def translated(error: redis.RedisError | OSError) -> RedisUnavailable | RedisRefused | Fenced:
    """The error of ours that means the same."""
    if isinstance(error, MasterNotFoundError):
        return _no_primary(str(error))
    if isinstance(error, _IsReplica):
        return RedisRefused(str(error))
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


def _no_primary(told: str) -> RedisUnavailable | RedisRefused:
    # Never the library's own words: they show how each Sentinel was asked, the password too.
    if "AuthenticationError" in told:
        return RedisRefused("the Sentinels refuse the credentials sentinel_username, sentinel_password", permanent=True)
    if "CERTIFICATE_VERIFY_FAILED" in told:
        return RedisRefused("a Sentinel's certificate is not accepted; name its authority with ?ssl_ca_certs=FILE")
    return RedisUnavailable("no Sentinel names a primary that is up")


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
