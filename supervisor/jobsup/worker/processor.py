"""One thread that runs jobs, one after the other."""

from __future__ import annotations

import ctypes
import itertools
import threading
from collections.abc import Callable
from typing import TypeAlias

from jobsup import errors
from jobsup.clock import FOREVER, monotonic, wall
from jobsup.errors import Shutdown, TimeLimitExceeded
from jobsup.unix.slot import Entry
from jobsup.worker.inbox import Inbox, Outbox
from jobsup.worker.outcome import Cancelled, GivenBack, Outcome
from jobsup.worker.unit import UnitOfWork

_raise_in_thread = ctypes.pythonapi.PyThreadState_SetAsyncExc
_raise_in_thread.argtypes = (ctypes.c_ulong, ctypes.py_object)
_numbers = itertools.count(1)

Interruption: TypeAlias = type[Shutdown] | type[TimeLimitExceeded] | type[errors.Cancelled]
_INTERRUPTIONS = (Shutdown, TimeLimitExceeded, errors.Cancelled)


class Processor:
    """Takes units from the inbox, runs them, puts outcomes into the outbox.

    1. run        the thread
    2. interrupt  raise Shutdown, TimeLimitExceeded or Cancelled inside the unit that runs now, if it is still that one

    Attributes:
        current: the unit that runs, or None.
        name: its key in the work hash.
    """

    def __init__(
        self,
        inbox: Inbox,
        outbox: Outbox,
        may_begin: Callable[[], bool],
        execute: Callable[[UnitOfWork], Outcome],
        on_crash: Callable[[BaseException], None],
        entry: Entry,
    ) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._may_begin = may_begin
        self._execute = execute
        self._on_crash = on_crash
        self._entry = entry
        self._lock = threading.Lock()
        self._raised: set[Interruption] = set()
        self.current: UnitOfWork | None = None
        self.name = f"p{next(_numbers)}"
        self._thread = threading.Thread(target=self.run, name=f"jobsup-{self.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def run(self) -> None:
        while True:
            try:
                unit = self._inbox.get()
                if unit is None:
                    return
                self._process(unit)
            except _INTERRUPTIONS:
                continue  # raised for a unit that had just finished: its outcome is on its way
            except BaseException as error:  # noqa: BLE001
                # A fault of ours, not of a job: nothing in this process can be trusted to settle.
                self._on_crash(error)
                return

    def _process(self, unit: UnitOfWork) -> None:
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
                    outcome = self._execute(unit) if self._may_begin() else GivenBack()
                    self._finish()
                except _INTERRUPTIONS:
                    self._finish()
            except _INTERRUPTIONS:
                self._finish()
        except _INTERRUPTIONS:
            self._finish()
        self._entry.end()
        unit.took = monotonic() - unit.begun
        if outcome is None:  # interrupted where the job had not begun yet, or was just done
            outcome = GivenBack() if unit.cancelled_at == FOREVER else Cancelled()
        self._outbox.put(unit, outcome)

    def _finish(self) -> None:
        """From here on nobody may interrupt; what was raised but not yet delivered is called off."""
        with self._lock:
            self.current = None
            if self._raised:
                self._raised = set()
                _raise_in_thread(threading.get_ident(), ctypes.py_object())

    def interrupt(self, unit: UnitOfWork, kind: Interruption) -> None:
        """Raise *kind* in the thread, once, if it still runs *unit*.  C code cannot be interrupted."""
        with self._lock:
            if self.current is not unit or kind in self._raised or self._thread.ident is None:
                return
            self._raised.add(kind)
            if kind is errors.Cancelled:
                # Under the lock: a moment later the entry may be that of another job.
                self._entry.cancel()
                unit.cancelled_at = monotonic()
            _raise_in_thread(self._thread.ident, ctypes.py_object(kind))
