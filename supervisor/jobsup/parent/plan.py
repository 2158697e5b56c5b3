"""What the parent should do now.  Pure: it is told the time and the state, and returns actions.

The state is looked at as a whole after everything that happened was noted, so that no order of signals,
messages and deaths needs code of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from jobsup.clock import FOREVER
from jobsup.parent.stages import Stage


class Mode(Enum):
    RUNNING = auto()
    QUIET = auto()
    """Nothing is fetched any more, and who ends is not replaced: it would have nothing to do."""
    STOPPING = auto()


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker.

    Attributes:
        deadline: when it must have booted, or must be gone.
        patient: it leaves as in a reload.
        worn: it is to be replaced, like one of an old generation.
    """

    nonce: str
    pool: str
    generation: int
    stage: Stage
    deadline: float = FOREVER
    patient: bool = False
    worn: bool = False


@dataclass(frozen=True, slots=True)
class Pool:
    """What one pool should be.

    Attributes:
        generation: the one its workers are to have.
        loaded: whether that generation's template can fork now.
        holds: times before which as many vacancies must not be filled (back-off).
        failed: it is given up; nobody is replaced.
        alone: the first worker of that generation has to prove itself before there are more.
        surge: workers above its size that it may have while some are replaced.
        generations: how many it may have workers of.
    """

    name: str
    size: int
    generation: int
    loaded: bool
    holds: tuple[float, ...] = ()
    failed: bool = False
    alone: bool = False
    surge: int = 1
    generations: int = 3


@dataclass(frozen=True, slots=True)
class State:
    mode: Mode
    pools: tuple[Pool, ...]
    workers: tuple[Worker, ...]


@dataclass(frozen=True, slots=True)
class Spawn:
    pool: str
    generation: int


@dataclass(frozen=True, slots=True)
class Quiet:
    nonce: str


@dataclass(frozen=True, slots=True)
class Drain:
    """Have it leave, with the patience of a reload or without."""

    nonce: str
    patient: bool = False


@dataclass(frozen=True, slots=True)
class Kill:
    nonce: str


Action: TypeAlias = Spawn | Quiet | Drain | Kill


def plan(state: State, now: float) -> Iterator[Action]:
    """The next steps.  Carrying them out and planning again at the same *now* yields nothing more."""
    for worker in state.workers:
        if worker.stage < Stage.KILLED and now >= worker.deadline:
            yield Kill(worker.nonce)
    staying = [w for w in state.workers if w.stage < Stage.DRAINING and now < w.deadline]
    patient = [w for w in state.workers if w.stage is Stage.DRAINING and w.patient and now < w.deadline]
    if state.mode is Mode.STOPPING:
        yield from (Drain(worker.nonce) for worker in [*staying, *patient])
        return
    if state.mode is Mode.QUIET:
        yield from (Quiet(worker.nonce) for worker in staying if worker.stage is Stage.READY)
        return
    for pool in state.pools:
        numbers = sorted({w.generation for w in state.workers if w.pool == pool.name} | {pool.generation})
        oldest = numbers[: -pool.generations]
        yield from (Drain(w.nonce) for w in patient if w.pool == pool.name and w.generation in oldest)
        yield from _plan_pool(pool, [w for w in staying if w.pool == pool.name], oldest, now)


def _plan_pool(pool: Pool, staying: list[Worker], oldest: list[int], now: float) -> Iterator[Action]:
    """Bring one pool to its size and its generation, never below the capacity it has now."""
    others = [w for w in staying if w.worn or w.generation != pool.generation]
    current = [w for w in staying if not w.worn and w.generation == pool.generation]
    ready = [w for w in staying if w.stage is Stage.READY]

    # Superseded before it took a job: nothing is lost by letting it go.
    leaving = [w for w in others if w.stage is not Stage.READY]
    # Old workers leave one for one, as others have become READY; those of a shrunken pool, newest first.
    # Beside one that proves itself all stay: if it fails nothing was lost.  Until it is READY it takes up the surge.
    beside = max(0, pool.surge - sum(w.stage < Stage.READY for w in current)) if pool.alone else 0
    surplus = max(0, len(ready) - pool.size - beside)
    old_first = [w for w in others if w.stage is Stage.READY] + [w for w in reversed(current) if w.stage is Stage.READY]
    leaving += old_first[:surplus]
    # A pool that shrank while its workers boot.
    too_many = max(0, len(current) - pool.size)
    leaving += [w for w in reversed(current) if w.stage < Stage.READY][:too_many]
    yield from (Drain(worker.nonce, patient=worker.generation not in oldest) for worker in leaving)

    if pool.failed or not pool.loaded:
        return
    held = sum(1 for hold in pool.holds if hold > now)
    remaining = len(staying) - len(leaving)
    wanted = min(pool.size, 1 if pool.alone else pool.size) - len([w for w in current if w not in leaving])
    room = pool.size + (pool.surge if others else 0) - remaining
    for _ in range(min(wanted, room) - held):
        yield Spawn(pool.name, pool.generation)


def next_deadline(state: State, now: float) -> float:
    """When time alone will change the plan; FOREVER if it will not."""
    times = [worker.deadline for worker in state.workers if worker.stage < Stage.KILLED]
    times += [hold for pool in state.pools for hold in pool.holds if hold > now]
    return min(times, default=FOREVER)
