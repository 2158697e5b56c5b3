"""How long a stop may take.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jobsup.config.model import Profile
from jobsup.worker.unit import UnitOfWork


@dataclass(frozen=True, slots=True)
class Drain:
    """A stop that has begun.  All times on the monotonic clock, in seconds.

    Every job has a deadline of its own: its ``timeout`` option, else the profile's, at most ``max_timeout``.
    When it has passed, the job is interrupted; if it has not unwound half of ``kill_after`` later, the process
    leaves without it, well before the parent would kill it.

    A reload has patience: no job's deadline is sooner than *patience* seconds from the beginning.
    """

    begun: float
    timeout: float
    max_timeout: float
    kill_after: float
    patience: float = 0.0

    @classmethod
    def of(cls, profile: Profile, begun: float, patience: float = 0.0) -> Drain:
        return cls(begun, profile.timeout, profile.max_timeout, profile.kill_after, patience)

    def halted(self, now: float) -> Drain:
        """The same stop, with no time left for anything."""
        return Drain(min(self.begun, now), 0.0, 0.0, self.kill_after)

    def deadline(self, unit: UnitOfWork) -> float:
        """Until when *unit* may run."""
        own = self.timeout if unit.timeout is None else unit.timeout
        return self.begun + max(min(own, self.max_timeout), self.patience)

    def until(self, running: Iterable[UnitOfWork]) -> float:
        """Until when the process may need; its parent kills it ``kill_after`` later."""
        return max((self.deadline(unit) for unit in running), default=self.begun)

    def leave_at(self, running: Iterable[UnitOfWork]) -> float:
        """When to leave whatever still runs."""
        return self.until(running) + self.kill_after / 2

    @property
    def settled_by(self) -> float:
        """When to stop waiting for Redis to take what has finished."""
        return self.begun + max(self.timeout, self.patience) + self.kill_after / 2
