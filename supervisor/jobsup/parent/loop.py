"""The one place where the parent waits."""

import selectors
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from jobsup import clock
from jobsup.events import Events
from jobsup.unix.link import Link

Callback: TypeAlias = Callable[[], None]

_LONGEST_SLEEP = 60.0


class HasFileno(Protocol):
    def fileno(self) -> int: ...


class Loop:
    """Calls back when a descriptor is readable; also writes out what links could not write at once."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._links: dict[Link, Callback] = {}

    def watch(self, fd: int | HasFileno, callback: Callback) -> None:
        self._selector.register(fd, selectors.EVENT_READ, callback)

    def watch_link(self, link: Link, callback: Callback) -> None:
        self._links[link] = callback
        self.watch(link, callback)

    def forget(self, fd: int | HasFileno) -> None:
        """Call it before closing *fd*."""
        if isinstance(fd, Link):
            self._links.pop(fd, None)
        try:
            self._selector.unregister(fd)
        except (KeyError, ValueError):
            return  # forgotten already

    def wait(self, until: float) -> None:
        """Sleep until something is readable or *until* (monotonic) has come, then call back."""
        for link, callback in self._links.items():
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if link.pending else 0)
            self._selector.modify(link, events, callback)
        timeout = min(_LONGEST_SLEEP, max(0.0, until - clock.monotonic()))
        for key, events in self._selector.select(timeout):
            if events & selectors.EVENT_WRITE and isinstance(key.fileobj, Link):
                key.fileobj.flush()
            # An earlier callback of this round may have closed it, and its number may be in use again.
            if events & selectors.EVENT_READ and self._selector.get_map().get(key.fd) is key:
                key.data()


@dataclass(frozen=True, slots=True)
class Commands:
    """How programs are started.  Tests put stand-ins here."""

    role: tuple[str, ...]
    """Followed by the role's name and its descriptors."""
    resolve: tuple[str, ...]
    """Followed by the original arguments; prints the new configuration."""


@dataclass(frozen=True, slots=True)
class Context:
    """What every part of the parent needs.

    Attributes:
        hold: write end of a pipe that every child inherits; the embedded server stays while anyone has it.
        cwd: the directory jobsup was started in, looked up anew for every child: after a deploy the same
            path may be another directory.
        environ: what children get, before a profile's ``env``.
    """

    loop: Loop
    events: Events
    commands: Commands
    hold: int
    cwd: str
    environ: dict[str, str]
