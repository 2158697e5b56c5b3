"""What systemd is told of us, and whoever asks it (``systemctl status``).  ``answers``, ``sentence`` and ``extension``
are pure; ``Notices`` listens, looks and sends.

=================================  ====================================================================================
READY                              every pool has its workers; again after every reload, however it ended
RELOADING                          a reload has begun, or was refused: a READY is owed in both cases
STOPPING                           a stop has begun; newer versions of systemd take it for final, so never on quiet
WATCHDOG                           the loop went round, said twice in the time that is allowed
EXTEND_TIMEOUT_USEC                for as long as our own budgets allow, some seconds at a time: were we to hang
                                   meanwhile, systemd would learn it by our silence
STATUS                             one sentence for people
=================================  ====================================================================================
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from jobsup import clock
from jobsup.clock import FOREVER
from jobsup.config.model import Config
from jobsup.log import printable
from jobsup.parent import budget
from jobsup.parent.child import Child
from jobsup.parent.crew import Crew
from jobsup.parent.housekeeping import Housekeeping
from jobsup.parent.loop import Context
from jobsup.parent.plan import Mode
from jobsup.parent.pools import Pools
from jobsup.parent.reload import Reloader, Step
from jobsup.parent.stages import Stage
from jobsup.unix import notify

EXTENSION = 10.0
"""Seconds that are asked for at a time; the loop goes round every five."""
_EVERY = 1.0
"""Seconds between two looks."""
_LONGEST = 1000
"""Characters of a sentence: one line of a terminal tells more than a screen."""


_STEPS = {Step.RESOLVING: "reading the configuration", Step.LOADING: "loading the code"}


class Told(Enum):
    """What systemd takes us for."""

    STARTING = auto()
    READY = auto()
    RELOADING = auto()
    STOPPING = auto()


def answers(told: Told, event: str, now: float) -> tuple[Told, list[str]]:
    """What systemd is to take us for after *event*, and the messages that tell it; *now* in monotonic seconds."""
    if told is Told.STOPPING:
        return told, []
    reloading = f"RELOADING=1\nMONOTONIC_USEC={int(now * 1e6)}"
    match event:
        case "stop.begun":
            return Told.STOPPING, ["STOPPING=1"]
        case "parent.ready":
            return Told.READY, ["READY=1"]
        case "reload.begun":
            return Told.RELOADING, [reloading]
        case "reload.done" | "reload.failed" if told is not Told.STARTING:
            return Told.READY, ["READY=1"] if told is Told.RELOADING else [reloading, "READY=1"]
    return told, []


@dataclass(frozen=True, slots=True)
class Scene:
    """What a person wants to know.

    Attributes:
        sizes: how many workers every pool is to have.
        ready: how many are READY, whatever their generation.
        step: of the last reload, whose number is *generation*.
        renewed: workers of the new generation that are READY.
        jobs: how many run.
        leaving: workers that leave, and how many jobs they still run.
        until: Unix seconds; when the last job is interrupted.
        failed: pools that were given up.
        drain: what was said last of the drain of a stop.
    """

    told: Told
    mode: Mode
    sizes: dict[str, int]
    ready: int
    generation: int = 1
    step: Step = Step.DONE
    renewed: int = 0
    jobs: int = 0
    leaving: tuple[int, int] = (0, 0)
    until: float = 0.0
    failed: tuple[str, ...] = ()
    redis: bool = True
    drain: str = ""
    refusal: str = ""
    """Why the last reload was refused or rolled back."""


def sentence(scene: Scene) -> str:
    """*scene* on one line."""
    return printable("; ".join([_state(scene), *_remarks(scene)]))[:_LONGEST]


def _state(scene: Scene) -> str:
    size = sum(scene.sizes.values())
    match scene.told:
        case Told.STOPPING if scene.jobs:
            at = time.strftime("%H:%M:%S", time.localtime(scene.until))
            return f"Draining: {_count(scene.jobs, 'job')} running, until {at}"
        case Told.STOPPING:
            return "Stopping: no job is running"
        case _ if scene.mode is Mode.QUIET:
            return f"Quiet: fetching nothing more, {_count(scene.jobs, 'job')} running"
        case Told.STARTING:
            return f"Starting: {scene.ready} of {_count(size, 'worker')} ready"
        case Told.RELOADING:
            step = _STEPS.get(scene.step, f"{scene.renewed} of {_count(size, 'worker')} new")
            return f"Reloading, generation {scene.generation}: {step}"
    ready = f"{scene.ready} of {_count(size, 'worker')}" if scene.ready < size else _count(scene.ready, "worker")
    return f"{ready} ready in {_count(len(scene.sizes), 'pool')}"


def _remarks(scene: Scene) -> list[str]:
    if scene.told is Told.STOPPING:
        return [scene.drain] if scene.drain else []
    remarks = [f"given up: {', '.join(scene.failed)}"] if scene.failed else []
    if not scene.redis:
        remarks.append("Redis is away")
    if scene.leaving[0] and scene.mode is Mode.RUNNING:
        workers, jobs = scene.leaving
        remarks.append(f"{_count(workers, 'worker')} leaving with {_count(jobs, 'job')}")
    if scene.refusal and scene.told is Told.READY:
        remarks.append(f"the last reload was refused: {scene.refusal}")
    return remarks


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def extension(now: float, until: float) -> str:
    """The line that asks for more time while our own budget lasts, *until*; "" when it has run out."""
    seconds = min(EXTENSION, until - now)
    return f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}" if seconds > 0 else ""


class Notices:
    """Nothing at all when nobody wants to be told.

    1. events  change what systemd takes us for
    2. tick    send that, and what the look shows, once the loop went round
    """

    def __init__(
        self, context: Context, config: Config, crew: Crew, pools: Pools, reloader: Reloader, house: Housekeeping
    ) -> None:
        self._crew = crew
        self._pools = pools
        self._reloader = reloader
        self._house = house
        self._told = Told.STARTING
        self._until = clock.monotonic() + budget.start(config)
        self._drain = ""
        self._said = ""
        self._waiting: deque[str] = deque()
        self._next_look = 0.0
        self._next_ping = FOREVER
        self.deadline = FOREVER
        self._notify = notify.connect(context.environ)
        if self._notify is None:
            return
        context.events.subscribe(self._happened)
        watchdog = notify.watchdog(context.environ)
        if watchdog is not None:
            self._period, self._next_ping = watchdog / 2, 0.0

    def tick(self, now: float, mode: Mode, give_up_at: float) -> None:
        """The loop went round.  *give_up_at*: when a stop no longer waits for its workers."""
        if self._notify is None:
            return
        moves = now < self._next_look or self._told is not Told.READY or mode is not Mode.RUNNING
        if self._flush(self._notify):
            self._waiting += self._news(now, mode, give_up_at)
        if self._flush(self._notify):
            self.deadline = min(self._next_ping, self._next_look if moves else FOREVER)
        else:
            self.deadline = now + _EVERY

    def _flush(self, to: notify.Notify) -> bool:
        """Whether nothing waits any more."""
        while self._waiting and to.send(self._waiting[0]):
            self._waiting.popleft()
        return not self._waiting

    def _news(self, now: float, mode: Mode, give_up_at: float) -> list[str]:
        lines = []
        if now >= self._next_ping:
            self._next_ping = now + self._period
            lines.append("WATCHDOG=1")
        if now >= self._next_look:
            self._next_look = now + _EVERY
            lines += self._look(now, mode, give_up_at)
        return ["\n".join(lines)] if lines else []

    def _happened(self, event: str, facts: dict[str, Any]) -> None:
        now = clock.monotonic()
        if event == "reload.begun":
            self._until = now + budget.reload(self._reloader.current.config)
        elif event.startswith("drain.") and facts["cause"] == "stop":
            self._drain = facts["sentence"]
        self._told, messages = answers(self._told, event, now)
        self._waiting += messages
        if messages:
            self._next_look = 0.0

    def _look(self, now: float, mode: Mode, give_up_at: float) -> list[str]:
        lines = []
        if self._told is not Told.READY:
            until = give_up_at + budget.AFTER_THE_WORKERS if self._told is Told.STOPPING else self._until
            lines.append(extension(now, until))
        said = sentence(self._scene(now, mode))
        if said != self._said:
            self._said = said
            lines.append(f"STATUS={said}")
        return [line for line in lines if line]

    def _scene(self, now: float, mode: Mode) -> Scene:
        workers = [child for child in self._crew if not child.profile.isolated]
        leaving = [child for child in self._crew if child.leaving]
        ready = [child for child in workers if child.stage is Stage.READY]
        last = max((child.deadline - child.profile.kill_after for child in leaving), default=now)
        reload = self._reloader.status()
        return Scene(
            self._told,
            mode,
            self._pools.sizes,
            len(ready),
            generation=int(str(reload["generation"])),
            step=Step(reload["state"]),
            renewed=sum(child.generation is self._reloader.next for child in ready),
            jobs=_jobs(self._crew),
            leaving=(len(leaving), _jobs(leaving)),
            until=clock.wall() + max(0.0, last - now),
            failed=tuple(self._crew.failed_pools()),
            redis=self._house.redis,
            drain=self._drain,
            refusal=str(reload["reason"]),
        )


def _jobs(children: Iterable[Child]) -> int:
    return sum(len(child.slot.running()) for child in children)
