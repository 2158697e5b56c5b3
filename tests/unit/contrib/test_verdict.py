"""A demo passes only when every result is right and every repetition has a cause that is known."""

from dataclasses import replace

import pytest

from jobsup.contrib.demo.results import Run
from jobsup.contrib.demo.show import State, problems
from jobsup.contrib.demo.stdlib import PackageFacts
from jobsup.contrib.demo.supervised import given_back
from jobsup.contrib.demo.verdict import UNEXPLAINED, Deaths, Verdict, lost, twice, wrong
from jobsup.log import Logger

KILLED, REPLACED, CURRENT = 1, 2, 3
DEATHS = Deaths(killed={KILLED: 100.0}, replaced=frozenset({KILLED, REPLACED}))
GOOD = Verdict(enqueued=2, finished=2, lost=(), wrong=(), twice={}, left=0, exit_code=0)


def run(pid: int, started: float, finished: float | None, jid: str = "a", what: str = "json") -> Run:
    return Run(jid, "Demo::Module", what, pid, started, finished)


def test_a_demo_without_a_fault_passes() -> None:
    assert GOOD.passed
    assert replace(GOOD, twice={"its worker was killed while it ran": 5}).passed


@pytest.mark.parametrize(
    "fault",
    [
        {"finished": 1},
        {"enqueued": 0, "finished": 0},
        {"lost": ("Demo::Module json",)},
        {"wrong": ("module json: lines is 1, not 2",)},
        {"twice": {UNEXPLAINED: 1}},
        {"left": 1},
        {"exit_code": 10},
    ],
)
def test_every_single_fault_fails_it(fault: dict[str, object]) -> None:
    assert not replace(GOOD, **fault).passed


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (run(KILLED, 99.0, None), "its worker was killed while it ran"),
        (run(KILLED, 99.0, 99.9), "its worker was killed before its success was recorded in Redis"),
        (run(KILLED, 100.1, None), "the deploy's deadline interrupted it"),  # another process of that pid
        (run(REPLACED, 99.0, None), "the deploy's deadline interrupted it"),
        (run(REPLACED, 99.0, 99.5), UNEXPLAINED),
        (run(CURRENT, 99.0, None), UNEXPLAINED),
        (run(CURRENT, 99.0, 99.5), UNEXPLAINED),
    ],
)
def test_a_repetition_is_explained_by_what_happened_to_its_first_run(first: Run, reason: str) -> None:
    assert twice([first, run(CURRENT, 101.0, 102.0)], DEATHS) == {reason: 1}


def test_jobs_that_ran_once_are_not_among_the_repeated() -> None:
    assert twice([run(KILLED, 1.0, 2.0, jid="a"), run(REPLACED, 1.0, 2.0, jid="b")], DEATHS) == {}


def test_one_run_without_an_excuse_makes_the_whole_job_unexplained() -> None:
    runs = [run(KILLED, 99.0, None), run(CURRENT, 100.0, None), run(CURRENT, 101.0, 102.0)]

    assert twice(runs, DEATHS) == {UNEXPLAINED: 1}


def test_a_job_is_lost_when_none_of_its_runs_finished() -> None:
    runs = [run(KILLED, 1.0, None, what="ast"), run(CURRENT, 2.0, None, what="ast"), run(CURRENT, 1.0, 2.0)]
    enqueued = [("Demo::Module", "ast"), ("Demo::Module", "json"), ("Demo::Package", "json")]

    assert lost(enqueued, runs) == ("Demo::Module ast", "Demo::Package json")


def test_rows_are_compared_field_by_field_and_both_ways() -> None:
    recorded = {"json": PackageFacts(10, 5), "stray": PackageFacts(1, 1), "re": PackageFacts(2, 2)}
    recounted = {"json": PackageFacts(10, 6), "absent": PackageFacts(1, 1), "re": PackageFacts(2, 2)}

    assert wrong("package", recorded, recounted) == (
        "package absent is missing",
        "package json: compressed is 5, not 6",
        "package stray does not exist",
    )


def test_a_failure_is_told_in_sentences_and_never_floods() -> None:
    sentences = problems(replace(GOOD, lost=tuple(map(str, range(50))), left=3, exit_code=10))

    assert sentences[0] == "lost: 0"
    assert sentences[-2:] == ["3 jobs still lie in Redis", "jobsup stopped with exit code 10, not 0"]
    assert len(sentences) == 12


def test_the_sentence_of_the_keeper_is_understood() -> None:
    lines: list[bytes] = []

    def write(line: bytes) -> bool:
        lines.append(line)
        return True

    logger = Logger("keeper", write=write)
    logger("keeper.gave_back", {"jobs": 4, "identity": "host:11:ab", "seconds": 0.002})
    logger("keeper.gave_back", {"jobs": 5, "identity": "host:12:cd", "seconds": 0.002})
    found = given_back(b"".join(lines).decode(), "host:12:cd")

    assert found is not None
    assert found[0] == 5
    assert given_back(b"".join(lines).decode(), "host:1:ab") is None


def test_a_state_is_one_line() -> None:
    assert State((3, 10), (1, 4), (2, 3), 1).line() == "modules 3/10, packages 1/4, 2 of 3 workers ready, generation 1"
