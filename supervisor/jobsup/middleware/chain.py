"""The call-next chain around pushes and jobs."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

Next: TypeAlias = Callable[[], Any]
"""Goes on to the next middleware, and in the end to the push or the job; returns its result."""

ClientMiddleware: TypeAlias = Callable[[dict[str, Any], Next], dict[str, Any] | None]
"""Called with the payload.  Returns what ``call_next()`` returned, or None to cancel the push."""

ServerMiddleware: TypeAlias = Callable[[Any, dict[str, Any], Next], Any]
"""Called with the job's definition and the payload.  Not calling ``call_next`` skips the job: it counts as done.

Around an async job ``call_next()`` returns what is to be awaited.  An ``async def`` awaits it; a plain def returns it,
and is over before the job begins.  Around any other job a middleware has to be a plain def.
"""

M = TypeVar("M", bound=Callable[..., Any])


class Chain(Generic[M]):
    """An ordered list of middleware, the first outermost.

    A change replaces the whole list: a push or a job that is under way keeps the one it began with.
    """

    def __init__(self, middleware: Iterable[M] = ()) -> None:
        self._middleware: tuple[M, ...] = tuple(middleware)

    def __iter__(self) -> Iterator[M]:
        return iter(self._middleware)

    def __len__(self) -> int:
        return len(self._middleware)

    def add(self, middleware: M) -> M:
        """Append; one that is in the chain already moves.  Returns it, so that it serves as a decorator."""
        self._middleware = (*self._without(middleware), middleware)
        return middleware

    def prepend(self, middleware: M) -> M:
        """Make it the outermost."""
        self._middleware = (middleware, *self._without(middleware))
        return middleware

    def insert_before(self, other: M, middleware: M) -> None:
        """Insert directly outside of *other*; outermost when *other* is not there."""
        rest = self._without(middleware)
        at = rest.index(other) if other in rest else 0
        self._middleware = (*rest[:at], middleware, *rest[at:])

    def insert_after(self, other: M, middleware: M) -> None:
        """Insert directly inside of *other*; innermost when *other* is not there."""
        rest = self._without(middleware)
        at = rest.index(other) + 1 if other in rest else len(rest)
        self._middleware = (*rest[:at], middleware, *rest[at:])

    def remove(self, middleware: M) -> None:
        """Take it out, if it is there."""
        self._middleware = self._without(middleware)

    def clear(self) -> None:
        self._middleware = ()

    def _without(self, middleware: M) -> tuple[M, ...]:
        return tuple(one for one in self._middleware if one != middleware)


def compose(chain: Iterable[Callable[..., Any]], args: tuple[Any, ...], last: Next) -> Next:
    """One call that passes *args* and the rest of the way to each of *chain*, and ends in *last*."""
    call = last
    for middleware in reversed(tuple(chain)):
        call = partial(middleware, *args, call)
    return call


client: Chain[ClientMiddleware] = Chain()
"""Around every push of a client that was given no chain of its own."""

server: Chain[ServerMiddleware] = Chain()
"""Around every job that a worker of this process runs."""
