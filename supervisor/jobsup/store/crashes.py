"""What a dead worker held, and what ended the processes that ran a job before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from jobsup.store import keys
from jobsup.store.connection import Client, errors_translated

REMEMBERED = 72 * 3600
"""Seconds a crash counts."""


@dataclass(frozen=True, slots=True)
class Crash:
    """One process that ended by itself while it ran the job.

    Attributes:
        at: Unix seconds.
        exact: it ran nothing else, so the job did it, or somebody outside.
        verdict: how the process ended, one sentence.
    """

    at: float
    exact: bool
    verdict: str

    def dump(self) -> str:
        return json.dumps(asdict(self))


def of(client: Client, jids: Sequence[str]) -> list[list[Crash]]:
    """The crashes of each job, newest first."""
    if not jids:
        return []
    with errors_translated():
        pipe = client.pipeline(transaction=False)
        for jid in jids:
            pipe.lrange(keys.crashes(jid), 0, -1)
        replies = pipe.execute()
    return [[crash for raw in reply if (crash := _read(raw)) is not None] for reply in replies]


def held(client: Client, identity: str) -> list[tuple[str, bytes]]:
    """(queue, payload as taken) of everything *identity* holds; newest first within a queue."""
    with errors_translated():
        listed = client.hget(keys.owner(identity), "queues")
        queues = json.loads(listed) if listed else []
        pipe = client.pipeline(transaction=False)
        for queue in queues:
            pipe.lrange(keys.inflight(identity, queue), 0, -1)
        replies = pipe.execute()
    return [(queue, raw) for queue, reply in zip(queues, replies, strict=True) for raw in reply]


def waiting(client: Client, queues: Sequence[str]) -> dict[str, int]:
    """How many jobs lie in each of *queues*, those with none left out.  One command while there are none at all."""
    names = [keys.queue(queue) for queue in queues]
    with errors_translated():
        if not names or not client.exists(*names):
            return {}
        pipe = client.pipeline(transaction=False)
        for name in names:
            pipe.llen(name)
        sizes = pipe.execute(raise_on_error=False)
    return {queue: size for queue, size in zip(queues, sizes, strict=True) if isinstance(size, int) and size}


def _read(raw: bytes) -> Crash | None:
    try:
        found = json.loads(raw)
        return Crash(float(found["at"]), found["exact"] is True, str(found["verdict"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None  # not ours, so it says nothing of the job
