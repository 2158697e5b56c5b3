"""The ledger of a chaos run, as its jobs write it."""

from __future__ import annotations

from benchmarks.chaos.ledger import Item, Ledger, Run


def test_a_run_is_a_start_and_what_the_same_process_wrote_of_the_same_job():
    ledger = Ledger()
    ledger.note(["start 1 100 10.0", "start 1 200 11.0", "end 1 200 12.0"])
    assert ledger.runs == {1: [Run(100, 10.0), Run(200, 11.0, 12.0)]}
    assert ledger.ended == {1}


def test_a_failure_ends_a_run_and_not_the_job():
    ledger = Ledger()
    ledger.note(["start 1 100 10.0", "fail 1 100 10.5"])
    assert ledger.runs == {1: [Run(100, 10.0, 10.5, failed=True)]}
    assert ledger.ended == set()


def test_following_a_file_takes_every_line_once_and_none_before_it_is_whole(tmp_path):
    path = tmp_path / "ledger"
    ledger = Ledger()
    path.write_text("start 1 100 10.0\nend 1 1")
    ledger.follow(str(path))
    assert ledger.runs == {1: [Run(100, 10.0)]}
    with path.open("a") as file:
        file.write("00 10.5\n")
    ledger.follow(str(path))
    ledger.follow(str(path))
    assert ledger.runs == {1: [Run(100, 10.0, 10.5)]}


def test_items_are_noted_with_who_did_them_and_are_no_runs():
    ledger = Ledger()
    ledger.note(["start 1 100 10.0", "item 1 100 10.1 0", "item 1 100 10.2 1", "end 1 100 10.3"])
    assert ledger.items == {1: [Item(0, 100, 10.1), Item(1, 100, 10.2)]}
    assert ledger.runs == {1: [Run(100, 10.0, 10.3)]}
