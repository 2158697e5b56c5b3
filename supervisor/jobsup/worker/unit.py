"""A job in hand."""

from __future__ import annotations

from typing import Any, TypeAlias

from jobsup.clock import FOREVER
from jobsup.errors import Cancelled, Shutdown, TimeLimitExceeded
from jobsup.unix.slot import Entry

Interruption: TypeAlias = type[Shutdown] | type[TimeLimitExceeded] | type[Cancelled]
"""What a running job is asked to end with."""


class UnitOfWork:
    """One job taken from a queue, from its taking to its settlement.

    Attributes:
        queue: the queue it was taken from, which is where it goes back to.
        raw: the payload as it lay in Redis.  Settling finds it by these bytes; they are never re-encoded.
        run_at: Unix seconds at which a Processor started it; 0.0 before.
        begun: the same on the monotonic clock.
        took: seconds it ran, once it has finished.
        jid, klass: known once it was parsed; for logs and the stop report.
        declared: whether its class is one that the application declares.
        timeout: seconds it may use to finish once a stop has begun; None: the profile's.
        limit: when ``TimeLimitExceeded`` is raised in it, on the monotonic clock.
        cancelled_at: when somebody asked to end it, on the monotonic clock.
        asked: how it was interrupted, or is about to be; each kind at most once.
        iterable: whether it keeps its place in Redis, which is deleted when it is done.
        entry: its line in the running table while it runs.
        asked_before: its settlement may have been recorded by a call whose reply was lost.
        abandoned: True once it was given to others; its outcome changes nothing.
    """

    __slots__ = (
        "abandoned",
        "asked",
        "asked_before",
        "begun",
        "cancelled_at",
        "declared",
        "entry",
        "iterable",
        "jid",
        "klass",
        "limit",
        "queue",
        "raw",
        "run_at",
        "timeout",
        "took",
    )

    def __init__(self, queue: str, raw: bytes) -> None:
        self.queue = queue
        self.raw = raw
        self.run_at = 0.0
        self.begun = 0.0
        self.took = 0.0
        self.jid = ""
        self.klass = ""
        self.declared = False
        self.timeout: float | None = None
        self.limit = FOREVER
        self.cancelled_at = FOREVER
        self.asked: tuple[Interruption, ...] = ()
        self.iterable = False
        self.entry: Entry | None = None
        self.asked_before = False
        self.abandoned = False

    def facts(self) -> dict[str, Any]:
        """What a log line says of it."""
        return {"jid": self.jid, "klass": self.klass, "queue": self.queue}
