"""Enqueues the jobs, with the API that applications use, through the same broken network."""

from __future__ import annotations

import random
import sys
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from benchmarks.chaos.jobs import Flaky, Instant, Patient, Slow, Steps
from jobsup import client
from jobsup.errors import RedisUnavailable

BULK = 50
WEIGHTS = {"bulk": 4, "instant": 30, "slow": 12, "failing": 8, "scheduled": 8, "iterable": 4}
BACKLOG = 3_000
"""Jobs that may be waiting: the run is about losing jobs, not about piling them up."""


class Load(threading.Thread):
    """Spreads *jobs* over *seconds*.

    A push that was not acknowledged may or may not have happened: its jobs are *doubtful*, and others are pushed in
    their place.  A push that had to connect again may have been sent twice: its jobs are *repeated*.
    """

    def __init__(self, url: str, jobs: int, seconds: float, seed: int) -> None:
        super().__init__(daemon=True)
        client.configure(url)
        self._port = urlsplit(url).port
        self._connects = 0
        sys.addaudithook(self._heard)
        self._jobs = jobs
        self._seconds = seconds
        self._draw = random.Random(seed)
        self._next = 0
        self.acknowledged: list[int] = []
        self.doubtful: list[int] = []
        self.repeated: set[int] = set()
        self.kinds = dict.fromkeys(WEIGHTS, 0)
        self.items: dict[int, int] = {}
        """How many items each iterable job has."""
        self.ended = 0
        """How many have ended: told by whoever reads the ledger."""

    def run(self) -> None:
        begun = time.monotonic()
        while len(self.acknowledged) < self._jobs:
            due = self._jobs * (time.monotonic() - begun) / self._seconds
            if len(self.acknowledged) >= due or len(self.acknowledged) - self.ended > BACKLOG:
                time.sleep(0.01)
                continue
            kind = self._draw.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            count = min(BULK if kind == "bulk" else 1, self._jobs - len(self.acknowledged))
            numbers = list(range(self._next, self._next + count))
            self._next += count
            connects = self._connects
            try:
                self._push(kind, numbers)
            except RedisUnavailable:
                self.doubtful += numbers
                time.sleep(0.05)
            else:
                self.acknowledged += numbers
                self.kinds[kind] += count
            if self._connects != connects:
                self.repeated.update(numbers)

    def _heard(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.connect" and args[1][1:] == (self._port,):
            self._connects += 1

    def _push(self, kind: str, numbers: list[int]) -> None:
        if kind == "bulk":
            Instant.perform_bulk([[number] for number in numbers])
        elif kind == "instant":
            Instant.perform_async(*numbers)
        elif kind == "slow":
            Slow.perform_async(*numbers, self._draw.choice((0.02, 0.1, 0.1, 0.5, 1.5)))
        elif kind == "failing":
            Flaky.perform_async(*numbers)
        elif kind == "iterable":
            self.items[numbers[0]] = self._draw.randint(2, 30)
            Steps.perform_async(*numbers, self.items[numbers[0]])
        else:
            Instant.perform_in(self._draw.uniform(0.5, 3.0), *numbers)

    def push_patient(self, count: int) -> int:
        """When everything else has ended: jobs that wait for permission to end.  Returns the number of the first."""
        numbers = list(range(self._next, self._next + count))
        self._next += count
        for number in numbers:
            Patient.perform_async(number)
        self.acknowledged += numbers
        self.kinds["patient"] = count
        return numbers[0]
