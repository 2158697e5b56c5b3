"""A doorbell for queues that have no blocking move of their own.

The server remembers that we looked at an empty queue and tells us when its key changes (``CLIENT TRACKING``).
It tells once, and everybody who looked: many queues cost two connections, at the price that a new job there wakes
every idle worker.
"""

from __future__ import annotations

from jobsup.clock import monotonic
from jobsup.store import keys
from jobsup.store.channel import Channel
from jobsup.store.connection import Client

_LOOK_AGAIN = 5.0
"""Seconds after which we look by ourselves: a connection may be dead without anybody having said so."""


class Tracking:
    """Watches the keys of empty queues.  Used by a Fetcher's thread only.

    The news come as messages on a connection of their own (``REDIRECT``), which both protocols can read.
    """

    def __init__(self, client: Client, queues: list[str]) -> None:
        self._client = client
        self._queues = queues
        self._asking: Channel | None = None
        self._hearing: Channel | None = None
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
        found = self._open().call_all([("EXISTS", keys.queue(queue)) for queue in unwatched])
        self._looked.update((queue, now) for queue, exists in zip(unwatched, found, strict=True) if not exists)
        return any(found)

    def descriptors(self) -> list[int]:
        return [self._hearing.fileno()] if self._hearing and self._looked else []

    def rang(self, readable: set[int]) -> bool:
        """Whether one of the watched keys has changed."""
        if self._hearing is None or self._hearing.fileno() not in readable:
            return False
        *_, changed = self._hearing.read()
        if isinstance(changed, list):
            for key in changed:
                self._looked.pop(keys.queue_name(key.decode()), None)
        else:  # the server dropped everything it remembered (FLUSHALL)
            self._looked.clear()
        return True

    def close(self) -> None:
        for channel in (self._asking, self._hearing):
            if channel is not None:
                channel.close()
        self._asking = self._hearing = None
        self._looked.clear()

    def _open(self) -> Channel:
        if self._asking is None:
            self._hearing = Channel(self._client)
            self._hearing.open()
            self._hearing.call("SUBSCRIBE", "__redis__:invalidate")
            asking = Channel(self._client)
            asking.open()
            asking.call("CLIENT", "TRACKING", "ON", "REDIRECT", self._hearing.id)
            self._asking = asking
        return self._asking
