"""Jobs may run twice: their results are recorded once, and every run stays visible."""

import sqlite3
from pathlib import Path

import pytest

from jobsup.contrib.demo import jobs, results, stdlib
from jobsup.contrib.demo.stdlib import ModuleFacts, PackageFacts

FACTS = ModuleFacts(size=10, lines=2, functions=1, classes=0, sha256="ab")


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = str(tmp_path / "results.sqlite")
    results.create(path)
    return path


def test_a_second_run_changes_no_result_and_is_still_seen(database: str) -> None:
    for pid, facts in ((1, FACTS), (2, ModuleFacts(99, 9, 9, 9, "cd"))):
        run = results.begin(database, "jid", "Demo::Module", "json", pid, 100.0)
        results.finish(database, run, "json", facts, 101.0)

    assert results.modules(database) == {"json": FACTS}
    assert [(run.pid, run.finished) for run in results.runs(database)] == [(1, 101.0), (2, 101.0)]


def test_a_run_that_was_cut_short_has_no_end_and_no_result(database: str) -> None:
    results.begin(database, "jid", "Demo::Module", "json", 1, 100.0)

    assert results.runs(database)[0].finished is None
    assert results.count(database) == (0, 0)


def test_a_run_whose_result_cannot_be_recorded_does_not_count_as_finished(database: str) -> None:
    run = results.begin(database, "jid", "Demo::Module", "json", 1, 100.0)
    with results.transaction(database) as connection:
        connection.execute("DROP TABLE modules")

    with pytest.raises(sqlite3.OperationalError):
        results.finish(database, run, "json", FACTS, 101.0)

    assert results.runs(database)[0].finished is None


def test_modules_and_packages_of_the_same_name_are_two_results(database: str) -> None:
    for facts in (FACTS, PackageFacts(size=10, compressed=5)):
        run = results.begin(database, "jid", "job", "json", 1, 100.0)
        results.finish(database, run, "json", facts, 101.0)

    assert results.count(database) == (1, 1)
    assert results.packages(database) == {"json": PackageFacts(size=10, compressed=5)}


def test_the_jobs_record_what_they_found(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(jobs.DATABASE, database)

    jobs.ModuleJob.perform_inline("this")
    jobs.PackageJob.perform_inline("tomllib")

    assert results.modules(database) == {"this": stdlib.measure(stdlib.source("this").read_bytes())}
    assert results.packages(database)["tomllib"].compressed < results.packages(database)["tomllib"].size


def test_the_jobs_say_where_they_belong_when_nobody_names_the_results(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(jobs.DATABASE, raising=False)

    with pytest.raises(RuntimeError, match="belong to `jobsup demo`"):
        jobs.ModuleJob.perform_inline("this")
