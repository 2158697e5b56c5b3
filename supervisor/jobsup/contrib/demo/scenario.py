"""The demo from start to verdict."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from jobsup import client
from jobsup.api.stats import Stats
from jobsup.contrib.demo import recount, results, stdlib, verdict
from jobsup.contrib.demo.jobs import ModuleJob, PackageJob
from jobsup.contrib.demo.show import Display, State
from jobsup.contrib.demo.supervised import Supervised
from jobsup.errors import JobsupError
from jobsup.store.connection import connect

KILL_AT, DEPLOY_AT = 0.15, 0.45
"""Parts of the modules that are done when a worker is killed, and when the deploy begins."""

_EVERYDAY = "sidekiq"
"""The pool whose worker is killed: it runs the most jobs at once."""

_POLL = 0.05
_STUCK = 60.0
"""Seconds without a new result after which the demo waits no longer: more than the first retry's delay."""
_MEASURE = 10.0
"""Seconds to wait for what is promised within 100 ms."""


@dataclass
class Scenario:
    """One demo.

    1. boot     wait until every worker is ready
    2. enqueue  a job per module, a job per package
    3. crash    SIGKILL for a busy worker, and how fast its jobs and its replacement are back
    4. deploy   ``jobsup ctl reload --wait`` while jobs run
    5. finish   wait for every result
    6. judge    stop, recount, compare
    """

    jobsup: Supervised
    display: Display
    _modules: list[str] = field(default_factory=stdlib.modules)
    _packages: list[str] = field(default_factory=stdlib.packages)
    _generations: dict[int, int] = field(default_factory=dict)  # every worker's pid ever seen
    _killed: dict[int, float] = field(default_factory=dict)

    def run(self) -> verdict.Verdict:
        """Play it.

        Raises:
            Ended: the supervisor gave up.
            JobsupError: what cannot be judged at all: no library, no workers.
        """
        if not self._modules:
            raise JobsupError(f"The standard library in {stdlib.ROOT} has no source; use a Python that has it")
        self._boot()
        self._enqueue()
        if self._past(KILL_AT):
            self._crash()
        if self._past(DEPLOY_AT):
            self._deploy()
        self._finish()
        return self._judge()

    def _boot(self) -> None:
        begun = time.monotonic()
        if not self._until(lambda status: 0 < _wanted(status) == _ready(status)):
            raise JobsupError(f"The workers are not ready after {_STUCK:.0f}s; see {self.jobsup.log}")
        self.display.say(f"All workers were ready after {time.monotonic() - begun:.1f}s.")

    def _enqueue(self) -> None:
        client.configure(self.jobsup.url)
        PackageJob.perform_bulk([[name] for name in self._packages])
        ModuleJob.perform_bulk([[name] for name in self._modules])
        self.display.say(
            f"Enqueued {len(self._modules)} jobs, one per module of the standard library, "
            f"and {len(self._packages)} heavy ones, one per package."
        )

    def _crash(self) -> None:
        victim: dict[str, Any] = {}

        def found(status: dict[str, Any]) -> bool:
            busy = [c for c in _children(status, _EVERYDAY) if c["state"] == "ready" and c["busy"] > 0]
            victim.update(max(busy, key=lambda child: child["busy"], default={}))
            return bool(victim)

        if not self._until(found):
            return
        killed, begun = time.time(), time.monotonic()
        os.kill(victim["pid"], signal.SIGKILL)
        self._killed[victim["pid"]] = killed
        replaced = back = None
        while not (replaced and back) and time.monotonic() < begun + _MEASURE:
            status = self.jobsup.status()
            if not replaced and status and _replaced(status, victim["pid"], set(self._generations)):
                replaced = time.monotonic() - begun
            back = back or self.jobsup.given_back(victim["identity"])
            time.sleep(0.002)
        self.display.say(
            f"Killed worker {victim['pid']} with SIGKILL while it ran {victim['busy']} jobs: "
            + (f"{back[0]} jobs were given back after {_ms(back[1] - killed)}, " if back else "none came back, ")
            + (f"its replacement was ready after {_ms(replaced)}." if replaced else "nothing replaced it.")
        )

    def _deploy(self) -> None:
        begun = time.monotonic()
        status = self._look()
        busy = sum(child["busy"] for child in _children(status))
        with self.jobsup.reload() as command:
            self._until(lambda _: command.poll() is not None)
        if command.returncode:
            raise JobsupError(f"The reload failed with exit code {command.returncode}; see {self.jobsup.log}")
        self.display.say(
            f"Deployed with `jobsup ctl reload --wait` while {busy} jobs ran: "
            f"generation {self._look()['generation']} had taken over after {time.monotonic() - begun:.1f}s."
        )

    def _finish(self) -> None:
        wanted = (len(self._modules), len(self._packages))
        with connect(self.jobsup.url) as redis:
            self._until(
                lambda status: (
                    self._done() == wanted
                    and not any(child["busy"] for child in _children(status))
                    and not Stats.read(redis).enqueued
                )
            )

    def _judge(self) -> verdict.Verdict:
        with connect(self.jobsup.url) as redis:
            stats = Stats.read(redis)
        current = max(self._generations.values())
        exit_code = self.jobsup.stop()
        self.display.say("Stopped.  Recounting the library, each figure another way ...")
        modules, packages = recount.everything()
        runs = results.runs(self.jobsup.results)
        deaths = verdict.Deaths(
            self._killed, frozenset(pid for pid, number in self._generations.items() if number < current)
        )
        enqueued = [("Demo::Module", name) for name in self._modules]
        enqueued += [("Demo::Package", name) for name in self._packages]
        lost = verdict.lost(enqueued, runs)
        return verdict.Verdict(
            enqueued=len(enqueued),
            finished=len(enqueued) - len(lost),
            lost=lost,
            wrong=(
                *verdict.wrong("module", results.modules(self.jobsup.results), modules),
                *verdict.wrong("package", results.packages(self.jobsup.results), packages),
            ),
            twice=verdict.twice(runs, deaths),
            left=stats.enqueued + stats.scheduled_size + stats.retry_size + stats.dead_size,
            exit_code=exit_code,
        )

    def _past(self, part: float) -> bool:
        return self._until(lambda _: self._done()[0] >= part * len(self._modules))

    def _done(self) -> tuple[int, int]:
        return results.count(self.jobsup.results)

    def _look(self) -> dict[str, Any]:
        """The supervisor's status, shown and remembered; an empty one while it boots."""
        status = self.jobsup.status()
        if status is None:
            return {"pools": []}
        self._generations |= {c["pid"]: c["generation"] for c in _children(status) if c["pid"]}
        modules, packages = self._done()
        self.display.show(
            State(
                (modules, len(self._modules)),
                (packages, len(self._packages)),
                (_ready(status), _wanted(status)),
                status["generation"],
            )
        )
        return status

    def _until(self, reached: Callable[[dict[str, Any]], bool]) -> bool:
        """Look until *reached*; False when nothing has moved for too long."""
        before, moved = self._done(), time.monotonic()
        while not reached(self._look()):
            if (now := self._done()) != before:
                before, moved = now, time.monotonic()
            if time.monotonic() >= moved + _STUCK:
                return False
            time.sleep(_POLL)
        return True


def _children(status: dict[str, Any], pool: str | None = None) -> Iterator[dict[str, Any]]:
    return (c for found in status["pools"] if pool in (None, found["name"]) for c in found["children"])


def _ready(status: dict[str, Any]) -> int:
    return sum(child["state"] == "ready" for child in _children(status))


def _wanted(status: dict[str, Any]) -> int:
    return sum(int(pool["size"]) for pool in status["pools"])


def _replaced(status: dict[str, Any], killed: int, before: set[int]) -> bool:
    """Whether the pool is complete again by a worker that was not there before."""
    return any(
        c["state"] == "ready" and c["pid"] not in before and c["pid"] != killed for c in _children(status, _EVERYDAY)
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
