"""Jobs that wait in memory while Redis is away: what ``reliable_push`` means."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from jobsup.errors import RedisRefused, RedisUnavailable

CAPACITY = 1_000
"""Jobs kept in memory, at most."""
_AT_EXIT = 10.0
"""Seconds for what still waits when the process ends; one more try of the last push may come on top."""


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """The jobs of one push, as they are written.

    Attributes:
        now: payloads by queue, oldest first.
        later: (Unix seconds, payload).
    """

    now: dict[str, list[bytes]]
    later: list[tuple[float, bytes]]

    def __len__(self) -> int:
        return sum(map(len, self.now.values())) + len(self.later)


class Backlog:
    """Sends batches; keeps those that nobody answers for, and sends them first when somebody does.

    1. push   send, or keep; every push first tries what is kept, in order
    2. flush  try what is kept, at the end of the process

    From any thread: one at a time sends what is kept, the others put theirs behind and go on, so that no thread
    waits for another's timeout.  A forked process begins with nothing: what waits is its parent's to deliver.
    """

    def __init__(self, send: Callable[[Batch], None]) -> None:
        self._send = send
        self._begin()
        atexit.register(self._at_exit)

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._kept: deque[Batch] = deque()
        self._changing = threading.Lock()
        self._sending = threading.Lock()

    def __len__(self) -> int:
        """Jobs that wait."""
        self._own()
        with self._changing:
            return sum(map(len, self._kept))

    def push(self, batch: Batch) -> None:
        """Send *batch* behind everything that waits, or keep it.

        Raises:
            RedisUnavailable: nobody answers, and there is no room to keep it; it was not taken.
            RedisRefused: Redis answers and does not take it, or what waits before it; it was not taken.
        """
        self._own()
        try:
            if self._kept:
                self._deliver()
            if not self._kept:
                self._send(batch)
                return
        except RedisUnavailable as error:
            self._keep(batch, error)
            return
        # Another thread sends what waits.  It may have finished just before ours came behind it.
        self._keep(batch, None)
        with contextlib.suppress(RedisUnavailable, RedisRefused):
            self._deliver()

    def flush(self, seconds: float = _AT_EXIT) -> None:
        """Try for about *seconds* to send what waits.  What cannot be sent is lost with the process.

        Raises:
            RedisUnavailable, RedisRefused: why it could not.
        """
        self._own()
        if self._kept:
            self._deliver(time.monotonic() + seconds)

    def _at_exit(self) -> None:
        try:
            self.flush()
        except (RedisUnavailable, RedisRefused) as error:
            print(f"jobsup: {len(self)} jobs that waited in memory for Redis are lost: {error}", file=sys.stderr)

    def _own(self) -> None:
        # Not a hook of fork(): the copies of our locks may be held by threads that the child does not have.
        if self._pid != os.getpid():
            self._begin()

    def _keep(self, batch: Batch, error: RedisUnavailable | None) -> None:
        with self._changing:
            waiting = sum(map(len, self._kept))
            if waiting + len(batch) > CAPACITY:
                reason = error or "another thread sends them now"
                raise RedisUnavailable(
                    f"{waiting} of at most {CAPACITY} jobs wait in memory, so this push is refused: {reason}"
                ) from error
            self._kept.append(batch)

    def _deliver(self, until: float = float("inf")) -> None:
        """Send what waits, oldest first, unless another thread does."""
        # Again after the lock was released: what came just before would otherwise wait for the next push.
        while self._kept and self._sending.acquire(blocking=False):
            try:
                while self._kept and time.monotonic() < until:
                    batch = self._kept[0]
                    self._send(batch)
                    with self._changing:
                        self._kept.popleft()
            finally:
                self._sending.release()
            if time.monotonic() >= until:
                return
