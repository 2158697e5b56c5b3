"""What the threads and the async jobs of a worker are doing."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable
from types import FrameType
from typing import Any

from jobsup.worker.processor import Processor
from jobsup.worker.unit import UnitOfWork


def everything(running: Iterable[tuple[Processor, UnitOfWork]]) -> str:
    """The stacks of all threads, and of the async jobs among those *running*, outermost call first."""
    parts = [
        f"thread {ident}:\n{''.join(traceback.format_stack(frame))}" for ident, frame in sys._current_frames().items()
    ]
    parts += [f"job {unit.jid}:\n{stack}" for processor, unit in running if (stack := of_job(processor))]
    return "\n".join(parts)


def of_job(processor: Processor) -> str:
    """The stack of the async job that *processor* runs; "" if it runs none.  From any thread: the job may go on."""
    task = processor.task
    return "".join(traceback.format_list(_awaited(task.get_coro()))) if task is not None else ""


def _awaited(coroutine: Any) -> traceback.StackSummary:
    """From a coroutine down to what it waits for in the end.

    Not ``Task.get_stack``, which knows the first of them only.
    """
    frames = []
    while coroutine is not None:
        frame: FrameType | None = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is not None:
            frames.append((frame, frame.f_lineno))
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return traceback.StackSummary.extract(frames)
