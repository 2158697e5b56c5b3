"""What Prometheus reads, given what is known."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from conftest import required
from jobsup import __version__
from jobsup.keeper.figures import Figures
from jobsup.keeper.metrics import Exposition, Known, pool_names
from jobsup.unix.pulse import Facts
from scraped import MAIN, known, page, samples


def test_what_the_parent_knows_of_a_pool_is_told_by_profile() -> None:
    found = samples(page(known()))

    assert {name: value for (name, *labels), value in found.items() if labels == ["main"]} == {
        "jobsup_workers": 2,
        "jobsup_workers_wanted": 3,
        "jobsup_worker_processes": 5,
        "jobsup_concurrency": 10,
        "jobsup_busy": 7,
        "jobsup_in_hand": 8,
        "jobsup_pool_failed": 1,
        "jobsup_generation": 4,
        "jobsup_jobs_processed_total": 1_000_000,
        "jobsup_jobs_failed_total": 30,
        "jobsup_workers_started_total": 20,
        "jobsup_worker_deaths_total": 2,
    }


def test_what_waits_in_redis_is_told_by_queue() -> None:
    found = samples(page(known()))

    assert {key: value for key, value in found.items() if "size" in key[0] or "latency" in key[0]} == {
        ("jobsup_queue_size", "mail"): 3,
        ("jobsup_queue_size", "low"): 0,
        ("jobsup_queue_latency_seconds", "mail"): 12.5,
        ("jobsup_queue_latency_seconds", "low"): 0,
        ("jobsup_quarantine_size", "mail"): 1,
        ("jobsup_quarantine_size", "low"): 0,
        ("jobsup_retry_size",): 4,
        ("jobsup_schedule_size",): 5,
        ("jobsup_dead_size",): 6,
    }


def test_durations_are_a_histogram_whose_buckets_add_up() -> None:
    found = samples(page(known()))

    def ended_within(limit: str) -> float:
        return found["jobsup_job_duration_seconds_bucket", "Receipt", limit, "main"]

    assert [ended_within(limit) for limit in ("0.004", "0.256", "1.024", "16777.216", "+Inf")] == [2, 2, 5, 5, 6]
    assert found["jobsup_job_duration_seconds_count", "Receipt", "main"] == 6
    assert found["jobsup_job_duration_seconds_sum", "Receipt", "main"] == pytest.approx(100_000.5, rel=0.05)


def test_versions_are_labels() -> None:
    found = samples(page(known()))

    assert found["jobsup_info", __version__] == 1
    assert found["jobsup_profile_info", "main", "2.1"] == 1


@pytest.mark.parametrize("away", [{"redis": False}, {"figures": None}, {"redis": False, "figures": None}])
def test_of_what_redis_does_not_say_now_nothing_is_shown(away: dict[str, Any]) -> None:
    found = samples(page(known(**away)))

    assert found["jobsup_redis_up",] == away.get("redis", True)
    assert found["jobsup_busy", "main"] == 7
    assert not [key for key in found if "size" in key[0] or "latency" in key[0] or "duration" in key[0]]


def test_of_the_pools_of_a_parent_that_stands_still_nothing_is_shown() -> None:
    assert samples(page(known(now=130.0)))["jobsup_live",] == 1
    found = samples(page(known(now=130.1)))

    assert found["jobsup_live",] == 0
    assert not [key for key in found if "main" in key and "jobsup_profile" not in key[0] and "duration" not in key[0]]
    assert found["jobsup_queue_size", "mail"] == 3


def test_before_the_parent_has_said_anything_there_is_a_page_all_the_same() -> None:
    found = samples(page(known(facts=Facts(), pools={}, figures=None)))

    assert (found["jobsup_live",], found["jobsup_stopping",]) == (1, 0)


def test_a_stop_is_seen() -> None:
    assert samples(page(known(facts=Facts(100.0, stopping=True))))["jobsup_stopping",] == 1


def test_suspects_run_in_a_pool_of_their_own() -> None:
    assert pool_names(known().config) == ["main", "main.quarantine"]


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "größer", "bad \udcff name"])
def test_no_name_can_break_the_page(name: str) -> None:
    figures = Figures(100.0, {name: 1}, {name: 0.0}, {name: 0}, 0, 0, 0, {})
    pools = {name: MAIN}

    found = samples(page(known(figures=figures, pools=pools)))

    shown = name.encode("utf-8", "backslashreplace").decode()
    assert found["jobsup_queue_size", shown] == 1
    assert found["jobsup_busy", shown] == 7


def test_no_password_is_shown() -> None:
    assert "secret" not in page(known())


def test_a_page_is_made_once_a_second_however_many_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def ask() -> Known:
        asked.append(1)
        return known()

    exposition = Exposition()
    pages = [exposition.page(ask, now) for now in (5.0, 5.5, 5.9, 6.1)]

    assert len(asked) == 2
    assert pages[0] is pages[2]


def test_it_says_that_it_is_the_text_format() -> None:
    assert Exposition().page(known, 0.0).kind.startswith("text/plain; version=0.0.4")


@pytest.fixture
def promtool() -> Callable[[str], str]:
    def check(text: str) -> str:
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    required(shutil.which("promtool") is not None, "promtool (Debian's prometheus)")
    return check


def test_the_names_and_texts_are_as_prometheus_wants_them(promtool: Callable[[str], str]) -> None:
    assert promtool(page(known())) == ""
    assert "jobsup_total" in promtool("# HELP jobsup_total x\n# TYPE jobsup_total gauge\njobsup_total 1\n")
