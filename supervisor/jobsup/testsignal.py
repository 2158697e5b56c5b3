"""A named point in production code that a test can wait for."""

import queue
from typing import Generic, TypeVar

T = TypeVar("T")


class TestSignal(Generic[T]):
    """Silent unless a test listens; costs one attribute check in production."""

    __test__ = False  # not a pytest class

    def __init__(self) -> None:
        self._arrived: queue.Queue[T] | None = None

    def listen(self) -> None:
        self._arrived = queue.Queue()

    def fire(self, value: T) -> None:
        if self._arrived is not None:
            self._arrived.put(value)

    def wait(self, timeout: float = 5.0) -> T:
        if self._arrived is None:
            raise RuntimeError("call listen() before the code under test runs")
        return self._arrived.get(timeout=timeout)
