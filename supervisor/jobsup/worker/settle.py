"""From an Outcome to the arguments of the script that records it.  Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from jobsup.store.iteration import completion
from jobsup.store.scripts import Settlement, interruption
from jobsup.worker.outcome import Buried, Cancelled, Discarded, GivenBack, Interrupted, Outcome, RetryAt, Succeeded
from jobsup.worker.unit import UnitOfWork


@dataclass(frozen=True, slots=True)
class DeadLimits:
    """How the dead set is trimmed.  As in Sidekiq, it keeps at most ``jobs - 1`` entries."""

    jobs: int
    seconds: float


def settlement(unit: UnitOfWork, outcome: Outcome, limits: DeadLimits, now: float) -> Settlement:
    """What ``lua/turn.lua`` is told of one job.  *now* is in Unix seconds."""
    match outcome:
        case Succeeded() | Discarded() | Cancelled():
            if unit.iterable:
                return completion(unit.queue, unit.raw, unit.jid)
            return ("a", unit.queue, unit.raw)
        case RetryAt(when=when, payload=payload):
            return ("r", unit.queue, unit.raw, repr(when), payload)
        case Buried(payload=payload):
            since = repr(now - limits.seconds)
            return ("d", unit.queue, unit.raw, repr(now), payload, since, -limits.jobs)
        case GivenBack():
            return ("b", unit.queue, unit.raw)
        case Interrupted(most=most, buried=payload):
            if most is None:
                return ("b", unit.queue, unit.raw)
            since = repr(now - limits.seconds)
            return interruption(unit.queue, unit.raw, unit.jid, most, (repr(now), payload, since, -limits.jobs))
        case _:
            assert_never(outcome)
