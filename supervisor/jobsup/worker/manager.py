"""One capsule at work."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from jobsup.unix.slot import Entry
from jobsup.worker.fetch import Fetcher
from jobsup.worker.inbox import Inbox, Outbox
from jobsup.worker.outcome import Outcome
from jobsup.worker.processor import Processor
from jobsup.worker.unit import UnitOfWork


class Manager:
    """Keeps one Processor for each of *entries*, and one Fetcher, for one Capsule.

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
        execute: Callable[[UnitOfWork], Outcome],
        on_crash: Callable[[BaseException], None],
    ) -> None:
        self._inbox = Inbox()
        self._outbox = Outbox()
        self.fetcher = make_fetcher(self._inbox, self._outbox)
        self._processors = [
            Processor(self._inbox, self._outbox, may_begin, execute, on_crash, entry) for entry in entries
        ]
        self._on_crash = on_crash
        self._fetching = threading.Thread(target=self._fetch, name="jobsup-fetcher", daemon=True)

    def start(self) -> None:
        for processor in self._processors:
            processor.start()
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
        """Threads at work."""
        return self.fetcher.busy

    @property
    def in_hand(self) -> int:
        """Jobs taken and not yet settled."""
        return len(self.fetcher.hand)

    def close(self, timeout: float) -> None:
        """Wait up to *timeout* seconds until everything that finished is settled."""
        self.fetcher.close()
        self._fetching.join(timeout)
