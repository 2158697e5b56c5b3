"""The application that is counted: imported in the template, so that every thread of a worker inherits the count."""

import json
import threading
from types import FrameType
from typing import Any

from jobsup import job

_calls: dict[str, list[int]] = {}
"""Thread -> calls of functions in Python, and of those in C."""
_mine = threading.local()


def _note(frame: FrameType, event: str, arg: Any) -> None:
    try:
        counts = _mine.counts
    except AttributeError:
        counts = _mine.counts = _calls.setdefault(threading.current_thread().name, [0, 0])
    if event == "call":
        counts[0] += 1
    elif event == "c_call":
        counts[1] += 1


threading.setprofile(_note)


@job
def noop() -> None:
    pass


@job
def report(path: str) -> None:
    """Write what was counted so far."""
    with open(path, "w") as file:
        json.dump(_calls, file)
