"""The parent's handle on an exec'ed child that is replaced when it dies."""

import os
import random
import signal
import socket
from collections.abc import Callable, Mapping, Sequence

from jobsup import clock
from jobsup.clock import FOREVER
from jobsup.parent import restart
from jobsup.parent.loop import Context
from jobsup.typedefs import JSON
from jobsup.unix import link, pidfd, process, spawn
from jobsup.unix.link import Link, Message
from jobsup.unix.pidfd import Ended

BOOT_TIMEOUT = 60.0
_SPAWN_RETRY = 1.0
STOP_GRACE = 5.0
_EOF_GRACE = 1.0


class Helper:
    """Keeps one keeper, template or guard of the embedded server alive.

    1. tick      start it, or start it again after a back-off that never gives up; kill it when it does not
                 become ready, or does not leave, in time
    2. messages  ``ready`` and ``loaded`` are noted here; each is passed on
    3. stop      ask it to leave, once and for all
    """

    def __init__(
        self,
        context: Context,
        name: str,
        *,
        role: str,
        fds: Sequence[int],
        env: Mapping[str, str] | None = None,
        boot_timeout: float = BOOT_TIMEOUT,
        hello: Callable[[], Message],
        on_message: Callable[["Helper", Message, list[int]], None],
        on_end: Callable[["Helper"], None],
    ) -> None:
        self.name = name
        self.role = role
        self.ready = False
        self.pid = 0
        """0 while there is no process."""
        self.started = 0.0
        self.crashes = restart.History()
        self.wanted = True
        self._context = context
        self._fds = tuple(fds)
        self._env = {**context.environ, **(env or {})}
        self._boot_timeout = boot_timeout
        self._hello = hello
        self._on_message = on_message
        self._on_end = on_end
        self._pidfd = -1
        self._link: Link | None = None
        self._ended: Ended | None = None
        self._starved = False
        """The last start failed for want of something, and that was said."""
        self._act_at = 0.0
        """Without a process: when to start one.  With one: when it is late."""

    @property
    def gone(self) -> bool:
        """No process, and no message of it can come any more."""
        return self._link is None

    @property
    def deadline(self) -> float:
        return FOREVER if self.gone and not self.wanted else self._act_at

    def send(self, op: str, /, fds: Sequence[int] = (), **fields: object) -> None:
        if self._link is not None:
            self._link.send(op, fds, **fields)

    def status(self, now: float) -> dict[str, JSON]:
        """For ``ctl status``."""
        return {
            "name": self.name,
            "pid": self.pid,
            "state": "ready" if self.ready else "starting",
            "rss": process.resident_bytes(self.pid) if self.pid else 0,
            "age": round(now - self.started, 3),
            "crashes": self.crashes.recent(now),
        }

    def tick(self, now: float) -> None:
        if now < self.deadline:
            return
        if self.gone:
            self._start(now)
        elif self._ended is not None:
            self._finish()  # some descendant keeps its link open: no word of it is waited for any longer
        else:
            self._act_at = FOREVER
            reason = "it took too long"
            self._context.events.emit("child.killed", child=self.name, pid=self.pid, reason=reason)
            self.kill()

    def stop(self) -> None:
        """Ask it to leave; SIGKILL follows.  Nothing is started any more."""
        if self.wanted:
            self.wanted = False
            self._act_at = clock.monotonic() + STOP_GRACE
            self.send("stop")

    def excuse(self, seconds: float) -> None:
        """While it boots it gets *seconds* more."""
        if self.pid and not self.ready and self.wanted:
            self._act_at += seconds

    def kill(self) -> None:
        if self.pid:
            pidfd.send(self._pidfd, signal.SIGKILL)

    def _start(self, now: float) -> None:
        try:
            ours, child = self._exec()
        except OSError as error:  # the system has no process or descriptor to spare
            self._act_at = now + _SPAWN_RETRY
            if not self._starved:
                self._starved = True
                self._context.events.emit("spawn.failed", child=self.name, error=error, seconds=_SPAWN_RETRY)
            return
        self._starved = False
        self.pid, self._pidfd, self.started = child.pid, child.pidfd, now
        self.ready, self._ended = False, None
        self._act_at = now + self._boot_timeout
        self._link = Link(ours, blocking=False)
        self._context.loop.watch(self._pidfd, self._reap)
        self._context.loop.watch_link(self._link, self._receive)
        self._context.events.emit("child.started", child=self.name, pid=self.pid, generation="-")
        hello = self._hello()
        self._link.send(hello.pop("op"), **hello)

    def _exec(self) -> tuple[socket.socket, spawn.Spawned]:
        ours, theirs = link.pair()
        fds = (theirs.fileno(), *self._fds)
        program = (*self._context.commands.role, self.role, *map(str, fds))
        try:
            return ours, spawn.spawn(in_directory(self._context.cwd, program), env=self._env, fds=fds)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()  # the child's copy must be the only one, or its death would bring no EOF

    def _receive(self) -> None:
        if self._link is None:
            return
        try:
            messages = self._link.receive()
        except ValueError:
            self.kill()  # it does not speak our language: nothing it says can be trusted
            self._context.loop.forget(self._link)
            self._link.closed = True
            messages = []
        for message, fds in messages:
            if message["op"] in ("ready", "loaded"):
                self.ready = True
                if self.wanted:
                    self._act_at = FOREVER
            self._on_message(self, message, fds)
        if self._link is not None and self._link.closed:
            self._context.loop.forget(self._link)
            if self._ended is not None:
                self._finish()
            else:  # dying, as a rule; one that lives on without its link is of no use
                self._act_at = min(self._act_at, clock.monotonic() + _EOF_GRACE)

    def _reap(self) -> None:
        self._ended = pidfd.reap(self._pidfd)
        if self._ended is None:
            return
        self._context.loop.forget(self._pidfd)
        self._act_at = clock.monotonic() + _EOF_GRACE
        self._receive()  # its last words

    def _finish(self) -> None:
        """Its process is reaped and its link read to the end."""
        if self._link is None:
            return
        ended, pid = self._ended or Ended(), self.pid
        self._context.loop.forget(self._link)
        self._link.close()
        os.close(self._pidfd)
        now = clock.monotonic()
        worked = now - self.started if self.ready else 0.0
        self._link, self._pidfd, self.pid, self.ready = None, -1, 0, False
        if self.wanted:
            self.crashes = self.crashes.add(now, worked)
            wait = restart.delay(self.crashes, random.random())
            self._act_at = now + wait
            self._context.events.emit("child.crashed", child=self.name, pid=pid, verdict=ended, seconds=wait)
        else:
            self._context.events.emit("child.ended", child=self.name, pid=pid, verdict=ended)
        self._on_end(self)


def in_directory(directory: str, program: Sequence[str]) -> list[str]:
    """*program* as a command that first changes to *directory*.

    A shell does it in the child, because posix_spawn cannot and the parent must not: a directory can be on
    a file system that hangs.
    """
    return ["/bin/sh", "-c", 'cd -- "$0" && exec "$@"', directory, *program]
