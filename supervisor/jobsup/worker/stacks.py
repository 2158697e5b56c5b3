"""What the threads and the async jobs of a worker are doing, for people."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable
from types import FrameType
from typing import Any

from jobsup.unix.slot import Slot, as_held
from jobsup.worker.processor import Processor
from jobsup.worker.unit import UnitOfWork


def everything(running: Iterable[tuple[Processor, UnitOfWork]]) -> str:
    """The stacks of all threads, and of the async jobs among those *running*, outermost call first."""
    found = [(f"thread {ident}", traceback.extract_stack(frame)) for ident, frame in sys._current_frames().items()]
    found += [
        (f"job {unit.jid}", traceback.StackSummary.extract((frame, frame.f_lineno) for frame in frames))
        for processor, unit in running
        if (frames := awaited(processor))
    ]
    return "\n".join(f"{who}:\n{''.join(stack.format())}" for who, stack in found)


def write_awaited(memory: Slot, running: Iterable[tuple[Processor, UnitOfWork]], jid: str) -> None:
    """Append to the stacks in *memory* that of the async job *jid*: innermost call first, in faulthandler's words."""
    for processor, unit in running:
        if as_held(unit.jid) == jid and (frames := awaited(processor)):
            places = [(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name) for frame in reversed(frames)]
            memory.add_stack("".join(f'  File "{file}", line {line} in {name}\n' for file, line, name in places))


def awaited(processor: Processor) -> list[FrameType]:
    """From the coroutine that *processor* runs down to the one that waits; none if it runs no async job.

    From any thread: what is seen may be over in a moment.  Not ``Task.get_stack``, which ends at the outermost.
    """
    task = processor.task
    coroutine: Any = task.get_coro() if task is not None else None
    frames = []
    while coroutine is not None:
        frame: FrameType | None = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is not None:
            frames.append(frame)
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return frames
