from collections.abc import Iterator
from typing import Any

import pytest

from jobsup.config.model import Capsule, Profile
from jobsup.parent.child import Child
from jobsup.parent.stages import Stage
from jobsup.unix.link import Link, pair
from jobsup.unix.slot import Slot

PROFILE = Profile("main", 1, (Capsule("default", 1, (("default", 0),)),), max_timeout=60.0, kill_after=5.0)


@pytest.fixture
def child() -> Iterator[Child]:
    ours, theirs = pair()
    unused: Any = None
    child = Child(PROFILE, unused, unused, Link(ours, blocking=False), Slot.create(1), deadline=1e9)
    child.stage = Stage.READY
    yield child
    child.close()
    theirs.close()


def test_without_a_word_of_its_own_a_worker_may_need_all_that_it_is_allowed(child: Child) -> None:
    child.begin_leaving(100.0)

    assert (child.stage, child.deadline) == (Stage.DRAINING, 165.0)


def test_the_last_word_of_a_leaving_worker_counts(child: Child) -> None:
    child.begin_leaving(100.0)
    child.leave_by(110.0)
    child.leave_by(140.0)

    assert child.deadline == 145.0


def test_no_word_puts_the_deadline_behind_what_is_allowed(child: Child) -> None:
    child.begin_leaving(100.0)
    child.leave_by(1_000.0)

    assert child.deadline == 165.0


def test_a_worker_that_leaves_by_itself_is_bounded_as_well(child: Child) -> None:
    child.leave_by(1e12)

    assert child.leaving
    assert child.deadline < 1e9


def test_a_halt_shortens_and_cannot_be_put_off_again(child: Child) -> None:
    child.begin_leaving(100.0)
    child.halt(110.0)
    child.leave_by(150.0)

    assert child.deadline == 115.0
