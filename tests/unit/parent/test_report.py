"""The two sentences about a drain, and what they are made of."""

from __future__ import annotations

import re
from typing import Any

import pytest

from jobsup.config.model import Capsule, Profile
from jobsup.durations import Durations, bucket
from jobsup.parent.report import Job, Tally, allowed, forecast, tally
from jobsup.unix.slot import Running

DURATIONS = {
    "Mail": Durations({bucket(0.5): 1000}),
    "Video": Durations({bucket(40): 90, bucket(71): 10}),
}


def job(klass: str, age: float = 0.0, budget: float = 25.0, *, pauses: bool = False) -> Job:
    return Job(klass, age, budget, pauses)


def said(*jobs: Job, begun: bool = True) -> str:
    return re.sub(r"\d\d:\d\d:\d\d", "TIME", forecast(jobs, DURATIONS).sentence(1e9, begun=begun))


def test_it_says_what_finishes_and_what_will_be_given_back_when() -> None:
    jobs = [job("Mail")] * 10 + [job("Video"), job("Video", budget=20.0)]

    found = forecast(jobs, DURATIONS)

    assert (found.running, found.finish, found.within) == (12, 10, 25.0)
    assert [(late.klass, late.jobs, late.within) for late in found.late] == [("Video", 2, 20.0)]
    assert found.late[0].p95 == pytest.approx(71, rel=0.05)
    assert re.fullmatch(
        r"Drain: 12 running; 10 finish within 25 s; 2 x Video \(p95 (6[89]|7\d) s\) will be given back at TIME",
        said(*jobs),
    )


def test_for_how_long_a_job_has_run_counts() -> None:
    assert forecast([job("Video", age=30.0)], DURATIONS).finish == 1, "nine of ten end after 40 s"
    assert forecast([job("Video", age=45.0, budget=10.0)], DURATIONS).finish == 0, "it is one of the long ones"
    assert forecast([job("Mail", age=60.0)], DURATIONS).finish == 0, "none ever took so long"


def test_of_what_nobody_knows_it_says_so() -> None:
    found = forecast([job("New"), job("New"), job("Import", pauses=True)], DURATIONS)

    assert (found.finish, found.late, found.unmeasured, found.pausing) == (0, (), {"New": 2}, {"Import": 1})
    assert said(job("New"), job("Import", pauses=True)).endswith(
        "1 x Import will stop at the next item; 1 x New not measured yet"
    )


def test_a_stop_at_once_gives_everything_back_now() -> None:
    assert said(job("Mail", budget=0.0), job("New", budget=0.0)).count("will be given back now") == 2


def test_a_reload_names_the_earliest_time_because_workers_leave_one_after_the_other() -> None:
    assert "will be given back after TIME" in said(job("Video", budget=25.0), begun=False)


def test_nothing_running_is_a_sentence_too() -> None:
    assert said() == "Drain: nothing is running"


def test_a_sentence_names_a_few_classes_and_counts_the_others() -> None:
    sentence = said(*[job(f"K{n}", budget=0.0) for n in range(9)])

    assert sentence.count("x K") == 5
    assert sentence.endswith("; 4 of other classes too")


@pytest.mark.parametrize(
    ("own", "patience", "expected"), [(0.0, 0.0, 25.0), (40.0, 0.0, 40.0), (90.0, 0.0, 60.0), (5.0, 3600.0, 3600.0)]
)
def test_a_job_has_the_time_that_its_worker_gives_it(own: float, patience: float, expected: float) -> None:
    profile = Profile("main", 1, (Capsule("default", 1, (("default", 0),)),), timeout=25.0, max_timeout=60.0)

    assert allowed(running("a", timeout=own), profile, patience) == expected


def running(jid: str, begun: float = 100.0, **fields: Any) -> Running:
    return Running(begun, 0.0, 1, 1, 1, False, jid, "Video", "q", **fields)


def test_what_ran_was_finished_given_back_or_killed() -> None:
    stuck = running("stuck", 90.0)

    found = tally(
        [running("done"), running("late"), stuck], ["late", "stuck", "began-meanwhile"], [stuck], (12.0, "Mail"), 130.0
    )

    assert found == Tally(finished=1, given_back=2, killed=1, longest=40.0, klass="Video")
    assert found.sentence(30.04) == "Drained in 30 s: 1 finished, 2 given back, 1 killed; the longest ran 40 s (Video)"


def test_jids_longer_than_the_table_holds_are_still_the_same_job() -> None:
    long = "j" * 60

    assert tally([running(long[:48])], [long], [], (0.0, ""), 130.0) == Tally(given_back=1)


def test_tallies_add_up_and_keep_the_longest() -> None:
    total = Tally(1, 2, 3, 4.0, "A") + Tally(10, 20, 30, 2.0, "B")

    assert total == Tally(11, 22, 33, 4.0, "A")
    assert Tally().sentence(0.31) == "Drained in 0.3 s: 0 finished, 0 given back, 0 killed"
