"""A doorbell for queues that have no blocking move of their own.

The server remembers that we looked at an empty queue and tells us when its key changes (``store/watch.py``).
It tells once, and everybody who looked: many queues cost two connections, at the price that a new job there wakes
every idle worker.
"""

from __future__ import annotations

from jobsup.clock import monotonic
from jobsup.store import keys
from jobsup.store.connection import Client
from jobsup.store.watch import Watch

_LOOK_AGAIN = 5.0
"""Seconds after which we look by ourselves: a connection may be dead without anybody having said so."""


class Tracking:
    """Watches the keys of empty queues.  Used by a Fetcher's thread only."""

    def __init__(self, client: Client, queues: list[str]) -> None:
        self._queues = queues
        self._watch = Watch(client)
        self._looked: dict[str, float] = {}

    def look(self, skip: set[str]) -> bool:
        """Look at every queue that is not being watched.  True when one of them has jobs now."""
        now = monotonic()
        unwatched = [
            queue for queue in self._queues if queue not in skip and self._looked.get(queue, 0.0) <= now - _LOOK_AGAIN
        ]
        if not unwatched:
            return False
        # EXISTS, not LLEN: a key that is no list must not be an error here.
        found = self._watch.look([("EXISTS", keys.queue(queue)) for queue in unwatched])
        self._looked.update((queue, now) for queue, exists in zip(unwatched, found, strict=True) if not exists)
        return any(found)

    def descriptors(self) -> list[int]:
        fd = self._watch.fileno()
        return [] if fd is None or not self._looked else [fd]

    def rang(self, readable: set[int]) -> bool:
        """Whether one of the watched keys has changed."""
        if self._watch.fileno() not in readable:
            return False
        changed = self._watch.heard()
        if changed is None:
            self._looked.clear()
        else:
            for key in changed:
                self._looked.pop(keys.queue_name(key), None)
        return True

    def close(self) -> None:
        self._watch.close()
        self._looked.clear()
