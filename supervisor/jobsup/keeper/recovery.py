"""Gives the jobs of the dead back."""

from __future__ import annotations

import time
from collections.abc import Callable

from jobsup.events import Events
from jobsup.store import owners, scripts
from jobsup.store.connection import Client
from jobsup.unix import place


class Recovery:
    """Three ways to learn of a death, one way to act on it.

    1. ended        the parent reaped a worker: certain, and at once
    2. sweep_place  owners of this host's boot and pid namespace whose process is gone: certain; at start, so that
                    a supervisor that was killed with all its children finds their jobs when it comes back
    3. sweep        leases that have run out: hosts that vanished.  It also looks again at those given up lately
    """

    def __init__(self, client: Client, events: Events) -> None:
        self._client = client
        self._run = scripts.runner(client)
        self._events = events

    def ended(self, identity: str) -> tuple[int, float]:
        """Give back what *identity* held.  Returns (jobs, seconds it took)."""
        begun = time.perf_counter()
        jobs = scripts.give_back(self._run, identity) or 0
        took = time.perf_counter() - begun
        if jobs:
            self._events.emit("keeper.gave_back", identity=identity, jobs=jobs, seconds=took)
        return jobs, took

    def sweep_place(self, start_of: Callable[[int], str] = place.start_of) -> None:
        here = place.here()
        for owner in owners.owners(self._client):
            if here and owner.place == here and start_of(owner.pid) != owner.start:
                self.ended(owner.identity)

    def sweep(self) -> None:
        late, swept = scripts.expired(self._run)
        for identity in late:
            # Checked again inside the script: it may have come back between the two.
            jobs = scripts.give_back(self._run, identity, only_if_expired=True)
            if jobs is not None:
                self._events.emit("keeper.swept", identity=identity, jobs=jobs)
        for identity in swept:
            jobs = scripts.give_back(self._run, identity)
            if jobs:
                self._events.emit("keeper.swept", identity=identity, jobs=jobs)
