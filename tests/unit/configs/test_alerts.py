"""The alert rules, and that everything which names a metric names one that there is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from conftest import required
from scraped import known, page, samples

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / "configs"
RULES = CONFIGS / "alerts.yml"
NAMES = {name for name, *_ in samples(page(known()))}

Promtool: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]
ONE = '{job="jobsup", instance="a"}'
MAIN = '{job="jobsup", instance="a", profile="main"}'
QUARANTINE = '{job="jobsup", instance="a", profile="main.quarantine"}'
MAIL = '{job="jobsup", instance="a", queue="mail"}'

CASES: list[tuple[str, dict[str, str], dict[str, str]]] = [
    # alert, series of an hour by the minute that make it fire, series that do not
    ("JobsupAbsent", {"up": "1x60"}, {f"jobsup_info{ONE}": "1x60"}),
    ("JobsupHangs", {f"jobsup_live{ONE}": "0x60"}, {f"jobsup_live{ONE}": "1x60"}),
    ("JobsupRedisAway", {f"jobsup_redis_up{ONE}": "0x60"}, {f"jobsup_redis_up{ONE}": "1x60"}),
    (
        "JobsupQueueLate",
        {f"jobsup_queue_latency_seconds{MAIL}": "400x60"},
        {f"jobsup_queue_latency_seconds{MAIL}": "0x57 400x2"},
    ),
    ("JobsupPoolFailed", {f"jobsup_pool_failed{MAIN}": "1x60"}, {f"jobsup_pool_failed{MAIN}": "0x60"}),
    (
        "JobsupWorkersMissing",
        {f"jobsup_workers{MAIN}": "1x60", f"jobsup_workers_wanted{MAIN}": "2x60", f"jobsup_stopping{ONE}": "0x60"},
        {f"jobsup_workers{MAIN}": "0x60", f"jobsup_workers_wanted{MAIN}": "2x60", f"jobsup_stopping{ONE}": "1x60"},
    ),
    (
        "JobsupWorkersDie",
        {f"jobsup_worker_deaths_total{MAIN}": "0+1x60"},
        {f"jobsup_worker_deaths_total{MAIN}": "7x60", f"jobsup_worker_deaths_total{QUARANTINE}": "0+1x60"},
    ),
    (
        "JobsupJobsFail",
        {f"jobsup_jobs_failed_total{MAIN}": "0+30x60", f"jobsup_jobs_processed_total{MAIN}": "0+100x60"},
        {f"jobsup_jobs_failed_total{MAIN}": "0+10x60", f"jobsup_jobs_processed_total{MAIN}": "0+100x60"},
    ),
    ("JobsupJobsDead", {f"jobsup_dead_size{ONE}": "5x30 6x30"}, {f"jobsup_dead_size{ONE}": "6x30 5x30"}),
]


@pytest.fixture
def promtool() -> Promtool:
    def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)

    required(shutil.which("promtool") is not None, "promtool (Debian's prometheus)")
    return run


def test_prometheus_takes_the_rules_and_would_refuse_wrong_ones(promtool: Promtool, tmp_path: Path) -> None:
    done = promtool("check", "rules", RULES)
    assert done.returncode == 0, done.stdout + done.stderr

    wrong = tmp_path / "wrong.yml"
    wrong.write_text(RULES.read_text().replace("absent(jobsup_info)", "absent(jobsup_info"))
    assert promtool("check", "rules", wrong).returncode == 1


def test_every_alert_fires_when_it_should_and_only_then(promtool: Promtool, tmp_path: Path) -> None:
    alerts = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    assert {alert for alert, _, _ in CASES} == alerts
    tests = [an_hour(alert, loud, True) for alert, loud, _ in CASES]
    tests += [an_hour(alert, quiet, False) for alert, _, quiet in CASES]
    file = tmp_path / "tests.json"  # JSON is YAML
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))

    done = promtool("test", "rules", file)

    assert done.returncode == 0, done.stdout + done.stderr


def an_hour(alert: str, series: dict[str, str], fires: bool) -> dict[str, Any]:
    expression = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})'
    expected = [{"labels": "{}", "value": 1}] if fires else []
    return {
        "interval": "1m",
        "name": f"{alert} {fires}",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": expression, "eval_time": "59m", "exp_samples": expected}],
    }


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(CONFIGS.rglob("*.y*ml")) if "jobsup_" in path.read_text()],
    ids=lambda path: path.name,
)
def test_every_metric_that_a_file_names_is_one_that_is_exposed(path: Path) -> None:
    assert set(re.findall(r"\bjobsup_[a-z_]+", path.read_text())) <= NAMES


def test_the_files_that_need_metrics_are_among_them() -> None:
    assert "jobsup_queue_size" in (CONFIGS / "kubernetes" / "keda-metrics.yaml").read_text()


def test_the_page_that_explains_the_metrics_explains_all_of_them_with_their_labels() -> None:
    rows = re.findall(r"^\| `(jobsup_\w+)(?:\{([^}]*)\})?` \|", (ROOT / "docs" / "monitoring.md").read_text(), re.M)
    explained = {name: set(filter(None, labels.split(", "))) for name, labels in rows}
    exposed: dict[str, set[str]] = {}
    for name, labels in re.findall(r"^(jobsup_\w+)(?:\{(.*)\})? ", page(known()), re.M):
        found = set(re.findall(r'(\w+)="', labels)) - {"le"}
        exposed.setdefault(re.sub("_(bucket|sum|count)$", "", name), set()).update(found)

    assert explained == exposed
