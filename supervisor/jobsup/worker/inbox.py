"""Jobs on their way from the Fetcher to the Processors, and outcomes on their way back."""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

from jobsup.unix.doorbell import Doorbell
from jobsup.worker.outcome import Outcome
from jobsup.worker.unit import UnitOfWork


class Inbox:
    """Units that no Processor has started yet."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[UnitOfWork] = SimpleQueue()
        self.put = self._queue.put
        self.get = self._queue.get
        self.size = self._queue.qsize

    def take_back(self) -> list[UnitOfWork]:
        """Everything unstarted, oldest first.  Processors may go on taking meanwhile; each unit goes one way."""
        units: list[UnitOfWork] = []
        while True:
            try:
                units.append(self._queue.get_nowait())
            except Empty:
                return units


class Outbox:
    """Finished units.  Rings the Fetcher only when it sleeps and is needed: under load nobody pays for a system call.

    Args:
        unstarted: how many units wait to be run.
    """

    def __init__(self, unstarted: Callable[[], int]) -> None:
        self._finished: deque[tuple[UnitOfWork, Outcome]] = deque()
        self._bell = Doorbell()
        self.ring = self._bell.ring
        self._unstarted = unstarted
        self._low = 0
        self._asleep = False

    def put(self, unit: UnitOfWork, outcome: Outcome) -> None:
        self._finished.append((unit, outcome))
        if self._asleep and self._unstarted() <= self._low:
            # Once: until the Fetcher has the interpreter's lock hundreds of jobs may end, each with a system call.
            self._asleep = False
            self.ring()

    def collect(self) -> list[tuple[UnitOfWork, Outcome]]:
        """Everything that has arrived, in order."""
        finished = []
        while self._finished:
            finished.append(self._finished.popleft())
        return finished

    def wait(self, descriptors: Sequence[int], timeout: float, low: int) -> set[int]:
        """Sleep until a ring, or one of *descriptors* is readable; return what is.

        What is put rings when not more than *low* units are left to be run.
        """
        poll = select.poll()
        for fd in (self._bell.fileno(), *descriptors):
            poll.register(fd, select.POLLIN)
        # Announce the sleep before the last look: whoever puts after the look sees the announcement.
        self._low, self._asleep = low, True
        events = poll.poll(0 if self._finished and self._unstarted() <= low else timeout * 1000)
        self._asleep = False
        readable = {fd for fd, _ in events}
        if self._bell.fileno() in readable:
            self._bell.answer()
        return readable
