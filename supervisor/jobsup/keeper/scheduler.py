"""Moves scheduled and retry jobs to their queues when their time has come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobsup import payload as wire_format
from jobsup.clock import wall
from jobsup.errors import MalformedPayload
from jobsup.events import Events
from jobsup.keeper.lead import Lead
from jobsup.store import keys, owners, scripts
from jobsup.store.connection import Client
from jobsup.store.watch import Watch

_BATCH = 100
_LOOK_AGAIN = 2.0
"""Seconds between two looks, at most: the lead has to be renewed, and a bell may be dead without a word."""


class Scheduler:
    """One of all keepers at a time does it, the others stand by and hear when it is given up.

    1. step         move what is due, say when to come again
    2. fileno, hear the doorbell: somebody scheduled something, perhaps earlier than all else, or gave up the lead
    3. close        hang up; the next step connects again
    4. leave        let another have the lead

    Between two steps nothing is asked for: the server rings.  Should two keepers be at it, each job is still moved by
    one of them, in one step.

    Args:
        poll: seconds between two looks, at most: counts where the server refuses to ring.
    """

    def __init__(
        self,
        client: Client,
        wire: int,
        limits: wire_format.Limits = wire_format.LIMITS,
        *,
        lead: Lead,
        events: Events,
        poll: float,
    ) -> None:
        self._client = client
        self._run = scripts.runner(client)
        self._wire = wire
        self._limits = limits
        self._lead = lead
        self._events = events
        self._poll = min(poll, _LOOK_AGAIN)
        self._watch = Watch(client)
        self._told = False

    def step(self) -> float:
        """Move a batch of what is due, if it is ours to do.  Returns the seconds until it is to be called again."""
        if not self._lead.held():
            (holder,) = self._look([("GET", keys.SCHEDULER)])
            return 0.0 if holder is None else _LOOK_AGAIN
        due = self.next_due()
        now = wall()
        if due is not None and due <= now:
            self.enqueue_due(now)
            return 0.0
        return self._poll if due is None else min(due - now, self._poll)

    def fileno(self) -> int | None:
        """What is readable when it rings; None: nothing will."""
        return self._watch.fileno()

    def hear(self) -> None:
        """It rang: look at what changed."""
        self._watch.heard()

    def close(self) -> None:
        self._watch.close()

    def leave(self) -> None:
        self._lead.release()

    def enqueue_due(self, now: float) -> None:
        """Move one batch of each set."""
        # Both sets in every pass: a long backlog of retries must not delay what was scheduled.
        for source in (keys.RETRY, keys.SCHEDULE):
            members = owners.due(self._client, source, now, _BATCH)
            if members:
                scripts.enqueue_due(self._run, source, now, [self._job(raw, now) for raw in members])

    def next_due(self) -> float | None:
        """When the next job is due, in Unix seconds."""
        found = self._look([("ZRANGE", source, 0, 0, "WITHSCORES") for source in (keys.RETRY, keys.SCHEDULE)])
        return min((float(first[1]) for first in found if first), default=None)

    def _look(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        replies = self._watch.look(commands)
        if self._watch.deaf and not self._told:
            self._told = True
            sentence = f"Redis does not ring ({self._watch.deaf}): a job may be up to {self._poll:g} s late"
            self._events.emit("redis.warning", sentence=sentence)
        return replies

    def _job(self, raw: bytes, now: float) -> tuple[bytes, str, bytes]:
        try:
            payload = wire_format.loads(raw, self._limits)
            queue = payload.get("queue", "default")
            if not isinstance(queue, str) or not queue:
                return raw, "", b""
            payload.pop("at", None)
            payload["enqueued_at"] = wire_format.stamp(now, self._wire)
            return raw, queue, wire_format.dumps(payload)
        except (MalformedPayload, ValueError):
            return raw, "", b""
