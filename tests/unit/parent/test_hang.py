"""Who is hung, and who is only kept from running."""

from __future__ import annotations

import pytest

from jobsup.parent.hang import EVERY, LATE, Look, State, judge
from jobsup.unix.process import Activity


def look(at: float, state: str = "S", cpu: float = 0.0) -> Look:
    return Look(at, Activity(state, cpu))


def test_who_ticks_is_fine_whatever_the_process_does() -> None:
    assert judge(LATE - 0.1, look(0), look(EVERY, "R", 5.0)) is State.FINE


def test_one_look_is_not_enough() -> None:
    assert judge(LATE, None, look(0)) is State.LATE


def test_a_process_that_burns_cpu_is_starved_not_dead() -> None:
    assert judge(60.0, look(0, "R", 10.0), look(EVERY, "R", 14.8)) is State.STARVED


def test_a_process_that_does_nothing_is_dead() -> None:
    assert judge(60.0, look(0, "S", 10.0), look(EVERY, "S", 10.01)) is State.DEAD


@pytest.mark.parametrize("letter", ["T", "t", "D"])
def test_who_cannot_run_is_not_late(letter: str) -> None:
    assert judge(3600.0, look(0), look(EVERY, letter)) is State.STOPPED
    assert judge(3600.0, None, look(EVERY, letter)) is State.STOPPED
