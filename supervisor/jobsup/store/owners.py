"""Who owns in-flight lists, where each owner lives, and what is due.

Clients are ``redis.Redis`` returning bytes; redis-py's own annotations admit every reply of every protocol.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jobsup.store import keys
from jobsup.store.connection import errors_translated


@dataclass(frozen=True, slots=True)
class Owner:
    """An identity with a lease.

    Attributes:
        place: boot and pid namespace it lives in, see ``unix/place.py``; "" when unknown.
        start: when that pid started, in the kernel's words.
    """

    identity: str
    place: str
    pid: int
    start: str


def owners(client: Any) -> list[Owner]:
    """Every identity with a lease.  Linear in the number of live workers: for the start of a keeper only."""
    with errors_translated():
        identities = [name.decode() for name in client.zrange(keys.LEASES, 0, -1)]
        pipe = client.pipeline(transaction=False)
        for identity in identities:
            pipe.hmget(keys.owner(identity), "place", "pid", "start")
        rows = pipe.execute()
    return [
        Owner(identity, (place or b"").decode(), int(pid or 0), (start or b"").decode())
        for identity, (place, pid, start) in zip(identities, rows, strict=True)
    ]


def prove_writable(client: Any) -> None:
    """Write nothing.

    Raises:
        RedisUnavailable, RedisRefused: so would any write; a look may be answered all the same, by a replica.
    """
    with errors_translated():
        client.zrem(keys.LEASES, "")


def due(client: Any, source: str, now: float, limit: int) -> list[bytes]:
    """Members of the sorted set *source* whose time has come, the earliest first."""
    with errors_translated():
        return list(client.zrange(source, "-inf", repr(now), byscore=True, offset=0, num=limit))
