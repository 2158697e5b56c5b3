"""Wake a thread that sleeps in select or poll."""

import contextlib
import os


class Doorbell:
    """A pipe: any thread rings, one thread watches ``fileno`` and answers."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    def fileno(self) -> int:
        return self._reader

    def ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full of rings nobody has answered yet: it will wake
            os.write(self._writer, b"!")

    def answer(self) -> None:
        """Take note of every ring so far; does not wait."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, 4096)
