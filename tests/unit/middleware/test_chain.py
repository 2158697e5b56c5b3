from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jobsup.middleware.chain import Chain, Next, compose

Middleware = Callable[[list[str], Next], Any]


def named(name: str) -> Middleware:
    def middleware(seen: list[str], call_next: Next) -> Any:
        seen.append(f"{name} in")
        result = call_next()
        seen.append(f"{name} out")
        return result

    return middleware


a, b, c = named("a"), named("b"), named("c")


def test_the_first_middleware_is_outermost_and_the_result_passes_through() -> None:
    seen: list[str] = []

    result = compose([a, b], (seen,), lambda: 7)()

    assert result == 7
    assert seen == ["a in", "b in", "b out", "a out"]


def test_a_middleware_that_does_not_go_on_ends_it() -> None:
    assert compose([lambda call_next: "stopped"], (), lambda: "reached")() == "stopped"


def test_without_middleware_only_the_end_is_called() -> None:
    assert compose([], (), lambda: "reached")() == "reached"


def test_middleware_is_put_where_it_is_asked_for() -> None:
    chain = Chain([b])
    chain.prepend(a)
    chain.add(c)
    assert list(chain) == [a, b, c]

    chain.insert_before(b, c)
    assert list(chain) == [a, c, b]

    chain.insert_after(b, a)
    assert list(chain) == [c, b, a]


def test_next_to_one_that_is_not_there_means_the_end_of_the_chain() -> None:
    chain = Chain([a])
    chain.insert_before(c, b)
    assert list(chain) == [b, a]

    chain.insert_after(c, b)
    assert list(chain) == [a, b]


def test_adding_again_moves_it() -> None:
    chain = Chain([a, b])

    chain.add(a)

    assert list(chain) == [b, a]


def test_removing_and_clearing() -> None:
    chain = Chain([a, b])
    chain.remove(a)
    chain.remove(c)
    assert list(chain) == [b]

    chain.clear()
    assert len(chain) == 0


def test_a_change_does_not_touch_what_is_under_way() -> None:
    chain = Chain([a])
    under_way = iter(chain)

    chain.clear()

    assert list(under_way) == [a]
