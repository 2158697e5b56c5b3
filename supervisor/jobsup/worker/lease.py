"""Whether this process may still believe that it owns what it holds."""

from __future__ import annotations

import threading
from collections.abc import Callable

from jobsup.clock import boottime
from jobsup.events import Events
from jobsup.store.scripts import LEASE

BEAT_EVERY = 5.0
"""Seconds between beats: two may be lost."""
_MARGIN = 3.0
"""Stop taking this much before others may give us up: clocks drift, and a reply takes its time."""


class Lease:
    """Shared by the threads of one worker.

    1. confirmed()  Redis has acknowledged a beat, asked for at that moment
    2. alive()      may new jobs be taken?  Only while nobody can have given us up
    3. fence()      somebody did: every holder abandons what it has (a new epoch), then we register again

    The clock is one that goes on while the machine is suspended: the others do not sleep with us.
    """

    def __init__(self, now: Callable[[], float] = boottime) -> None:
        self._now = now
        self._confirmed_at: float | None = None
        self.epoch = 0

    def confirmed(self, asked_at: float) -> None:
        """*asked_at* (of ``now``) is when the beat was sent: the lease cannot have begun earlier."""
        self._confirmed_at = asked_at

    def alive(self) -> bool:
        at = self._confirmed_at
        return at is not None and self._now() < at + LEASE - _MARGIN

    @property
    def registered(self) -> bool:
        return self._confirmed_at is not None

    def fence(self, epoch: int) -> None:
        """Give up everything held since *epoch*; does nothing if somebody said so before."""
        if epoch == self.epoch:
            self._confirmed_at = None
            self.epoch += 1


class Outage:
    """Says once that Redis went away and once that it is back, however many threads notice.

    Each thread, named by *who*, answers for its own commands: a server without memory may take a beat and refuse
    a blocking move, and is back only when nobody is refused any more.
    """

    def __init__(self, events: Events, now: Callable[[], float] = boottime) -> None:
        self._events = events
        self._now = now
        self._lock = threading.Lock()
        self._since = 0.0
        self._without: set[object] = set()

    def lost(self, who: object, error: Exception) -> None:
        with self._lock:
            first = not self._without
            self._without.add(who)
            if not first:
                return
            self._since = self._now()
        self._events.emit("redis.lost", error=str(error))

    def found(self, who: object) -> None:
        with self._lock:
            if who not in self._without:
                return
            self._without.discard(who)
            if self._without:
                return
            away = self._now() - self._since
        self._events.emit("redis.found", seconds=away)
