"""The sentence that says how a worker ended."""

from __future__ import annotations

from typing import Any

from jobsup.parent.verdict import sentence
from jobsup.unix.pidfd import Ended
from jobsup.unix.slot import READY, Running, Ticks

TICKS = Ticks(99_500_000_000, 99_000_000_000, 2, 3, READY, 5, 48 * 1_048_576)


def job(jid: str, begun: float = 98.8) -> Running:
    return Running(begun, 0.0, 1, 1, 1, False, jid, "Heavy", "mail")


def said(ended: Ended, **facts: Any) -> str:
    given = {"sent": "", "memory": "", "ticks": TICKS, "running": [job("abc")], "age": 12.34, "now": 100.0} | facts
    return sentence(ended, **given)


def test_it_says_how_in_which_state_and_what_ran() -> None:
    assert said(Ended(signal=11)) == (
        "killed by SIGSEGV after 12.3s; it was ready with 48 MB, last heard of 0.5s before; it ran Heavy abc for 1.2s"
    )


def test_a_kill_of_ours_is_said_to_be_ours_and_why() -> None:
    assert said(Ended(signal=9), sent="it did not leave in time").startswith(
        "killed by SIGKILL by jobsup (it did not leave in time) after"
    )


def test_the_kernels_kill_is_told_from_somebody_elses() -> None:
    assert said(Ended(signal=9), memory="out of memory").startswith("killed by SIGKILL (out of memory) after")
    assert said(Ended(signal=9)).startswith("killed by SIGKILL after")


def test_an_exit_code_of_ours_is_explained_and_a_jobs_is_not() -> None:
    assert said(Ended(code=70)).startswith("exit code 70 (a thread of jobsup failed")
    assert said(Ended(code=3)).startswith("exit code 3 after")


def test_of_many_jobs_some_are_named_and_the_others_counted() -> None:
    assert said(Ended(code=3), running=[job(str(n)) for n in range(5)]).endswith(
        "it ran Heavy 0 for 1.2s, Heavy 1 for 1.2s, Heavy 2 for 1.2s and 2 more"
    )


def test_one_that_never_beat_and_ran_nothing_is_said_to_have_ended_and_no_more() -> None:
    assert said(Ended(), ticks=Ticks(0, 0, 0, 0, 0, 5, 0), running=[]) == "unseen after 12.3s"
