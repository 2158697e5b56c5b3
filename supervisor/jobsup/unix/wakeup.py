"""Signals as an ordinary readable file descriptor."""

import contextlib
import os
import signal
from types import FrameType


def _note(_signum: int, _frame: FrameType | None) -> None:
    # Nothing to do: the interpreter has written the signal's number into the pipe already, in C, even while
    # a long C call keeps this handler from running.  It must exist, or the default action would be taken.
    pass


class Wakeup:
    """Takes a note of every signal it was given; whoever selects on ``fileno`` reads the notes.

    Create it in the main thread.  ``drain`` may be called from any one thread.  A note is one byte in a
    pipe; should 65536 of them wait, more are dropped, all of which repeat what is in the pipe.
    """

    def __init__(self, *signals: signal.Signals) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._signals = signals
        # The pipe first: a signal that arrives between the two lines is noted rather than lost.
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for sig in signals:
            signal.signal(sig, _note)

    def fileno(self) -> int:
        return self._reader

    def drain(self) -> list[signal.Signals]:
        """The signals that have arrived since the last call, oldest first; does not wait."""
        arrived = bytearray()
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._reader, 4096):
                arrived += chunk
        return [signal.Signals(number) for number in arrived if number in self._signals]

    def close(self) -> None:
        """Take no more notes.  The signals get their default action back."""
        signal.set_wakeup_fd(-1)
        for sig in self._signals:
            signal.signal(sig, signal.SIG_DFL)
        os.close(self._reader)
        os.close(self._writer)
