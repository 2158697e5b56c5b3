"""The numbers of the whole system."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from jobsup.api.record import JobRecord
from jobsup.store import stats as store
from jobsup.store.reading import Redis


@dataclass(frozen=True, slots=True)
class QueueStats:
    """One queue: how many jobs wait in it, and for how many seconds its next one has waited."""

    name: str
    size: int
    latency: float


@dataclass(frozen=True, slots=True)
class Stats:
    """Sidekiq's dashboard in numbers.

    Attributes:
        processed: jobs finished since the beginning, failures included.
        failed: jobs that raised, every attempt counted.
        enqueued: jobs waiting over all queues.
        busy: jobs running now, as the processes said with their last heartbeat.
        processes: worker processes that are alive.
        queues: every queue that was ever pushed to, by name.
    """

    processed: int
    failed: int
    enqueued: int
    busy: int
    processes: int
    scheduled_size: int
    retry_size: int
    dead_size: int
    queues: tuple[QueueStats, ...]

    @classmethod
    def read(cls, client: Redis) -> Stats:
        """Ask Redis, in two round trips.

        Raises:
            RedisUnavailable, RedisRefused: Redis does not answer, or not with this.
        """
        return summarize(store.read(client), time.time())

    def dump(self) -> dict[str, Any]:
        """As JSON-native values, with the names of the attributes."""
        return asdict(self)


def summarize(reply: store.StatsReply, now: float) -> Stats:
    """The numbers that follow from what Redis said at *now* (Unix seconds)."""
    queues = tuple(
        QueueStats(queue.name, queue.size, JobRecord(queue.oldest).latency(now) if queue.oldest else 0.0)
        for queue in reply.queues
    )
    return Stats(
        processed=reply.processed,
        failed=reply.failed,
        enqueued=sum(queue.size for queue in queues),
        busy=sum(reply.busy),
        processes=len(reply.busy),
        scheduled_size=reply.scheduled_size,
        retry_size=reply.retry_size,
        dead_size=reply.dead_size,
        queues=queues,
    )
