"""One connection to Redis that an event loop can watch."""

from __future__ import annotations

import select
from collections.abc import Sequence
from typing import Any

import redis

from jobsup.store import scripts
from jobsup.store.connection import errors_translated


class Channel:
    """A single connection: send now, read when it is readable; or call and wait.

    redis-py's client hides the socket; a worker waits for many blocking moves and its own jobs at once, so it
    drives redis-py's connection object itself.  At most one command is outstanding.
    """

    def __init__(self, client: redis.Redis) -> None:
        # Not ``make_connection``: a pool counts what it has made and refuses at its limit (100 in redis-py 8), but is
        # never told that one of ours was closed.  A worker that waits for Redis opens more than that in two minutes.
        pool = client.connection_pool
        self._connection: Any = pool.connection_class(**pool.connection_kwargs)
        self.id = 0
        """The server's number of this connection, for CLIENT UNBLOCK."""

    def open(self) -> None:
        """Connect now.  Raises RedisUnavailable or RedisRefused."""
        with errors_translated():
            self._connection.connect()
        self.id = int(self.call("CLIENT", "ID"))

    def fileno(self) -> int:
        return int(self._connection._sock.fileno())

    def send(self, *command: Any) -> None:
        with errors_translated():
            self._connection.send_command(*command, check_health=False)

    def read(self, timeout: float | None = None) -> Any:
        """The reply to what was sent; waits for it.

        Args:
            timeout: seconds, for a reply that may legitimately take longer than the socket's timeout.
        """
        with errors_translated():
            if timeout is not None and not self._readable(timeout):
                raise redis.exceptions.TimeoutError(f"no reply within {timeout}s")
            return self._connection.read_response()

    def _readable(self, timeout: float) -> bool:
        poll = select.poll()  # unlike select it takes any descriptor, however many the application has open
        poll.register(self.fileno(), select.POLLIN)
        return bool(poll.poll(timeout * 1000))

    def call(self, *command: Any) -> Any:
        self.send(*command)
        return self.read()

    def call_all(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Send several commands at once; their replies in order."""
        with errors_translated():
            self._connection.send_packed_command(self._connection.pack_commands(commands), check_health=False)
            return [self._connection.read_response() for _ in commands]

    def script(self, name: str, keys: list[str], args: list[Any]) -> Any:
        """Run a script by its digest; load it first where the server does not know it (any more)."""
        script = scripts.script(name)
        with errors_translated():
            try:
                self._connection.send_command("EVALSHA", script.sha, len(keys), *keys, *args, check_health=False)
                return self._connection.read_response()
            except redis.exceptions.NoScriptError:
                self._connection.send_command("EVAL", script.source, len(keys), *keys, *args)
                return self._connection.read_response()

    def close(self) -> None:
        self._connection.disconnect()
