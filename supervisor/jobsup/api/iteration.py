"""Iterable jobs, for people."""

from __future__ import annotations

import time

from jobsup.errors import MalformedState
from jobsup.store import iteration, scripts
from jobsup.store.iteration import State
from jobsup.store.reading import Redis


def find(client: Redis, jid: str) -> State | None:
    """Where the job *jid* stands, as it was kept last; None where nothing was kept yet, or nothing that can be read."""
    try:
        return iteration.read(client, jid)
    except MalformedState:
        return None


def cancel(client: Redis, jid: str) -> float:
    """End it before its next item, as ``Client.cancel``.  Returns when that was first asked for, in Unix seconds."""
    return iteration.cancel(scripts.runner(client), jid, time.time())
