"""Moves scheduled and retry jobs to their queues when their time has come."""

from __future__ import annotations

from jobsup import payload as wire_format
from jobsup.errors import MalformedPayload
from jobsup.store import keys, owners, scripts
from jobsup.store.connection import Client

_BATCH = 100


class Scheduler:
    """Any number of keepers may do this at once: each job is moved by one of them, in one step."""

    def __init__(self, client: Client, wire: int, limits: wire_format.Limits = wire_format.LIMITS) -> None:
        self._client = client
        self._run = scripts.runner(client)
        self._wire = wire
        self._limits = limits

    def enqueue_due(self, now: float) -> bool:
        """Move one batch of each set.  True when there may be more."""
        more = False
        # Both sets in every pass: a long backlog of retries must not delay what was scheduled.
        for source in (keys.RETRY, keys.SCHEDULE):
            members = owners.due(self._client, source, now, _BATCH)
            if members:
                scripts.enqueue_due(self._run, source, now, [self._job(raw, now) for raw in members])
            more = more or len(members) == _BATCH
        return more

    def next_due(self) -> float | None:
        """When the next job is due, in Unix seconds."""
        times = [owners.next_due(self._client, source) for source in (keys.RETRY, keys.SCHEDULE)]
        return min((at for at in times if at is not None), default=None)

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
