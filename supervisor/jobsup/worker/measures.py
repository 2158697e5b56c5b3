"""How long jobs took: what the heartbeat flushes, and what a worker says of its last jobs as it leaves."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from jobsup.store.durations import Runs
from jobsup.worker.outcome import Buried, Discarded, GivenBack, Outcome, RetryAt, Succeeded
from jobsup.worker.unit import UnitOfWork

_COUNTED = (Succeeded, RetryAt, Buried, Discarded)


class Measures:
    """The jobs that ended since the last flush, by class, over all capsules.

    1. note               jobs were settled
    2. take, put_back     what is to be flushed; back it goes when it could not be
    3. leaving            the drain begins: from here on the longest counts

    Attributes:
        longest: seconds and class of the job that took longest.
        paused: jids of iterable jobs that stopped at an item to go on elsewhere.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._classes: dict[str, Runs] = {}
        self.longest = (0.0, "")
        self.paused: list[str] = []

    def note(self, settled: Sequence[tuple[UnitOfWork, Outcome]]) -> None:
        """Count those that do not go on elsewhere, were not cancelled, and are of a class that somebody declared.

        Names come from payloads: whoever can push could make up any number of them.
        """
        with self._lock:
            for unit, outcome in settled:
                if unit.took > self.longest[0]:
                    self.longest = unit.took, unit.klass
                if unit.declared and isinstance(outcome, _COUNTED):
                    self._count(unit, outcome)
                elif unit.iterable and isinstance(outcome, GivenBack):
                    self.paused.append(unit.jid)

    def _count(self, unit: UnitOfWork, outcome: Outcome) -> None:
        runs = self._classes.get(unit.klass) or self._classes.setdefault(unit.klass, Runs())
        runs.timeout, runs.pauses = unit.timeout, unit.iterable
        if isinstance(outcome, Succeeded):
            runs.succeeded(unit.took)
        else:
            runs.ended += 1
            runs.failed += 1

    def leaving(self) -> None:
        self.longest = (0.0, "")

    def take(self) -> dict[str, Runs]:
        with self._lock:
            batch, self._classes = self._classes, {}
            return batch

    def put_back(self, batch: dict[str, Runs]) -> None:
        with self._lock:
            for klass, runs in self._classes.items():
                batch.setdefault(klass, Runs()).add(runs)
            self._classes = batch
