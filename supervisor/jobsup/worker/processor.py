"""What runs one job at a time: in a thread, or in the event loop if the job is async."""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import threading
from collections.abc import Callable
from contextvars import Context
from functools import partial
from queue import SimpleQueue
from types import CoroutineType

from jobsup import errors
from jobsup.clock import FOREVER, monotonic, wall
from jobsup.errors import Shutdown, TimeLimitExceeded
from jobsup.unix.slot import Entry
from jobsup.worker.eventloop import EventLoop
from jobsup.worker.executor import Running
from jobsup.worker.inbox import Outbox
from jobsup.worker.outcome import Cancelled, GivenBack, Outcome
from jobsup.worker.unit import Interruption, UnitOfWork

_raise_in_thread = ctypes.pythonapi.PyThreadState_SetAsyncExc
_raise_in_thread.argtypes = (ctypes.c_ulong, ctypes.py_object)
_numbers = itertools.count(1)

INTERRUPTIONS = (Shutdown, TimeLimitExceeded, errors.Cancelled)


class Processor:
    """One of the places of a capsule in which a job may run.  Puts outcomes into the outbox.

    1. process    run a unit in this thread; one whose job is async goes on in the event loop, and this with it
    2. interrupt  end the unit that runs now, if it is still that one: raise Shutdown, TimeLimitExceeded or Cancelled
                  in the thread, or cancel the task

    Attributes:
        current: the unit that runs, or None.
        name: its key in the work hash.
        thread: ident of the thread that calls ``process``.
        task: what runs ``current``, once it has begun in the event loop.
    """

    def __init__(
        self,
        outbox: Outbox,
        may_begin: Callable[[], bool],
        execute: Callable[[UnitOfWork], Outcome | Running],
        loop: EventLoop,
        free: SimpleQueue[Processor],
        entry: Entry,
    ) -> None:
        self._outbox = outbox
        self._may_begin = may_begin
        self._execute = execute
        self._loop = loop
        self._free = free
        self._entry = entry
        self._lock = threading.Lock()
        self._handed_over = False
        self.current: UnitOfWork | None = None
        self.name = f"p{next(_numbers)}"
        self.thread = 0
        self.task: asyncio.Task[Outcome] | None = None

    def process(self, unit: UnitOfWork) -> bool:
        """Run *unit*; False if it goes on in the event loop, where this goes to *free* when it has ended."""
        outcome: Outcome | None = None
        unit.run_at = wall()
        unit.begun = monotonic()
        unit.entry = self._entry
        self.current = unit
        # An interruption may hit between any two lines of ours, also while another is handled.  A unit suffers each
        # of the three kinds at most once, so three nets catch all, and the pass after the last is undisturbed.
        try:
            try:
                try:
                    # Asked here, not where it was taken: we may have been frozen since, and it given to others.
                    result = self._execute(unit) if self._may_begin() else GivenBack()
                    if type(result) is not CoroutineType:
                        outcome = result  # type: ignore[assignment]  # a Running is always of this type
                    elif self._hand_over(unit, result):
                        return False
                    self._finish(unit)
                except INTERRUPTIONS:
                    self._finish(unit)
            except INTERRUPTIONS:
                self._finish(unit)
        except INTERRUPTIONS:
            self._finish(unit)
        self._entry.end()
        unit.took = monotonic() - unit.begun
        self._outbox.put(unit, outcome or _undone(unit))
        return True

    def _finish(self, unit: UnitOfWork) -> None:
        """From here on nobody may interrupt; what was raised but not yet delivered is called off."""
        with self._lock:
            self.current = None
            if unit.asked:
                _raise_in_thread(threading.get_ident(), ctypes.py_object())

    def interrupt(self, unit: UnitOfWork, kind: Interruption) -> None:
        """End *unit* with *kind*, once, if it still runs.  C code cannot be interrupted."""
        with self._lock:
            if self.current is not unit or kind in unit.asked:
                return
            unit.asked += (kind,)
            if kind is errors.Cancelled:
                # Under the lock: a moment later the entry may be that of another job.
                self._entry.cancel()
                unit.cancelled_at = monotonic()
            if self._handed_over:
                self._loop.call(self._cancel, unit)
            else:
                _raise_in_thread(self.thread, ctypes.py_object(kind))

    # -- in the event loop

    def _hand_over(self, unit: UnitOfWork, running: Running) -> bool:
        """From here on nothing is raised in this thread; False when something was already, so *unit* does not begin."""
        with self._lock:
            if unit.asked:
                running.close()
                return False
            self._handed_over = True
            # Under the lock: whoever interrupts it from now on is heard after this.
            self._loop.call(self._begin, unit, running)
            return True

    def _begin(self, unit: UnitOfWork, running: Running) -> None:
        if not self._may_begin():  # asked again: the loop may have been held up since
            running.close()
            self._end(unit, GivenBack())
            return
        # An empty context, as in a new thread: what one job sets is none of the next one's business.
        self.task = asyncio.get_running_loop().create_task(running, name=unit.jid, context=Context())
        self.task.add_done_callback(partial(self._loop.guarded, self._done, unit))

    def _cancel(self, unit: UnitOfWork) -> None:
        if self.current is unit and self.task is not None:
            self.task.cancel()

    def _done(self, unit: UnitOfWork, task: asyncio.Task[Outcome]) -> None:
        # The coroutine makes an Outcome of whatever its job raises: only one that never began is cancelled.
        self._end(unit, None if task.cancelled() else task.result())

    def _end(self, unit: UnitOfWork, outcome: Outcome | None) -> None:
        with self._lock:
            self.current = self.task = None
            self._handed_over = False
        self._entry.end()
        unit.took = monotonic() - unit.begun
        self._outbox.put(unit, outcome or _undone(unit))
        self._free.put(self)


def _undone(unit: UnitOfWork) -> Outcome:
    """Of a unit that was interrupted where its job had not begun yet, or was just done."""
    return GivenBack() if unit.cancelled_at == FOREVER else Cancelled()
