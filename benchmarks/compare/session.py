"""One product on an empty server: its agent pushes, its own commands run the jobs, the board counts them."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from benchmarks.chaos.processes import Server
from benchmarks.compare import environment, machine
from benchmarks.compare.machine import Instant
from benchmarks.peers.work import Board

ROOT = Path(__file__).parents[2]
WITHIN = 120.0
"""Seconds in which workers start, or go on to the next job."""
ANSWERS = 600.0
"""Seconds in which an agent carries out an order: a million jobs are pushed in less."""
LOOK = 0.01
"""Seconds between looks at the board."""


class Failed(Exception):
    """A product did not do what was measured; the message says what, and the end of its log."""


@dataclass(frozen=True, slots=True)
class Setup:
    """How a product is run.

    Attributes:
        processes, slots: worker processes, and jobs that each may run at once.
        queues: that workers listen to and jobs are spread over.
        megabytes: that the application holds.
    """

    processes: int = 1
    slots: int = 10
    queues: int = 1
    megabytes: int = 0

    def __str__(self) -> str:
        return f"{self.processes} x {self.slots}"


@dataclass
class Bench:
    """What all measurements of a run share."""

    server: Server
    cache: Path
    pythons: Sequence[str] = ()
    rates: dict[Any, float] = field(default_factory=dict)
    """What was measured -> jobs per second, of the round before."""

    def __post_init__(self) -> None:
        self.directory = tempfile.mkdtemp(prefix="jobsup-compare-")

    def close(self) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)

    @contextlib.contextmanager
    def session(self, peer: str, variant: str, setup: Setup) -> Iterator[Session]:
        """*peer* with an empty server, its agent started.

        Raises:
            Unavailable: it cannot be run here.
        """
        command = environment.agent(peer, self.cache, self.pythons)
        self.server.client.flushall()
        directory = tempfile.mkdtemp(dir=self.directory)
        session = Session(self.server, Path(directory), command, variant, setup)
        try:
            yield session
        finally:
            session.close()
            shutil.rmtree(directory, ignore_errors=True)  # whoever was killed may still be writing


class Session:
    """An agent and, once they are started, workers.

    1. ask     the agent to push
    2. start   the workers
    3. follow  the board until so many jobs ended; ``steady`` returns the middle of that
    4. stop    everything, by SIGKILL: how products stop is measured elsewhere
    """

    def __init__(self, server: Server, directory: Path, agent: list[str], variant: str, setup: Setup) -> None:
        self._log = directory / "log"
        self.board = Board.create(str(directory))
        self.redis = server.client
        self.server = psutil.Process(self.redis.info("server")["process_id"])
        facts = {"DIRECTORY": directory, "PORT": server.port, "VARIANT": variant, "QUEUES": setup.queues}
        facts |= {"PROCESSES": setup.processes, "SLOTS": setup.slots, "MEGABYTES": 0}
        self._directory = directory
        self._environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self._environ |= {f"BENCH_{name}": str(value) for name, value in facts.items()}
        self._megabytes = str(setup.megabytes)
        self._started: list[psutil.Popen] = []
        self._agent = self._popen(agent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self.abilities = self._answer()
        except Failed:
            self.close()
            raise

    def ask(self, op: str, **order: Any) -> dict[str, Any]:
        """See ``benchmarks/peers/agent.py``."""
        self._agent.stdin.write(json.dumps({"op": op, **order}) + "\n")
        self._agent.stdin.flush()
        return self._answer()

    def start(self) -> float:
        """Returns when, in seconds of the monotonic clock."""
        self._environ["BENCH_MEGABYTES"] = self._megabytes
        begun = time.monotonic()
        self._started = [self._popen(command) for command in self.abilities["commands"]]
        return begun

    def workers(self) -> list[psutil.Process]:
        """All processes that were started, and their children."""
        found = []
        for process in self._started:
            with contextlib.suppress(psutil.Error):
                found += [process, *process.children(recursive=True)]
        return found

    def follow(self, jobs: int) -> None:
        """Wait until *jobs* ended.

        Raises:
            Failed: none ended for two minutes, or a worker did.
        """
        self._wait(lambda: self.board.total() >= jobs, self.board.total)

    def steady(self, jobs: int, begin: float = 0.15, end: float = 0.85) -> tuple[int, Instant, Instant]:
        """Follow *jobs* to their end.  Returns how many ended between two instants, and these.

        The start of the workers and the last jobs, when some slots have none left, lie outside of them.

        Raises:
            Failed: as for ``follow``.
        """
        marks = []
        for share in (begin, end):
            self.follow(int(jobs * share))
            workers = self.workers()  # first: it takes its time, and the count belongs to the moment after
            marks.append((self.board.total(), machine.now(workers, self.server, self._agent)))
        (before, first), (after, last) = marks
        self.follow(jobs)
        return after - before, first, last

    def warm(self, jobs: int = 40) -> None:
        """Start the workers and have them run *jobs* jobs, after which they have nothing to do."""
        self.start()
        self.ask("single", count=jobs, kind="noop", value=0)
        self.follow(jobs)
        time.sleep(1.0)

    def close(self) -> None:
        for process in [self._agent, *self._started]:
            with contextlib.suppress(psutil.Error):
                members = [process, *process.children(recursive=True), *_of_session(process.pid)]
                for member in members:
                    with contextlib.suppress(psutil.Error):
                        member.kill()
            process.wait()
        for stream in (self._agent.stdin, self._agent.stdout):
            with contextlib.suppress(OSError):
                stream.close()

    def _popen(self, command: Sequence[str], **streams: Any) -> psutil.Popen:
        with self._log.open("ab") as log:
            return psutil.Popen(
                command,
                **{"stdin": subprocess.DEVNULL, "stdout": log, **streams},
                stderr=log,
                cwd=self._directory,
                env=self._environ,
                start_new_session=True,
            )

    def _answer(self) -> dict[str, Any]:
        # One line for each order, so nothing waits in the buffer that select does not see.
        ready, _, _ = select.select([self._agent.stdout], [], [], ANSWERS)
        line = self._agent.stdout.readline() if ready else ""
        if not line:
            raise Failed(f"the agent {'ended' if ready else 'does not answer'}: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _wait(self, check: Callable[[], bool], progress: Callable[[], int]) -> None:
        seen, patience = progress(), time.monotonic() + WITHIN
        while not check():
            time.sleep(LOOK)
            if progress() != seen:
                seen, patience = progress(), time.monotonic() + WITHIN
            if any(process.poll() is not None for process in self._started):
                raise Failed(f"a worker ended: {self._last_words()}")
            if time.monotonic() > patience:
                raise Failed(f"stuck at {seen} jobs: {self._last_words()}")

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return " | ".join(lines[-3:])[-400:] or "it said nothing"


def _of_session(leader: int) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == leader:
                found.append(process)
    return found
