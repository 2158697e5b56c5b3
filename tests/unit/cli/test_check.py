"""``jobsup check``: what it prints and how it ends."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jobsup.cli import check as module
from jobsup.cli.check import command
from jobsup.config.flags import Flags
from jobsup.config.resolve import resolve
from jobsup.exits import Exit

CONTENT = """\
redis: redis://:hunter2@h:1/0
require: app.jobs
env:
  TOKEN: hunter2
concurrency: 3
queues: [[mail, 2], low]
"""


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yml").write_text(CONTENT)
    return tmp_path


def check(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_it_prints_every_value_with_its_origin() -> None:
    result = check("-C", "c.yml", "-t", "9")

    lines = [line.split() for line in result.stdout.splitlines()]
    assert result.exit_code == Exit.OK
    assert ["concurrency", "3", "c.yml:5"] in lines
    assert ["timeout", "9", "flag", "-t"] in lines
    assert ["max_timeout", "9", "=", "timeout"] in lines
    assert ["queues", "mail,2", "low", "c.yml:6"] in lines
    assert ["wire", "8", "default"] in lines
    assert lines[-1] == ["0", "errors,", "0", "warnings"]


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_it_never_prints_a_secret(form: list[str]) -> None:
    result = check("-C", "c.yml", *form)

    assert "hunter2" not in result.stdout
    assert "redis://:***@h:1/0" in result.stdout
    assert "TOKEN" in result.stdout


def test_an_error_ends_it_with_78_and_is_printed_beside_the_others(directory: Path) -> None:
    (directory / "c.yml").write_text("concurrency: 0\nqueue: [a]\nrequire: app\n")

    result = check("-C", "c.yml", "-C", "missing.yml")

    assert result.exit_code == Exit.CONFIG
    assert result.stdout.splitlines()[-4:] == [
        "error: missing.yml: does not exist; check the path",
        "error: c.yml:1: concurrency must be a whole number of at least 1, is 0",
        "error: c.yml:2: unknown key 'queue'; did you mean 'queues'?",
        "3 errors, 0 warnings",
    ]


def test_json_carries_values_origins_and_problems(directory: Path) -> None:
    (directory / "c.yml").write_text("new: 1\nconcurrency: 3\nrequire: app\n")

    document = json.loads(check("-C", "c.yml", "--json").stdout)

    assert document["ok"] is True
    assert document["supervisor"]["redis"]["origin"] in {"default", "$REDIS_URL"}
    assert document["profiles"][0]["settings"]["concurrency"] == {"value": 3, "origin": "c.yml:2"}
    assert document["problems"] == [
        {"level": "warning", "where": "c.yml:1", "message": "unknown key 'new' is not used"}
    ]


def test_on_a_terminal_it_draws_tables(capsys: pytest.CaptureFixture[str], directory: Path) -> None:
    module._print_tables(resolve(Flags(config=("c.yml",)), {}, str(directory)))

    drawn = capsys.readouterr().out
    assert "profile c (c.yml)" in drawn
    assert "c.yml:5" in drawn
    assert "0 errors, 0 warnings" in drawn


ROOT = Path(__file__).parents[3]
PROFILES = ["-C", str(ROOT / "configs/sidekiq.yml"), "-C", str(ROOT / "configs/heavy.yml"), "--redis", "redis://h"]


def judged(*arguments: str, **environ: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(command, [*PROFILES, "--json", *arguments], env=environ)
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.parametrize(
    ("kind", "file"),
    [
        ("kubernetes", "configs/kubernetes/deployment-default.yaml"),
        ("kubernetes", "configs/kubernetes/deployment-heavy.yaml"),
        ("kubernetes", "configs/kubernetes/drain-job.yaml"),
        ("compose", "configs/compose.yaml"),
        ("systemd", "systemd/jobsup.service"),
    ],
)
def test_the_platform_files_that_come_with_jobsup_go_with_its_profiles(kind: str, file: str) -> None:
    code, document = judged(f"--{kind}", str(ROOT / file))

    assert [p for p in document["problems"] if p["level"] == "error"] == []
    assert (code, document["ok"]) == (Exit.OK, True)


def test_a_platform_file_that_does_not_go_with_the_profiles_is_an_error_and_exit_code_1(directory: Path) -> None:
    (directory / "jobs.service").write_text("[Service]\nExecStart=jobsup -C heavy.yml\nTimeoutStopSec=10\n")

    # What the platform grants stands in its file, not in the environment of who checks it.
    code, document = judged("--systemd", "jobs.service", JOBSUP_GRACE="6")

    assert (code, document["ok"]) == (Exit.ERROR, False)
    assert {"level": "error", "where": "jobs.service:3"}.items() <= document["problems"][0].items()
    assert document["problems"][0]["message"].startswith(
        "a stop of 'heavy' may take 67s, but the unit is killed after 10s"
    )


@pytest.mark.parametrize(
    ("path", "said"), [("none.yaml", "No such file or directory"), (".", "Is a directory"), ("b", "it is not text")]
)
def test_a_platform_file_that_cannot_be_read_is_an_error(directory: Path, path: str, said: str) -> None:
    (directory / "b").write_bytes(b"\xff\xfe")
    code, document = judged("--kubernetes", path)

    assert code == Exit.ERROR
    assert document["problems"] == [{"level": "error", "where": path, "message": f"cannot be read: {said}"}]
