"""Queues, for people."""

from __future__ import annotations

import time
from collections.abc import Iterator

from jobsup.api.record import JobRecord
from jobsup.store import reading, repair
from jobsup.store.reading import Redis

PAGE = 100


class QueuedJob(JobRecord):
    """One job that waits in a queue."""

    def __init__(self, client: Redis, queue: str, raw: bytes) -> None:
        super().__init__(raw)
        self._client = client
        self._queue = queue

    def delete(self) -> bool:
        """Remove it.  False: a worker or somebody else was faster."""
        return repair.remove_job(self._client, self._queue, self.raw)


class Queue:
    """One queue by its name."""

    def __init__(self, client: Redis, name: str = "default") -> None:
        self._client = client
        self.name = name

    @staticmethod
    def all(client: Redis) -> list[Queue]:
        """Every queue that was ever pushed to, by name."""
        return [Queue(client, name) for name in reading.queue_names(client)]

    @property
    def size(self) -> int:
        return reading.queue_page(self._client, self.name, 0, 1).size

    @property
    def latency(self) -> float:
        """For how many seconds the job that is fetched next has waited."""
        oldest = reading.queue_oldest(self._client, self.name)
        return JobRecord(oldest).latency(time.time()) if oldest is not None else 0.0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[QueuedJob]:
        """Newest first, in pages.

        While others push and take, a job may be seen twice, but none that stays is missed: the start of a
        page moves with the size of the queue, which is never further than the jobs themselves have moved.
        """
        page = reading.queue_page(self._client, self.name, 0, PAGE)
        seen, size_at_first = 0, page.size
        while page.raws:
            for raw in page.raws:
                yield QueuedJob(self._client, self.name, raw)
            seen += len(page.raws)
            page = self._page(seen - size_at_first)

    def _page(self, start_less_size: int) -> reading.Page:
        size = self.size
        while True:
            page = reading.queue_page(self._client, self.name, max(0, start_less_size + size), PAGE)
            if page.size >= size:
                return page
            size = page.size  # shrunk between the two questions: this page may begin too late

    def find(self, jid: str) -> QueuedJob | None:
        """The job with this id; reads the queue from its newest on."""
        return next((job for job in self if job.jid == jid), None)

    def clear(self) -> int:
        """Delete every job, and the queue's name.  Returns how many jobs there were."""
        return repair.clear_queue(self._client, self.name)
