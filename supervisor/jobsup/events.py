"""Components state facts; logs, metrics and hooks decide what to make of them."""

from collections.abc import Callable
from typing import Any, TypeAlias

Subscriber: TypeAlias = Callable[[str, dict[str, Any]], None]
"""Called with the event's name and its facts, in the thread that emitted it."""


class Events:
    """A list of subscribers.  Handed down by constructor; there is no global one."""

    def __init__(self) -> None:
        self._subscribers: list[Subscriber] = []

    def subscribe(self, subscriber: Subscriber) -> None:
        self._subscribers.append(subscriber)

    def emit(self, name: str, /, **facts: Any) -> None:
        """State that *name* happened.  The names are the keys of ``log.SENTENCES``."""
        for subscriber in self._subscribers:
            subscriber(name, facts)
