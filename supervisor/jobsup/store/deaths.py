"""The last deaths of workers, on all hosts, for people."""

from __future__ import annotations

import json
from typing import Any

from jobsup.store import keys
from jobsup.store.connection import Client, errors_translated

_KEPT = 100


def note(client: Client, host: str, death: dict[str, Any]) -> None:
    """Add one, and forget the oldest."""
    with errors_translated():
        pipe = client.pipeline(transaction=False)
        pipe.lpush(keys.DEATHS, json.dumps({"host": host, **death}))
        pipe.ltrim(keys.DEATHS, 0, _KEPT - 1)
        pipe.execute()


def latest(client: Client) -> list[dict[str, Any]]:
    """Newest first; what is no record of ours is left out."""
    with errors_translated():
        raws = client.lrange(keys.DEATHS, 0, -1)
    return [death for raw in raws if isinstance(death := _read(raw), dict)]


def _read(raw: bytes | str) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None
