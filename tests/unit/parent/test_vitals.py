"""What is told of each pool."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from running import profile

from jobsup.parent.child import Child
from jobsup.parent.stages import Stage
from jobsup.parent.vitals import Vitals
from jobsup.unix.link import Link, pair
from jobsup.unix.pidfd import Ended
from jobsup.unix.pulse import Facts, Pool, Pulse
from jobsup.unix.slot import Slot


class Crew(list[Child]):
    """Workers, and the pools that were given up."""

    failed: tuple[str, ...] = ()
    able = 2

    def failed_pools(self) -> list[str]:
        return [*self.failed]

    def enter(
        self, pool: str = "main", stage: Stage = Stage.READY, pid: int = 7, busy: int = 0, done: int = 0
    ) -> Child:
        ours, theirs = pair()
        theirs.close()
        unused: Any = None
        child = Child(profile(pool), unused, unused, Link(ours, blocking=False), Slot.create(1), 1e9)
        child.stage, child.pid = stage, pid
        child.slot.set_work(busy, busy + 1)
        child.slot.set_done(done, done // 2)
        self.append(child)
        return child


@pytest.fixture
def crew() -> Iterator[Crew]:
    crew = Crew()
    yield crew
    for child in crew:
        child.close()


@pytest.fixture
def pulse() -> Iterator[Pulse]:
    yield (made := Pulse.create())
    made.close()


def beat(vitals: Vitals, crew: Any, **sizes: int) -> None:
    pools: Any = SimpleNamespace(
        wanted=lambda: {name: (size, SimpleNamespace(number=3)) for name, size in sizes.items()}
    )
    vitals.beat(5.0, crew, pools, started=True, stopping=False)


def end(vitals: Vitals, crew: Crew, child: Child, *, crash: bool) -> None:
    verdict: Any = SimpleNamespace(crash=crash)
    vitals.ended(child, Ended(), verdict)
    crew.remove(child)
    child.close()


def test_a_pool_is_the_sum_of_its_workers(crew: Crew, pulse: Pulse) -> None:
    crew.enter(busy=1, done=10)
    crew.enter(stage=Stage.DRAINING, busy=1, done=4)
    crew.enter(stage=Stage.BOOTING)
    crew.enter("heavy", busy=1)
    crew.failed = ("heavy",)

    beat(Vitals(pulse), crew, main=2, heavy=1)

    assert pulse.read() == Facts(5.0, started=True, able=2, failed=1)
    assert pulse.pools("main", "heavy") == {
        "main": Pool(2, 1, 1, 2, 5, 3, 3, failed=0, started=3, processed=14, failures=7),
        "heavy": Pool(1, 1, 1, 1, 2, 3, 1, failed=1, started=1),
    }


def test_what_the_dead_did_still_counts_and_the_counters_never_fall(crew: Crew, pulse: Pulse) -> None:
    vitals = Vitals(pulse)
    crashed, asked = crew.enter(done=10), crew.enter(done=2)
    beat(vitals, crew, main=2)
    before = pulse.pools("main")["main"]

    end(vitals, crew, crashed, crash=True)
    end(vitals, crew, asked, crash=False)
    crew.enter(done=1)
    beat(vitals, crew, main=2)

    after = pulse.pools("main")["main"]
    assert (before.started, before.deaths, before.processed, before.failures) == (2, 0, 12, 6)
    assert (after.started, after.deaths, after.processed, after.failures) == (3, 1, 13, 6)


def test_a_worker_that_nobody_has_named_yet_is_no_process(crew: Crew, pulse: Pulse) -> None:
    crew.enter(stage=Stage.SPAWNING, pid=0)

    beat(Vitals(pulse), crew, main=1)

    assert pulse.pools("main") == {"main": Pool(wanted=1, generation=3, in_hand=1)}
