"""The threads of a capsule."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from jobsup.worker.inbox import Inbox
from jobsup.worker.processor import INTERRUPTIONS, Processor


class Threads:
    """Each takes a free Processor, and for it unit after unit from the inbox, until one takes the Processor along.

    1. start    all of them; or one, where jobs may be async and need none
    2. occupy   call a job that keeps its thread, having seen to it that another watches the inbox
    """

    def __init__(
        self,
        most: int,
        free: SimpleQueue[Processor],
        inbox: Inbox,
        on_crash: Callable[[BaseException], None],
        *,
        lazily: bool,
    ) -> None:
        self._most = most
        self._free = free
        self._inbox = inbox
        self._on_crash = on_crash
        self._lazily = lazily
        self._started = 0
        self._starting = threading.Lock()
        # One entry for each thread that is not occupied, but for one.  A deque, because both its ends are atomic.
        self._spare: deque[None] = deque()

    def start(self) -> None:
        for _ in range(1 if self._lazily else self._most):
            self._start_one()

    def occupy(self, run: Callable[..., Any], *args: Any) -> Any:
        """Call *run* and return what it does."""
        try:
            self._spare.pop()
        except IndexError:
            self._watch_on()
        try:
            return run(*args)
        finally:
            # Should an interruption hit just before, a thread will be started that need not be.
            self._spare.append(None)

    def _watch_on(self) -> None:
        try:
            self._start_one()
        except RuntimeError as error:  # no thread to be had: what lies in the inbox would wait for this job
            self._on_crash(error)

    def _start_one(self) -> None:
        with self._starting:
            if self._started < self._most:  # else each has a job, and no Processor is free
                threading.Thread(target=self._run, name=f"jobsup-{self._started + 1}", daemon=True).start()
                # Last: should an interruption hit before, there is one too many, and not one too few.
                self._started += 1

    def _run(self) -> None:
        processor: Processor | None = None
        while True:
            try:
                if processor is None:
                    processor = self._free.get()
                    processor.thread = threading.get_ident()
                # In this order: what is still in the inbox can be given back.
                unit = self._inbox.get()
                if not processor.process(unit):
                    processor = None
            except INTERRUPTIONS:
                continue  # raised for a unit that had just finished: its outcome is on its way
            except BaseException as error:  # noqa: BLE001
                # A fault of ours, not of a job: nothing in this process can be trusted to settle.
                self._on_crash(error)
                return
