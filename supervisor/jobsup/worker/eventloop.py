"""The event loop in which a worker's async jobs run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

_new_event_loop: Callable[[], asyncio.AbstractEventLoop]
try:
    from uvloop import new_event_loop as _new_event_loop
except ImportError:
    _new_event_loop = asyncio.new_event_loop


class EventLoop:
    """One loop in a thread of its own, made when the first job needs it: after the fork, and only where there is one.

    It runs until the process ends, whatever its jobs do.
    """

    def __init__(self, on_crash: Callable[[BaseException], None]) -> None:
        self._on_crash = on_crash
        self._making = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def call(self, function: Callable[..., None], *args: Any) -> None:
        """Call *function* in the loop's thread, soon, in the order in which it was asked for.  From any thread."""
        (self._loop or self._made()).call_soon_threadsafe(self.guarded, function, *args)

    def guarded(self, function: Callable[..., None], *args: Any) -> None:
        """Call *function* now.  What it raises is a fault of ours, not of a job: see Launcher."""
        try:
            function(*args)
        except BaseException as error:  # noqa: BLE001
            self._on_crash(error)

    def _made(self) -> asyncio.AbstractEventLoop:
        with self._making:
            if self._loop is None:
                loop = _new_event_loop()
                threading.Thread(target=self._run, args=(loop,), name="jobsup-loop", daemon=True).start()
                self._loop = loop
            return self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        while True:
            try:
                loop.run_forever()
            except (SystemExit, KeyboardInterrupt):
                continue  # of a task that a job had started: it has ended, and whoever awaits it is told
            except BaseException as error:  # noqa: BLE001
                self._on_crash(error)
                return
