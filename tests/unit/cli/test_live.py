"""Measured durations against configured budgets: which classes deploys interrupt, and how often."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobsup.cli.live import Class, compare, problems
from jobsup.config.check import Checked
from jobsup.config.load import Setting
from jobsup.config.model import Capsule, Profile
from jobsup.durations import Durations, bucket
from jobsup.store.durations import Measured

NOW, HOUR = 1_800_000_000.0, 3600.0
MAIN = Profile("main", 1, (Capsule("default", 1, (("default", 0),)),), timeout=25.0, max_timeout=60.0)
CHECKED = Checked("main.yml", {"name": Setting("main", "default"), "timeout": Setting(25.0, "main.yml:3")})


def compared(profile: Profile, **classes: Durations) -> list[Class]:
    measured = Measured(NOW - HOUR, {("main", name): durations for name, durations in classes.items()})
    return compare(measured, [profile], NOW)


def told(profile: Profile, **classes: Durations) -> list[tuple[str, str, str]]:
    return [(p.level, p.where, p.message) for p in problems(compared(profile, **classes), [CHECKED])]


def runs(count: int, seconds: float) -> Durations:
    return Durations({bucket(seconds): count})


def test_of_the_jobs_that_run_at_a_stop_those_further_from_their_end_are_interrupted() -> None:
    [video] = compared(MAIN, Video=runs(72, 100.0))

    # Each run can be hit in 75 of its 100 seconds, and two run at any moment.
    assert video.stop.interrupted == pytest.approx(0.75, abs=0.03)
    assert video.stop.each == pytest.approx(1.5, abs=0.15)


def test_what_every_deploy_interrupts_is_an_error_that_says_how_often() -> None:
    [(level, where, message)] = told(MAIN, Video=runs(72, 100.0), Mail=runs(10_000, 0.2))

    assert (level, where) == ("error", "main.yml:3")
    assert message.startswith("Video in pool main takes ")
    assert "any deploy gives it 25 s" in message
    assert "74% of those that run then are interrupted, about 1.4 at each" in message


def test_what_happens_rarely_is_told_in_deploys() -> None:
    [(_, _, message)] = told(MAIN, Video=runs(1, 100.0))

    assert "about one in 50 deploys" in message


def test_a_long_drain_makes_a_stop_the_only_danger_which_is_a_warning() -> None:
    [(level, _, message)] = told(replace(MAIN, drain=600.0), Video=runs(72, 100.0))

    assert level == "warning"
    assert "a stop gives it 25 s" in message
    assert message.endswith("deploy by reload")


def test_a_drain_that_is_too_short_is_an_error_all_the_same() -> None:
    [(level, _, message)] = told(replace(MAIN, drain=40.0), Video=runs(72, 100.0))

    assert (level, "even a reload gives it 40 s" in message) == ("error", True)


def test_a_class_has_its_own_timeout_up_to_what_the_profile_allows() -> None:
    [own] = compared(MAIN, Video=replace(runs(1, 100.0), timeout=50.0))
    [capped] = compared(MAIN, Video=replace(runs(1, 100.0), timeout=500.0))

    assert (own.stop.budget, capped.stop.budget) == (50.0, 60.0)


def test_iterable_jobs_are_never_interrupted() -> None:
    assert told(MAIN, Import=replace(runs(10, 5000.0), pauses=True)) == []


def test_classes_of_pools_that_are_not_here_are_left_out() -> None:
    assert compare(Measured(NOW - HOUR, {("other", "Video"): runs(9, 100.0)}), [MAIN], NOW) == []


def test_nothing_measured_is_said_and_is_no_error() -> None:
    [(level, _, message)] = told(MAIN)

    assert (level, "was measured" in message) == ("warning", True)
