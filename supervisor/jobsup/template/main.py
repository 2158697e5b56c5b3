"""A template: imports the application once and forks workers from it.

1. load     import what the profiles require, freeze the garbage collector's objects (a collection in a
            worker then leaves the shared pages alone), say ``loaded`` or ``failed``
2. spawn    fork a worker for the parent, which reaps it; say ``spawned`` with a pidfd.  All that were
            asked for meanwhile come from one fork of the template: suspects do not wait for one another
3. EOF      the parent is gone: leave at once, workers see their own EOF

It runs no job and starts no thread.  Signals keep their default action: a TERM ends it, the parent replaces
it, and no worker notices.
"""

import contextlib
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NoReturn, TypeAlias

from jobsup import clock
from jobsup.config.model import Config, Profile
from jobsup.errors import RedisRefused, explained
from jobsup.exits import Exit
from jobsup.log import Logger
from jobsup.unix import fork, process, proctitle
from jobsup.unix.link import Link, Message
from jobsup.unix.slot import Slot

RunWorker: TypeAlias = Callable[[Link, Slot, Profile, str, int, bool], int]
"""link, slot, profile, nonce, generation, whether the application is loaded -> exit code"""
Prepare: TypeAlias = Callable[[Config], RunWorker]
"""Makes what all workers share; may raise RedisRefused."""
Birth: TypeAlias = tuple[Message, list[int]]
"""A ``spawn``, with the descriptors of the worker's link and slot."""
Load: TypeAlias = Callable[[Sequence[str], str], None]


def load_application(require: Sequence[str], base: str) -> None:
    from jobsup.jobs.loading import load

    load(require, base)


class Template:
    """One per generation and per group of profiles that import the same things."""

    def __init__(self, link: Link, parent: int, prepare: Prepare, load: Load) -> None:
        self._link = link
        self._parent = parent
        self._prepare = prepare
        self._load = load
        self._config: Config
        self._run_worker: RunWorker
        self._loaded = False

    def run(self) -> int:
        while not self._link.closed:
            births: list[Birth] = []
            stopped = False
            for message, fds in self._link.receive():
                if message["op"] == "load":
                    if not self._start(message):
                        return Exit.SOFTWARE
                elif message["op"] == "spawn":
                    births.append((message, fds))
                elif message["op"] == "stop":
                    stopped = True
            if births:
                self._spawn(births)
            if stopped:
                return Exit.OK
        return Exit.OK

    def _start(self, message: Message) -> bool:
        begun = clock.monotonic()
        self._config = Config.load(message["config"])
        proctitle.set_title(proctitle.template(message["generation"]))
        profiles = [p for p in self._config.profiles if p.name in message["profiles"]]
        if profiles[0].preload:
            try:
                self._load(profiles[0].require, os.getcwd())
            # SystemExit too: a module that calls sys.exit() on import has failed to be imported.
            except BaseException as error:  # noqa: BLE001
                self._link.send("failed", traceback=explained(error))
                return False
            self._loaded = True
        try:
            self._run_worker = self._prepare(self._config)
        except RedisRefused as error:
            self._link.send("failed", traceback=explained(error))
            return False
        gc.collect()
        gc.freeze()
        self._link.send("loaded", seconds=clock.monotonic() - begun)
        return True

    def _spawn(self, births: list[Birth]) -> None:
        def report(nonce: str, pid: int, pidfd: int) -> None:
            self._link.send("spawned", fds=[pidfd], nonce=nonce, pid=pid)

        def body(birth: Birth) -> NoReturn:
            self._be_worker(birth, births)

        try:
            if not fork.fork_for(self._parent, report, {birth[0]["nonce"]: partial(body, birth) for birth in births}):
                for message, _ in births:  # of those that were named before the parent knows better
                    self._link.send("spawn_failed", nonce=message["nonce"], error="the system has no process to spare")
        finally:
            # Nobody but the worker may hold its end: the parent waits for EOF on the other one.
            _close(births)

    def _be_worker(self, birth: Birth, births: list[Birth]) -> NoReturn:
        code: int = Exit.SOFTWARE
        message, (link_fd, slot_fd) = birth
        try:
            self._link.close()
            _close(other for other in births if other is not birth)
            fork.reset_signals()
            profile = self._config.profile(message["profile"])
            link = Link.from_fd(link_fd, blocking=False)
            slot = Slot.from_fd(slot_fd)
            nonce, generation = message["nonce"], message["generation"]
            code = self._run_worker(link, slot, profile, nonce, generation, self._loaded)
        except BaseException as error:  # noqa: BLE001  the process ends here, whatever it was
            if process.starved(error):
                code = Exit.STARVED  # the parent says so, once
            else:
                logger = Logger(message["profile"], form=self._config.log_format)
                logger("worker.crashed", {"traceback": traceback.format_exc()})
        finally:
            # Not sys.exit: handlers that the application registered in the template are the template's.
            with contextlib.suppress(OSError, ValueError):  # nobody reads, or the job closed it
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)


def _close(births: Iterable[Birth]) -> None:
    for _, fds in births:
        for fd in fds:
            os.close(fd)


def run(link_fd: int, prepare: Prepare, load: Load = load_application) -> int:
    """The template's process, from exec to exit code."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own handler would print a traceback
    parent = os.getppid()
    process.die_with_parent(parent)
    return Template(Link.from_fd(link_fd, blocking=True), parent, prepare, load).run()
