"""Hear when keys change that were looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobsup.errors import RedisRefused
from jobsup.store.channel import Channel
from jobsup.store.connection import Client


class Watch:
    """A doorbell: the server remembers what we read here, and tells once when it changes (``CLIENT TRACKING``).

    The news come as messages on a connection of their own (``REDIRECT``), which both protocols can read.  Used by one
    thread.  Each method raises RedisUnavailable or RedisRefused; ``close``, then, and look again.

    Attributes:
        deaf: why the server will not ring (an ACL, something between us that does not know how); None: it will.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._asking: Channel | None = None
        self._hearing: Channel | None = None
        self.deaf: RedisRefused | None = None

    def look(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The replies to *commands*, which read keys.  From now on each of these keys rings once."""
        return (self._asking or self._open()).call_all(commands)

    def fileno(self) -> int | None:
        """What is readable when there is something to hear; None: nothing is listened to."""
        return None if self._hearing is None else self._hearing.fileno()

    def heard(self) -> set[str] | None:
        """The keys that changed, once ``fileno`` is readable.  None: any may have (FLUSHALL)."""
        if self._hearing is None:
            return set()
        *_, changed = self._hearing.read()
        return {key.decode() for key in changed} if isinstance(changed, list) else None

    def close(self) -> None:
        for channel in (self._asking, self._hearing):
            if channel is not None:
                channel.close()
        self._asking = self._hearing = None

    def _open(self) -> Channel:
        self._asking = Channel(self._client)
        self._asking.open()
        self._hearing = Channel(self._client)
        self._hearing.open()
        try:
            self._hearing.call("SUBSCRIBE", "__redis__:invalidate")
            self._asking.call("CLIENT", "TRACKING", "ON", "REDIRECT", self._hearing.id)
            self.deaf = None
        except RedisRefused as error:
            self._hearing.close()
            self._hearing = None
            self.deaf = error
        return self._asking
