"""The place of an iterable job, kept in Redis by the worker that runs it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

from jobsup.errors import Paused, RedisRefused, RedisUnavailable
from jobsup.events import Events
from jobsup.store import iteration, scripts
from jobsup.store.connection import Client, connect
from jobsup.store.iteration import Kept, State
from jobsup.worker.unit import UnitOfWork


def places(
    redis_url: str, identity: str, events: Events, stopping: Callable[[], bool]
) -> Callable[[UnitOfWork], WorkerProgress]:
    """Makes the place of each unit of work; *stopping* says whether the process is.

    They have connections of their own: what is raised in a thread may hit while it speaks to Redis, and a heartbeat
    must never be the next to use that connection.
    """
    # Made by the first iterable job, since most workers have none and a replacement is to be READY soon.  Should two
    # threads be first, each has one, and one stays.
    client = cache(partial(connect, redis_url))
    return lambda unit: WorkerProgress(client(), identity, events, stopping, unit)


class WorkerProgress:
    """A ``jobs.progress.Progress`` for one unit of work.

    What cannot be kept now may be kept later: the job goes on while Redis is away, as every running job does.
    """

    def __init__(
        self, client: Client, identity: str, events: Events, stopping: Callable[[], bool], unit: UnitOfWork
    ) -> None:
        self._client = client
        self._identity = identity
        self._events = events
        self._unit = unit
        self._failing = False
        self.stopping = stopping

    def load(self) -> State:
        try:
            return iteration.read(self._client, self._unit.jid) or State()
        except RedisUnavailable as error:
            # No fault of the job's, and without its place it must not begin.
            raise Paused from error

    def save(self, state: State) -> Kept:
        unit = self._unit
        if unit.abandoned:
            # The same process may hold the job anew, as another unit, so the list alone would not tell.
            return Kept.NOT_OURS
        run = scripts.runner(self._client)
        try:
            kept = iteration.checkpoint(run, unit.jid, state, identity=self._identity, queue=unit.queue, taken=unit.raw)
        except (RedisUnavailable, RedisRefused) as error:
            if not self._failing:
                self._events.emit("job.unkept", **unit.facts(), error=str(error))
            self._failing = True
            return Kept.UNKNOWN
        self._failing = False
        return kept
