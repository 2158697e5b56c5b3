"""Reads the configuration that is on disk now, in a process that may fail or hang without harm."""

import json
import os
import signal
from collections.abc import Callable
from typing import Any

from jobsup import clock
from jobsup.clock import FOREVER
from jobsup.config.model import Config
from jobsup.parent.helper import in_directory
from jobsup.parent.loop import Context
from jobsup.unix import pidfd, process, spawn

_RESOLVE_WITHIN = 60.0
_MAX_ANSWER = 16 * 1024 * 1024


class Resolver:
    """Runs the process that reads the configuration, and calls back with what it found.

    ``on_done`` gets the configuration, or the problems as sentences.
    """

    def __init__(self, context: Context, argv: list[str], on_done: Callable[[Config | list[str]], None]) -> None:
        self._context = context
        self._on_done = on_done
        self._answer = bytearray()
        self.deadline = clock.monotonic() + _RESOLVE_WITHIN
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        program = in_directory(context.cwd, (*context.commands.resolve, *argv))
        try:
            child = spawn.spawn(program, env=context.environ, stdout=writer)
        except OSError:
            os.close(self._reader)
            raise
        finally:
            os.close(writer)
        self.pid, self._pidfd = child.pid, child.pidfd
        context.loop.watch(self._reader, self._read)
        context.loop.watch(self._pidfd, self._reap)

    def tick(self, now: float) -> None:
        if now >= self.deadline:
            self.deadline = FOREVER
            self.kill()

    def kill(self) -> None:
        pidfd.send(self._pidfd, signal.SIGKILL)

    def _read(self) -> None:
        try:
            chunk = os.read(self._reader, 65_536)
        except BlockingIOError:
            return
        self._answer += chunk
        if not chunk:
            self._context.loop.forget(self._reader)
        elif len(self._answer) > _MAX_ANSWER:
            self.kill()

    def _reap(self) -> None:
        process.kill_group(self.pid)  # nobody of it may hold the pipe, whose end is then certain
        ended = pidfd.reap(self._pidfd)
        if ended is None:
            return
        while True:
            before = len(self._answer)
            self._read()
            if len(self._answer) == before:
                break
        for fd in (self._reader, self._pidfd):
            self._context.loop.forget(fd)
            os.close(fd)
        try:
            found = _parse(bytes(self._answer))
        except (ValueError, KeyError, TypeError, AttributeError):
            found = [f"the configuration could not be read again ({ended})"]
        self._on_done(found)


def _parse(answer: bytes) -> Config | list[str]:
    data: dict[str, Any] = json.loads(answer)
    if data.get("problems"):
        return [str(problem) for problem in data["problems"]]
    return Config.load(data["config"])
