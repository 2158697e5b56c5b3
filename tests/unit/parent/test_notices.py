"""What systemd and people are told, without a process."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from jobsup.config.model import Capsule, Config, Profile
from jobsup.parent import budget
from jobsup.parent.notices import EXTENSION, Scene, Told, answers, extension, sentence
from jobsup.parent.plan import Mode
from jobsup.parent.reload import Step

READY = Scene(Told.READY, Mode.RUNNING, {"main": 4, "heavy": 2}, 6)


def tell(*events: str) -> list[str]:
    told, said = Told.STARTING, []
    for event in events:
        told, messages = answers(told, event, 12.5)
        said += [message.partition("=")[0] for message in messages]
    return said


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (["parent.ready"], ["READY"]),
        (["parent.ready", "reload.begun", "reload.done"], ["READY", "RELOADING", "READY"]),
        (["parent.ready", "reload.begun", "reload.failed"], ["READY", "RELOADING", "READY"]),
        (["parent.ready", "reload.failed"], ["READY", "RELOADING", "READY"]),
        (["reload.failed", "parent.ready"], ["READY"]),
        (["stop.begun", "parent.ready"], ["STOPPING"]),
        (["parent.ready", "reload.begun", "stop.begun", "reload.failed"], ["READY", "RELOADING", "STOPPING"]),
        (["parent.ready", "stop.begun", "stop.begun"], ["READY", "STOPPING"]),
        (["parent.ready", "parent.signal", "child.crashed"], ["READY"]),
    ],
)
def test_every_reloading_is_followed_by_ready_and_stopping_by_nothing(events: list[str], said: list[str]) -> None:
    assert tell(*events) == said


def test_a_reload_says_when_it_began_on_the_clock_that_systemd_compares() -> None:
    _, [message] = answers(Told.READY, "reload.begun", 12.5)

    assert message == "RELOADING=1\nMONOTONIC_USEC=12500000"


@pytest.mark.parametrize(
    ("scene", "said"),
    [
        (READY, "6 workers ready in 2 pools"),
        (Scene(Told.READY, Mode.RUNNING, {"main": 1}, 1), "1 worker ready in 1 pool"),
        (replace(READY, ready=5), "5 of 6 workers ready in 2 pools"),
        (replace(READY, failed=("heavy",), ready=4), "4 of 6 workers ready in 2 pools; given up: heavy"),
        (replace(READY, redis=False), "6 workers ready in 2 pools; Redis is away"),
        (replace(READY, leaving=(2, 1)), "6 workers ready in 2 pools; 2 workers leaving with 1 job"),
        (
            replace(READY, step=Step.FAILED, refusal="no module named shop\n"),
            r"6 workers ready in 2 pools; the last reload was refused: no module named shop\n",
        ),
        (replace(READY, told=Told.STARTING, ready=2), "Starting: 2 of 6 workers ready"),
        (
            replace(READY, told=Told.RELOADING, generation=7, step=Step.LOADING),
            "Reloading, generation 7: loading the code",
        ),
        (
            replace(READY, told=Told.RELOADING, generation=7, step=Step.SWITCHING, renewed=2),
            "Reloading, generation 7: 2 of 6 workers new",
        ),
        (replace(READY, mode=Mode.QUIET, jobs=3), "Quiet: fetching nothing more, 3 jobs running"),
        (replace(READY, told=Told.STOPPING, mode=Mode.STOPPING), "Stopping: no job is running"),
        (
            replace(READY, told=Told.STOPPING, mode=Mode.STOPPING, drain="Drained in 3 s: 2 finished"),
            "Stopping: no job is running; Drained in 3 s: 2 finished",
        ),
    ],
)
def test_a_person_reads_in_one_sentence_what_goes_on(scene: Scene, said: str) -> None:
    assert sentence(scene) == said


def test_a_drain_says_until_when_the_jobs_have_time() -> None:
    noon = time.mktime((2026, 5, 1, 12, 0, 5, 0, 0, -1))
    scene = replace(READY, told=Told.STOPPING, mode=Mode.STOPPING, jobs=12, until=noon)

    assert sentence(scene) == "Draining: 12 jobs running, until 12:00:05"


def test_no_reason_can_make_a_status_endless() -> None:
    assert len(sentence(replace(READY, refusal="x" * 100_000))) <= 1000


def test_more_time_is_asked_for_in_small_pieces_and_never_beyond_our_own_budget() -> None:
    assert extension(100.0, 1000.0) == f"EXTEND_TIMEOUT_USEC={int(EXTENSION * 1e6)}"
    assert extension(100.0, 104.0) == "EXTEND_TIMEOUT_USEC=4000000"
    assert extension(100.0, 100.0) == ""


def test_the_budgets_are_the_sums_of_what_bounds_the_steps() -> None:
    short = Profile("short", 2, (Capsule("default", 1, ()),), max_timeout=10, kill_after=5, boot_timeout=20)
    long = replace(short, name="long", processes=3, max_timeout=100, kill_after=10, boot_timeout=30, canary_seconds=5)
    config = Config((short, long), "redis://h")

    assert budget.start(config) == 60 + 30 + 30
    assert budget.start(replace(config, embedded="state")) == 60 + 60 + 30 + 30
    assert budget.reload(config) == 60 + 30 + (30 + 5) + 3 * 30
    assert budget.stop(config.profiles) == 110 + 5 + 15
