"""The schedule, the retries and the dead, for people."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, ClassVar

from jobsup import payload
from jobsup.api.record import JobRecord
from jobsup.errors import MalformedPayload
from jobsup.store import keys, reading, repair
from jobsup.store.reading import Redis

PAGE = 100
DEAD_MAX_JOBS = 10_000
DEAD_TIMEOUT = 15_552_000.0
"""Seconds: 180 days."""


def requeued(fields: dict[str, Any], now: float) -> tuple[str, bytes]:
    """The queue that a stored job goes to, and its payload there: enqueued *now* (Unix seconds).

    The time is written as by the generation that wrote the job, so that its readers understand it.
    """
    job = {key: value for key, value in fields.items() if key != "at"}
    wire = 7 if isinstance(job.get("created_at"), float) else 8
    job["enqueued_at"] = payload.stamp(now, wire)
    queue = job.get("queue")
    if not isinstance(queue, str) or not queue:
        queue = job["queue"] = "default"
    return queue, payload.dumps(job)


class SortedEntry(JobRecord):
    """One job of a sorted set.

    Attributes:
        score: Unix seconds: when it is due, or when it died.
    """

    def __init__(self, client: Redis, key: str, raw: bytes, score: float) -> None:
        super().__init__(raw)
        self._client = client
        self._key = key
        self.score = score

    def add_to_queue(self) -> bool:
        """Move it to its queue now.  False: the scheduler or somebody else was faster.

        Raises:
            MalformedPayload: it is no job, so no worker could run it; it stays where it is.
        """
        return self._enqueue(self._fields())

    def retry(self) -> bool:
        """As ``add_to_queue``, and the failed attempt does not count.

        Raises:
            MalformedPayload: as ``add_to_queue``.
        """
        fields = dict(self._fields())
        count = fields.get("retry_count")
        if isinstance(count, int):
            fields["retry_count"] = count - 1
        return self._enqueue(fields)

    def kill(self) -> bool:
        """Move it to the dead set.  False: somebody else was faster."""
        now = time.time()
        return repair.kill(self._client, self._key, self.raw, now, now - DEAD_TIMEOUT, DEAD_MAX_JOBS)

    def reschedule(self, at: float) -> bool:
        """Let it be due at *at* (Unix seconds).  False: it is gone already."""
        return repair.reschedule(self._client, self._key, self.raw, at)

    def delete(self) -> bool:
        """Remove it.  False: somebody else was faster."""
        return repair.remove(self._client, self._key, self.raw)

    def _fields(self) -> dict[str, Any]:
        if self.payload is None:
            raise MalformedPayload("This entry is not a job, so it cannot be enqueued; delete it", self.raw)
        return self.payload

    def _enqueue(self, fields: dict[str, Any]) -> bool:
        now = time.time()
        return repair.enqueue(self._client, self._key, self.raw, *requeued(fields, now), now)


class JobSet:
    """A sorted set of jobs."""

    key: ClassVar[str]

    def __init__(self, client: Redis) -> None:
        self._client = client

    @property
    def size(self) -> int:
        return reading.set_size(self._client, self.key)

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[SortedEntry]:
        return self.entries()

    def entries(self, *, newest_first: bool = True) -> Iterator[SortedEntry]:
        """Every entry once, highest score first, or last; in pages.

        Entries may come and go meanwhile.  A page begins at the last score seen, not behind it: jobs of one
        bulk share a score.  The page must then be larger than what was already seen there, and grows in
        proportion, so that the reading stays linear.
        """
        edge = float("inf") if newest_first else float("-inf")
        seen: set[bytes] = set()
        while True:
            count = len(seen) + max(PAGE, len(seen))
            page = reading.set_page(self._client, self.key, edge, count, newest_first=newest_first)
            fresh = [(raw, score) for raw, score in page if score != edge or raw not in seen]
            for raw, score in fresh:
                yield SortedEntry(self._client, self.key, raw, score)
            if len(page) < count:
                return
            last = page[-1][1]
            seen = {raw for raw, score in page if score == last} | (seen if last == edge else set())
            edge = last

    def find(self, jid: str) -> SortedEntry | None:
        """The entry with this job id; reads the set."""
        return next((entry for entry in self if entry.jid == jid), None)

    def clear(self) -> int:
        """Delete every entry.  Returns how many there were."""
        return repair.clear_set(self._client, self.key)


class ScheduledSet(JobSet):
    """Jobs that become due; their score says when."""

    key = keys.SCHEDULE


class RetrySet(JobSet):
    """Failed jobs that will be tried again; their score says when."""

    key = keys.RETRY


class DeadSet(JobSet):
    """Jobs that are not tried again; their score says since when."""

    key = keys.DEAD
