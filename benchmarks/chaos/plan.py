"""Which faults, and when: decided before the run from a seed alone.  Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault to come: *at* seconds into the run, lasting *seconds* (0: a moment)."""

    at: float
    kind: str
    seconds: float = 0.0


KINDS: dict[str, tuple[int, float, float]] = {
    # weight, shortest, longest
    "worker.kill": (30, 0, 0),
    "worker.term": (6, 0, 0),
    "worker.freeze": (6, 0.1, 5.0),
    "worker.freeze_long": (1, 16.5, 20.0),
    "keeper.kill": (6, 0, 0),
    "keeper.term": (1, 0, 0),
    "keeper.freeze": (2, 0.1, 3.0),
    "template.kill": (6, 0, 0),
    "template.term": (1, 0, 0),
    "template.freeze": (2, 0.1, 3.0),
    "parent.kill": (4, 0, 0),
    "parent.freeze": (2, 0.1, 3.0),
    "stop": (2, 0, 0),
    "reload": (5, 0, 0),
    "server.kill": (4, 0.0, 1.5),
    "network.cut": (4, 0, 0),
    "network.slow": (3, 1.0, 4.0),
    "network.half_open": (2, 8.0, 8.0),
}
"""How often each kind, relative to the others, and how long it lasts.  A lease is 15 s: only ``freeze_long`` is
beyond it.  A half-open connection ends when its user has lost patience, at most 8 s later."""

SETTLING_IN = 1.0
"""Seconds at the start without faults: there must be something to break."""


def plan(kills: int, seconds: float, seed: int) -> list[Planned]:
    """Faults within *seconds*, of which *kills* are SIGKILLs; in the order of their time."""
    draw = random.Random(seed)
    weights = [weight for weight, _, _ in KINDS.values()]
    faults = []
    killed = 0
    while killed < kills:
        kind = draw.choices(list(KINDS), weights)[0]
        killed += kind.endswith(".kill")
        _, shortest, longest = KINDS[kind]
        at = draw.uniform(SETTLING_IN, max(SETTLING_IN, seconds))
        faults.append(Planned(at, kind, draw.uniform(shortest, longest)))
    return sorted(faults, key=lambda fault: fault.at)
