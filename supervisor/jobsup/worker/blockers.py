"""Waiting for work: one blocking move per queue, each on a connection of its own.

The server moves a job into our in-flight list the moment it arrives and wakes one worker for it; while the
queues are empty it does nothing.  A move that was asked for can be called off, but what it moved before that is
ours.  Queues beyond a bound share a doorbell instead.
"""

from __future__ import annotations

from collections.abc import Callable

from jobsup.clock import monotonic
from jobsup.errors import RedisRefused, RedisUnavailable
from jobsup.store import keys
from jobsup.store.channel import Channel
from jobsup.store.connection import Client
from jobsup.worker.tracking import Tracking

_MOVES = 24
"""Connections for blocking moves, at most: the first queues of the capsule have them."""
_TIMEOUT = 5
"""Seconds a move waits at the server.  Bounds how long one of a dead connection can still act."""
_PATIENCE = _TIMEOUT + 3.0
"""Seconds after which a move without any reply means that the connection is dead (half-open)."""
_REFUSED_WITHIN = 1.0
"""Seconds in which a server that refuses a move has said so."""
_BROKEN = 5.0
"""Seconds to leave a queue alone whose key is not a list."""


class Blockers:
    """The blocking moves of one capsule.  Used by its Fetcher's thread only."""

    def __init__(self, client: Client, identity: str, queues: list[str], on_broken: Callable[[str], None]) -> None:
        self._client = client
        self._on_broken = on_broken
        self._identity = identity
        self._queues = queues[:_MOVES]
        self._doorbell = Tracking(client, queues[_MOVES:])
        self._channels: dict[str, Channel] = {}
        self._armed: dict[str, float] = {}
        self._broken: dict[str, float] = {}
        self.refused = False
        """Whether the server has no memory for a move.  It goes on taking settlements then, so only a move shows that
        this is over."""

    def descriptors(self) -> list[int]:
        """What to watch."""
        moves = [self._channels[queue].fileno() for queue in self._armed]
        return moves + self._doorbell.descriptors() if moves else moves

    def arm(self) -> bool:
        """Ask for one job from every queue that is not being asked.

        True when a queue without a move of its own has jobs now: take them instead of waiting.
        """
        now = monotonic()
        broken = {queue for queue, until in self._broken.items() if until > now}
        for queue in self._queues:
            if queue in self._armed or queue in broken:
                continue
            channel = self._channels.get(queue)
            if channel is None:
                channel = Channel(self._client)
                channel.open()
                self._channels[queue] = channel
            channel.send("BLMOVE", keys.queue(queue), keys.inflight(self._identity, queue), "RIGHT", "LEFT", _TIMEOUT)
            self._armed[queue] = now
        return self._doorbell.look(broken)

    def rang(self, readable: set[int]) -> bool:
        """Whether a queue without a move of its own has changed."""
        return self._doorbell.rang(readable)

    def arrived(self, readable: set[int]) -> list[tuple[str, bytes]]:
        """(queue, payload) of what the connections in *readable* (descriptors) brought.

        Raises:
            RedisUnavailable: a connection was lost, or has been silent for longer than a move may wait.
        """
        found = []
        now = monotonic()
        for queue, since in list(self._armed.items()):
            channel = self._channels[queue]
            if channel.fileno() in readable:
                found += self._read(queue, channel)
            elif now - since > _PATIENCE:
                raise RedisUnavailable("a blocking move was never answered")
            elif now - since > _REFUSED_WITHIN:
                self.refused = False
        return found

    def disarm(self, main: Channel) -> list[tuple[str, bytes]]:
        """Call all moves off.  Returns what had been moved before that reached the server."""
        if not self._armed:
            return []
        main.call_all([("CLIENT", "UNBLOCK", self._channels[queue].id) for queue in self._armed])
        found = []
        for queue in list(self._armed):
            found += self._read(queue, self._channels[queue])
        return found

    def mark_broken(self, queue: str) -> None:
        """Leave *queue*, which is not a list, alone for a while; report it once."""
        if queue not in self._broken:
            self._on_broken(queue)
        self._broken[queue] = monotonic() + _BROKEN

    def close(self) -> None:
        for channel in self._channels.values():
            channel.close()
        self._doorbell.close()
        self._channels.clear()
        self._armed.clear()

    def _read(self, queue: str, channel: Channel) -> list[tuple[str, bytes]]:
        try:
            payload = channel.read()
        except RedisRefused as error:
            del self._armed[queue]
            if "WRONGTYPE" not in str(error):
                self.refused = "maxmemory" in str(error)
                raise
            self.mark_broken(queue)
            return []
        del self._armed[queue]
        self.refused = False
        return [] if payload is None else [(queue, payload)]
