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

RESOLVE_WITHIN = 60.0
_MAX_ANSWER = 16 * 1024 * 1024


class Resolver:
    """Runs the process that reads the configuration, and calls back with what it found.

    ``on_done`` gets the configuration, or the problems as sentences.
    """

    def __init__(self, context: Context, argv: list[str], on_done: Callable[[Config | list[str]], None]) -> None:
        self._context = context
        self._on_done = on_done
        self._answer = bytearray()
        self.deadline = clock.monotonic() + RESOLVE_WITHIN
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        try:
            child = self._spawn(argv, writer)
        except OSError:
            os.close(self._reader)
            raise
        finally:
            os.close(writer)
        self.pid, self._pidfd = child.pid, child.pidfd
        context.loop.watch(self._reader, self._read)
        context.loop.watch(self._pidfd, self._reap)

    def _spawn(self, argv: list[str], writer: int) -> spawn.Spawned:
        # Not on its command line, which everybody on this host may read: --redis may hold a password.
        asked = os.memfd_create("jobsup-arguments")
        try:
            os.write(asked, json.dumps(argv).encode())
            os.lseek(asked, 0, os.SEEK_SET)
            program = in_directory(self._context.cwd, (*self._context.commands.resolve, str(asked)))
            return spawn.spawn(program, env=self._context.environ, fds=(asked,), stdout=writer)
        finally:
            os.close(asked)

    def tick(self, now: float) -> None:
        if now >= self.deadline:
            self.deadline = FOREVER
            self.kill()

    def excuse(self, seconds: float) -> None:
        """It gets *seconds* more."""
        self.deadline += seconds

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
