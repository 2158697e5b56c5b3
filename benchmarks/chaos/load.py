"""Enqueues the jobs, with the API that applications use, through the same broken network."""

from __future__ import annotations

import random
import threading
import time

from benchmarks.chaos.jobs import Flaky, Instant, Slow
from jobsup import client
from jobsup.errors import RedisUnavailable

BULK = 50
BACKLOG = 3_000
"""Jobs that may be waiting: the run is about losing jobs, not about piling them up."""


class Load(threading.Thread):
    """Spreads *jobs* over *seconds*.

    A push that was not acknowledged may or may not have happened: its jobs are *doubtful*, and others are pushed in
    their place.
    """

    def __init__(self, url: str, jobs: int, seconds: float, seed: int) -> None:
        super().__init__(daemon=True)
        client.configure(url)
        self._jobs = jobs
        self._seconds = seconds
        self._draw = random.Random(seed)
        self._next = 0
        self.acknowledged: list[int] = []
        self.doubtful: list[int] = []
        self.kinds: dict[str, int] = dict.fromkeys(("bulk", "instant", "slow", "failing", "scheduled"), 0)
        self.ended = 0
        """How many have ended: told by whoever reads the ledger."""

    def run(self) -> None:
        begun = time.monotonic()
        while len(self.acknowledged) < self._jobs:
            due = self._jobs * (time.monotonic() - begun) / self._seconds
            if len(self.acknowledged) >= due or len(self.acknowledged) - self.ended > BACKLOG:
                time.sleep(0.01)
                continue
            kind = self._draw.choices(list(self.kinds), (2, 30, 20, 10, 10))[0]
            count = min(BULK if kind == "bulk" else 1, self._jobs - len(self.acknowledged))
            numbers = list(range(self._next, self._next + count))
            self._next += count
            try:
                self._push(kind, numbers)
            except RedisUnavailable:
                self.doubtful += numbers
                time.sleep(0.05)
            else:
                self.acknowledged += numbers
                self.kinds[kind] += count

    def _push(self, kind: str, numbers: list[int]) -> None:
        if kind == "bulk":
            Instant.perform_bulk([[number] for number in numbers])
        elif kind == "instant":
            Instant.perform_async(*numbers)
        elif kind == "slow":
            Slow.perform_async(*numbers, self._draw.choice((0.02, 0.1, 0.1, 0.5, 1.5)))
        elif kind == "failing":
            Flaky.perform_async(*numbers)
        else:
            Instant.perform_in(self._draw.uniform(0.5, 3.0), *numbers)
