"""Which queue is asked first."""

from __future__ import annotations

import random
from collections import Counter

from jobsup.config.model import Capsule
from jobsup.worker.fair import QueueOrder


def order(*queues: tuple[str, int], seed: int = 1) -> QueueOrder:
    return QueueOrder(Capsule("default", 5, queues), random.Random(seed).random)


def test_strict_order_always_asks_the_first_queue_first() -> None:
    assert order(("a", 0), ("b", 0)).draw(10) == ([], ["a", "b"])


def test_weighted_queues_get_their_shares_of_the_slots() -> None:
    weighted = order(("a", 6), ("b", 3), ("c", 1))
    got: Counter[str] = Counter()
    for _ in range(2000):
        got.update(dict(weighted.draw(10)[0]))

    total = got.total()
    assert total == 20_000
    assert abs(got["a"] / total - 0.6) < 0.02
    assert abs(got["b"] / total - 0.3) < 0.02


def test_one_slot_is_drawn_by_weight_too() -> None:
    weighted = order(("a", 3), ("b", 1))
    first = Counter(weighted.draw(1)[0][0][0] for _ in range(4000))

    assert abs(first["a"] / 4000 - 0.75) < 0.03


def test_random_order_treats_all_queues_alike() -> None:
    chosen = order(("a", 1), ("b", 1))
    first = Counter(chosen.draw(1)[0][0][0] for _ in range(4000))

    assert abs(first["a"] / 4000 - 0.5) < 0.03


def test_every_queue_is_a_fallback_exactly_once() -> None:
    _, fallbacks = order(("a", 5), ("b", 3), ("c", 1)).draw(3)

    assert sorted(fallbacks) == ["a", "b", "c"]


def test_many_slots_are_shared_in_proportion_and_never_more_than_asked_for() -> None:
    shares, _ = order(("a", 3), ("b", 1)).draw(1000)

    assert sum(count for _, count in shares) <= 1000
    assert dict(shares)["a"] > dict(shares)["b"]
