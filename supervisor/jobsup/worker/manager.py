"""One capsule at work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue

from jobsup.unix.slot import Entry
from jobsup.worker.eventloop import EventLoop
from jobsup.worker.executor import Running
from jobsup.worker.fetch import Fetcher
from jobsup.worker.inbox import Inbox, Outbox
from jobsup.worker.outcome import Outcome
from jobsup.worker.processor import Processor
from jobsup.worker.threads import Threads
from jobsup.worker.unit import UnitOfWork


class Manager:
    """Keeps one Processor for each of *entries*, threads for them, and one Fetcher, for one Capsule.

    1. start      start the threads
    2. quiet      take nothing more; what nobody started goes back
    3. running    who runs what
    4. close      settle what is finished and end the Fetcher, until a deadline
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        make_fetcher: Callable[[Inbox, Outbox], Fetcher],
        may_begin: Callable[[], bool],
        execute: Callable[..., Outcome | Running],
        on_crash: Callable[[BaseException], None],
        loop: EventLoop,
        *,
        lazily: bool,
    ) -> None:
        self._inbox = Inbox()
        self._outbox = Outbox(self._inbox.size)
        self.fetcher = make_fetcher(self._inbox, self._outbox)
        free: SimpleQueue[Processor] = SimpleQueue()
        self._threads = Threads(len(entries), free, self._inbox, on_crash, lazily=lazily)
        if lazily:
            execute = partial(execute, occupy=self._threads.occupy)
        self._processors = [Processor(self._outbox, may_begin, execute, loop, free, entry) for entry in entries]
        for processor in self._processors:
            free.put(processor)
        self._on_crash = on_crash
        self._fetching = threading.Thread(target=self._fetch, name="jobsup-fetcher", daemon=True)

    def start(self) -> None:
        self._threads.start()
        self._fetching.start()

    def _fetch(self) -> None:
        try:
            self.fetcher.run()
        except BaseException as error:  # noqa: BLE001  a fault of ours: see Launcher
            self._on_crash(error)

    def ring(self) -> None:
        """Make the Fetcher look at what changed."""
        self._outbox.ring()

    def quiet(self) -> None:
        self.fetcher.quiet()

    def running(self) -> list[tuple[Processor, UnitOfWork]]:
        """Every job that runs now."""
        return [(p, unit) for p in self._processors if (unit := p.current) is not None]

    @property
    def taking(self) -> bool:
        """Whether jobs may still come in."""
        return self.fetcher.taking

    @property
    def busy(self) -> int:
        """Processors at work."""
        return self.fetcher.busy

    @property
    def in_hand(self) -> int:
        """Jobs taken and not yet settled."""
        return len(self.fetcher.hand)

    def close(self, timeout: float) -> None:
        """Wait up to *timeout* seconds until everything that finished is settled."""
        self.fetcher.close()
        self._fetching.join(timeout)
