"""What the server is, and whether it will do."""

from __future__ import annotations

from jobsup.config import redis_url
from jobsup.config.model import masked
from jobsup.errors import RedisRefused, RedisUnavailable
from jobsup.store.connection import connect, errors_translated

_MIN_REDIS = (6, 2)
_MIN_VALKEY = (7, 2)


def probe(url: str) -> list[str]:
    """Check the server behind *url* before anything relies on it.

    Returns:
        Warnings, a sentence each.

    Raises:
        RedisUnavailable: nobody answers; the sentence says what to do.
        RedisRefused: it will not do (credentials, version); permanent.
    """
    with connect(url) as client:
        try:
            with errors_translated():
                server = client.info("server")
                memory = client.info("memory")
        except RedisUnavailable as error:
            raise RedisUnavailable(redis_url.unanswered(url, error)) from None
        except RedisRefused as error:
            if error.permanent:
                raise
            raise RedisRefused(f"Redis at {masked(url)}: {error}", permanent=True) from None
    fault = too_old(server)
    if fault:
        raise RedisRefused(f"{masked(url)} is {fault}", permanent=True)
    return list(_warnings(memory))


def too_old(server: dict[str, object]) -> str | None:
    """What to say of a server whose ``INFO server`` is *server*, if its version will not do.  Pure."""
    if "valkey_version" in server:
        name, text, least = "Valkey", str(server["valkey_version"]), _MIN_VALKEY
    else:
        name, text, least = "Redis", str(server.get("redis_version", "0")), _MIN_REDIS
    numbers = tuple(int(part) for part in text.split(".")[:2] if part.isdecimal())
    if numbers >= least:
        return None
    return f"{name} {text}, which is too old: jobsup needs Redis 6.2 or Valkey 7.2, or newer."


def _warnings(memory: dict[str, object]) -> list[str]:
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        return []
    return [
        f"Redis evicts keys when memory runs out (maxmemory-policy {policy}): jobs can vanish; "
        "set maxmemory-policy to noeviction."
    ]
