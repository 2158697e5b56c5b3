"""What the heartbeat flushes to ``stat:*``."""

from __future__ import annotations

import threading


class Counters:
    """Jobs processed and failed since the last flush, over all capsules."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processed = 0
        self._failed = 0
        self.finished = 0
        """Jobs finished since the process started."""
        self.failed = 0
        """How many of them failed."""

    def add(self, processed: int, failed: int) -> None:
        with self._lock:
            self._processed += processed
            self._failed += failed
            self.finished += processed
            self.failed += failed

    def peek(self) -> tuple[int, int]:
        """(processed, failed) not yet flushed."""
        with self._lock:
            return self._processed, self._failed

    def flushed(self, processed: int, failed: int) -> None:
        """Forget what *peek* said, once Redis has it."""
        with self._lock:
            self._processed -= processed
            self._failed -= failed
