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
        # One entry for each thread that is not occupied, but for one.  A deque, because both its ends are atomic.
        self._spare: deque[None] = deque()
        self._wanted: SimpleQueue[None] = SimpleQueue()
        self._growing = lazily

    def start(self) -> None:
        for number in range(1 if self._lazily else self._most):
            self._start_one(number)
        if self._lazily:
            threading.Thread(target=self._start_as_wanted, name="jobsup-threads", daemon=True).start()

    def occupy(self, run: Callable[..., Any], *args: Any) -> Any:
        """Call *run* and return what it does."""
        try:
            self._spare.pop()
        except IndexError:
            if self._growing:
                self._wanted.put(None)
        try:
            return run(*args)
        finally:
            # Should an interruption hit just before, a thread will be started that need not be.
            self._spare.append(None)

    def _start_as_wanted(self) -> None:
        """In a thread of its own, which nobody interrupts.

        Until a new thread runs Python takes it for the one that starts it: what is raised in that one can kill the new
        one at its first step, and the other would wait for it for ever.
        """
        try:
            for number in range(1, self._most):
                self._wanted.get()
                self._start_one(number)
        except RuntimeError as error:  # no thread to be had: what lies in the inbox would wait for a job to end
            self._on_crash(error)
        self._growing = False

    def _start_one(self, number: int) -> None:
        threading.Thread(target=self._run, name=f"jobsup-{number + 1}", daemon=True).start()

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
