"""Which queue the next free slots ask first.  Pure but for the dice it is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from jobsup.config.model import Capsule

_DICE_BOUND = 64
"""Slots that get a draw of their own; more slots than this share them in proportion."""


class QueueOrder:
    """Sidekiq's three orders, for many slots at once.

    Strict: the first queue has all slots; what it cannot fill goes to the next.  Random and weighted: every slot
    draws its first choice by weight, as if it fetched alone; what that queue cannot fill is taken in a freshly
    drawn order of all the others.
    """

    def __init__(self, capsule: Capsule, random: Callable[[], float]) -> None:
        self._names = [name for name, _ in capsule.queues]
        self._weights = [max(weight, 1) for _, weight in capsule.queues]
        self._strict = capsule.mode == "strict" or len(self._names) == 1
        self._random = random

    def draw(self, slots: int) -> tuple[list[tuple[str, int]], list[str]]:
        """(shares, fallbacks) for *slots* free slots: how many of each queue first, then where to look."""
        if self._strict:
            return [], self._names
        draws = min(slots, _DICE_BOUND)
        chosen = Counter(self._pick(self._names, self._weights) for _ in range(draws))
        if slots > draws:
            chosen = Counter({name: count * slots // draws for name, count in chosen.items()})
        return list(chosen.items()), self._shuffled()

    def _pick(self, names: Sequence[str], weights: Sequence[int]) -> str:
        at = self._random() * sum(weights)
        for name, weight in zip(names, weights, strict=True):
            at -= weight
            if at < 0:
                return name
        return names[-1]

    def _shuffled(self) -> list[str]:
        names, weights = list(self._names), list(self._weights)
        order = []
        while names:
            name = self._pick(names, weights)
            at = names.index(name)
            order.append(name)
            del names[at], weights[at]
        return order
