"""A kernel that forks, kills and tells only what and when it is told to, and the processes it has."""

from __future__ import annotations

import os
import select
import signal
from collections import deque
from collections.abc import Callable, Collection
from contextlib import ExitStack
from typing import Any
from unittest import mock

from jobsup import clock
from jobsup.config.model import QUARANTINE, Capsule, Config, Profile
from jobsup.parent import crew as crew_module
from jobsup.unix import link, pidfd, process
from jobsup.unix.link import Link
from jobsup.unix.pidfd import Ended
from jobsup.unix.slot import Slot

BOOT, MOST, KILL_AFTER, THREADS = 10.0, 5.0, 2.0, 2
PATIENCE = 20.0


class Process:
    """A worker.

    Attributes:
        doomed: SIGKILL was sent; it dies when the kernel gets round to it.
        said: messages that have not arrived yet.
        heard: what its parent asked of it.
    """

    def __init__(self, pid: int, nonce: str, pool: str, fds: tuple[int, int]) -> None:
        self.pid, self.nonce, self.pool = pid, nonce, pool
        self.link, self.slot = Link.from_fd(fds[0], blocking=False), Slot.from_fd(fds[1])
        self.ended: Ended | None = None
        self.named = self.reaped = self.doomed = False
        self.said: deque[dict[str, Any]] = deque()
        self.heard: list[str] = []

    @property
    def alive(self) -> bool:
        return self.ended is None

    def listen(self) -> None:
        self.heard += [message["op"] for message, _ in self.link.receive()]

    def say(self, op: str, **fields: Any) -> None:
        self.said.append({"op": op, **fields})

    def speak(self) -> None:
        """The next of its messages arrives."""
        message = self.said.popleft()
        self.link.send(message.pop("op"), **message)

    def end(self, ended: Ended) -> None:
        """Its descriptors go with it; what it had said stays to be read."""
        while self.said:
            self.speak()
        self.ended = ended
        self.link.close()
        self.slot.close()


class Template:
    """Forks what it was asked for when the kernel lets it; *said* are its messages that have not arrived yet."""

    def __init__(self) -> None:
        self.ready = True
        self.dying = False
        self.asked: list[dict[str, Any]] = []
        self.said: deque[dict[str, Any]] = deque()

    def send(self, op: str, /, fds: tuple[int, ...] = (), **fields: Any) -> None:
        if self.ready:
            self.asked.append({"fds": tuple(os.dup(fd) for fd in fds), **fields})

    def kill(self) -> None:
        self.dying = True


class Generation:
    """One configuration with its template."""

    def __init__(self, number: int, wanted: dict[str, int]) -> None:
        self.number = number
        self.proven = False
        self.made = Template()
        profiles = tuple(
            Profile(
                name,
                size,
                (Capsule("default", THREADS, ((name, 0),)),),
                max_timeout=MOST,
                timeout=MOST,
                kill_after=KILL_AFTER,
                drain=PATIENCE,
                boot_timeout=BOOT,
                max_jobs=7,
            )
            for name, size in wanted.items()
        )
        self.config = Config(profiles, "redis://")
        self.profiles = {profile.name: profile for profile in profiles}
        self.profiles |= {p.name + QUARANTINE: self.config.quarantine(p) for p in profiles}

    def template(self, pool: str) -> Template:
        return self.made


class Keeper:
    """*heard* are the identities that it was told of and has not answered."""

    def __init__(self) -> None:
        self.running = True
        self.wanted = True
        self.heard: list[str] = []

    def send(self, op: str, /, **fields: Any) -> None:
        if self.running and op == "ended":
            self.heard.append(fields["identity"])


class Loop:
    """Says who is readable, in the order it is told."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.watched: dict[Any, Callable[[], None]] = {}

    def watch(self, fd: int, callback: Callable[[], None]) -> None:
        self.watched[fd] = callback

    watch_link = watch

    def forget(self, fd: Any) -> None:
        self.watched.pop(fd, None)

    def wake(self, chooser: Any) -> None:
        """Everybody who is readable, whoever comes first: many deaths are one awakening."""
        poll = select.poll()
        for fd in self.watched:
            poll.register(fd, select.POLLIN)
        readable = {fd for fd, _ in poll.poll(0)}
        ready = [fd for fd in self.watched if isinstance(fd, Link) and fd.fileno() in readable]
        ready += [fd for fd in self.watched if isinstance(fd, int) and not self.kernel.named[fd].alive]
        chooser.shuffle(ready)
        for fd in ready:
            if callback := self.watched.get(fd):
                callback()


class Kernel:
    """Time, processes and what may be asked of them; it refuses what must never be asked."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.wall = 1e9
        self.starved = False
        """No descriptors are left."""
        self.processes: list[Process] = []
        self.named: dict[int, Process] = {}
        """By the parent's descriptor."""
        self._patches = ExitStack()

    def install(self) -> None:
        pair = link.pair
        for owner, name, fake in (
            (clock, "monotonic", lambda: self.now),
            (clock, "wall", lambda: self.wall),
            (pidfd, "reap", self._reap),
            (pidfd, "send", self._send),
            (process, "kill_group", self._kill_group),
            (crew_module.link, "pair", lambda: self._pair(pair)),
        ):
            self._patches.enter_context(mock.patch.object(owner, name, fake))

    def remove(self) -> None:
        self._patches.close()

    def fork(self, asked: dict[str, Any]) -> Process:
        made = Process(100 + len(self.processes), asked["nonce"], asked["profile"], asked["fds"])
        self.processes.append(made)
        return made

    def name(self, made: Process) -> tuple[dict[str, Any], list[int]]:
        """The message that names it, with its pidfd."""
        fd = os.open(os.devnull, os.O_RDONLY)
        self.named[fd] = made
        made.named = True
        return {"nonce": made.nonce, "pid": made.pid}, [fd]

    def living(self, *, doomed: bool = False) -> list[Process]:
        return [made for made in self.processes if made.alive and (made.doomed or not doomed)]

    def _pair(self, pair: Callable[[], Any]) -> Any:
        if self.starved:
            raise OSError(24, "Too many open files")
        return pair()

    def _reap(self, fd: int) -> Ended | None:
        found = self.named[fd]
        assert not found.reaped, "reaped twice"
        found.reaped = not found.alive
        return found.ended

    def _send(self, fd: int, sig: signal.Signals) -> bool:
        found = self.named[fd]
        assert not found.reaped, "a signal to a reaped process"
        found.doomed = found.doomed or sig is signal.SIGKILL
        return found.alive

    def _kill_group(self, pgid: int) -> None:
        found = [made for made in self.processes if made.pid == pgid and made.named and not made.reaped]
        assert found, "a signal to a process group that is not ours"


def descriptors() -> Collection[str]:
    """Of this process."""
    return os.listdir("/proc/self/fd")
