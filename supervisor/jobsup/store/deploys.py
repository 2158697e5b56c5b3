"""Deploy marks, where Sidekiq's Web looks for them."""

from __future__ import annotations

import time

from jobsup.store import keys
from jobsup.store.connection import Client, errors_translated
from jobsup.store.stats import replies, text

_ONE_MINUTE = 60


def mark(client: Client, label: str, at: float) -> bool:
    """Mark the minute of *at*, Unix seconds; False when *label* was marked within the last minute.

    Raises:
        RedisUnavailable, RedisRefused: as ``errors_translated``.
    """
    utc = time.gmtime(at)
    stamp = time.strftime("%Y-%m-%dT%H:%M:00Z", utc)
    with errors_translated():
        if not client.set(keys.mark_lock(label), stamp, nx=True, ex=_ONE_MINUTE):
            return False
        pipe = client.pipeline(transaction=True)
        key = keys.marks(time.strftime("%Y%m%d", utc))
        pipe.hsetnx(key, stamp, label)
        pipe.expire(key, keys.MARKS_TTL)
        pipe.execute()
    return True


def marks(client: Client, dates: list[str]) -> dict[str, str]:
    """Minute (ISO 8601, UTC) -> label of these days, each as ``YYYYMMDD``."""
    pipe = client.pipeline(transaction=False)
    for date in dates:
        pipe.hgetall(keys.marks(date))
    return {text(stamp): text(label) for day in replies(pipe) for stamp, label in (day or {}).items()}
