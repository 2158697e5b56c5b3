"""How often stops have interrupted a job."""

from __future__ import annotations

from collections.abc import Sequence

from jobsup.store import keys
from jobsup.store.connection import Client, errors_translated


def counter(jid: str) -> bytes:
    """The key of the count, as bytes: a jid may hold what is no text."""
    return keys.interruptions(jid).encode("utf-8", "replace")


def of(client: Client, jids: Sequence[str]) -> list[int]:
    """The counts of all *jids*, in one command."""
    if not jids:
        return []
    with errors_translated():
        replies = client.mget([counter(jid) for jid in jids])
    return [int(reply) if reply is not None and reply.isdigit() else 0 for reply in replies]
