"""What the comparison makes of its figures."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from benchmarks.compare import environment
from benchmarks.compare.environment import NAMES, OURS, PEERS, Needs, needs
from benchmarks.compare.machine import Instant, foreign
from benchmarks.compare.scenario import Case, Row, Scenario, run
from benchmarks.compare.scenarios import ALL
from benchmarks.compare.session import Failed
from benchmarks.compare.statistics import Summary, ideal, percentile, ratio, summary
from benchmarks.compare.tables import shown, table
from benchmarks.compare.variants import compared
from benchmarks.peers.work import Board
from benchmarks.profile import leaves


def test_a_summary_has_the_median_and_both_ends():
    assert summary([3.0, 1.0, 2.0]) == Summary(2.0, 1.0, 3.0, 3)


def test_a_ratio_is_that_of_rounds_not_of_medians():
    assert ratio([10, 20, 60], [1, 10, 20]) == 3.0


def test_a_round_that_one_of_them_failed_is_no_part_of_the_ratio():
    assert ratio([10, None, 30], [5, 1, None]) == 2.0


def test_without_a_common_round_there_is_no_ratio():
    assert ratio([None, 1.0], [1.0, None]) is None


def test_a_percentile_is_a_value_that_was_seen():
    assert [percentile(range(1, 101), share) for share in (0.5, 0.99, 1.0)] == [50, 99, 100]


def test_sleeping_jobs_are_limited_by_slots():
    assert ideal(10, 20) == 2_000


def test_computing_jobs_are_limited_by_processors_as_well():
    assert ideal(5, 20, 2) == 400
    assert ideal(5, 1, 2) == 200


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (12_345.6, "12,346"), (0.12345, "0.123"), (1.234, "1.23"), (12.34, "12.3"), (4.0, "4"), (0.0, "0")],
)
def test_figures_have_three_digits_that_count(value, text):
    assert shown(value) == text


def test_what_nobody_accounts_for_was_used_by_others(monkeypatch):
    monkeypatch.setattr("benchmarks.compare.machine.cores", lambda: 2)
    first, last = Instant(0.0, 0.0, 0.0, 0.0, 0.0), Instant(10.0, 6.0, 2.0, 1.0, 14.0)
    assert foreign(first, last) == pytest.approx(25.0)


RATES = Scenario("rates", "Rates", "What was run.", ("jobs/s",), more=True, cases=lambda *_: ())


def row(peer: str, variant: str, *rates: float | None, failed: str = "") -> Row:
    rounds = [None if rate is None else {"jobs/s": rate, "foreign %": 1.0} for rate in rates]
    return Row("1 x 10", peer, variant, rounds, failed)


def test_a_table_says_what_was_run_and_how_to_repeat_it():
    text = table(RATES, [row("jobsup", "default", 10.0)], "python -m benchmarks --scenario rates")
    assert text.splitlines()[:5] == ["## Rates", "", "    python -m benchmarks --scenario rates", "", "What was run."]


def test_rows_are_sorted_by_their_medians_and_compared_with_ours_also_where_another_is_better():
    rows = [
        row("slow", "fast", 100.0, 300.0),
        row("jobsup", "default", 1_000.0, 1_200.0),
        row("best", "fast", 4_000.0, 2_400.0),
    ]
    lines = [line for line in table(RATES, rows, "").splitlines() if line.startswith("|")]
    assert lines == [
        "| peer | variant | jobs/s | least to most | jobsup is better by | foreign % |",
        "| --- | --- | --- | --- | --- | --- |",
        "| best | fast | **3,200** | 2,400 to 4,000 | 0.375x | 1 |",
        "| jobsup | default | **1,100** | 1,000 to 1,200 | - | 1 |",
        "| slow | fast | **200** | 100 to 300 | 7x | 1 |",
    ]


def test_where_less_is_better_the_ratio_is_turned_around():
    waits = Scenario("waits", "Waits", "", ("ms",), more=False, cases=lambda *_: ())
    rows = [Row("", "jobsup", "default", [{"ms": 2.0}]), Row("", "other", "fast", [{"ms": 6.0}])]
    assert "| other | fast | **6** | 6 to 6 | 3x |" in table(waits, rows, "")


def test_who_failed_stays_in_the_table_with_the_reason():
    text = table(RATES, [row("jobsup", "default", 10.0), row("broken", "fast", None, failed="a worker ended")], "")
    assert "| broken | fast | - | - | - | - |" in text
    assert "broken fast, 1 of 1 rounds: a worker ended" in text


def test_everybody_has_his_turn_before_anybody_has_his_next():
    turns: list[str] = []

    def cases(*_):
        for peer in ("a", "b"):
            yield case_of(peer, turns)

    kept: list[list[int]] = []
    scenario = Scenario("turns", "", "", ("n",), more=True, cases=cases)
    run(scenario, None, None, 2, lambda rows: kept.append([len(row.rounds) for row in rows]))
    assert turns == ["a", "b", "a", "b"]
    assert kept == [[1, 1], [2, 2]]


def case_of(peer: str, turns: list[str]):
    def measure() -> dict[str, float]:
        turns.append(peer)
        return {"n": 1.0}

    return Case("", peer, "", measure)


def test_a_failure_ends_a_measurement_and_not_the_run():
    def fail() -> dict[str, float]:
        raise Failed("a worker ended")

    kept: list[Row] = []
    scenario = Scenario("fails", "", "", ("n",), more=True, cases=lambda *_: [Case("", "x", "", fail)])
    run(scenario, None, None, 1, kept.extend)
    assert [(row.rounds, row.failed) for row in kept] == [([None], "a worker ended")]


def test_metadata_names_python_and_packages():
    source = '# /// script\n# requires-python = ">=3.12"\n# dependencies = ["a==1", "b"]\n# ///\n"""It."""\n'
    assert needs(source) == Needs((3, 12), ("a==1", "b"))


@pytest.mark.parametrize(
    "source", ['"""It."""', '# /// script\n# requires-python = "~=3.12"\n# dependencies = []\n# ///\n']
)
def test_metadata_that_is_missing_or_vague_is_refused(source):
    with pytest.raises(ValueError, match=r"inline script metadata|plain lower bound"):
        needs(source)


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(OURS) - {"sidekiq"}))
def test_every_peer_pins_what_is_compared(name):
    first = needs((PEERS / f"{name}.py").read_text()).packages[0]
    assert first.lower().startswith(f"{name}==")


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"sidekiq"}))
@pytest.mark.parametrize("reliable", [False, True])
def test_what_is_compared_is_documented_by_the_peer(name, reliable):
    source = (PEERS / f"{name}.py").read_text()
    assert all(f'"{variant}": ' in source for variant in compared(name, reliable))


def test_without_an_interpreter_that_is_new_enough_a_peer_is_unavailable():
    with pytest.raises(environment.Unavailable, match=r"it needs Python 9\.1"):
        environment._interpreter((9, 1), ["/nowhere/python"])


def test_scenarios_are_known_by_their_names():
    assert all(name == scenario.name for name, scenario in ALL.items())


def test_a_board_counts_what_threads_and_forked_processes_did(tmp_path: Path):
    board = Board.create(str(tmp_path))
    board.count()
    threads = [threading.Thread(target=lambda: [board.count() for _ in range(1_000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    child = os.fork()
    if not child:
        board.count(5)
        os._exit(0)
    os.waitpid(child, 0)
    board.count()
    assert board.total() == 4_007


def test_a_stamp_is_when_the_job_of_that_number_started(tmp_path: Path):
    board = Board.create(str(tmp_path))
    board.stamp(2)
    stamps = Board(str(tmp_path)).stamps(3)
    assert stamps[:2] == [0, 0]
    assert stamps[2] > 0


def test_a_profile_is_summed_up_by_the_function_that_each_sample_was_in():
    stacks = ["run (a.py:1);work (b.py:7) 6", "run (a.py:1);work (b.py:9) 1", "run (a.py:2) 3"]
    assert leaves(stacks) == [("work (b.py)", 0.7), ("run (a.py)", 0.3)]
