"""The command as a person meets it: real processes, their words and their exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jobsup.exits import Exit

pytestmark = pytest.mark.system


def jobsup(*arguments: str, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
    program = "import sys; sys.argv[0] = 'jobsup'; from jobsup.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, cwd=directory, timeout=60
    )


def test_the_version_is_one_line_and_a_success() -> None:
    result = jobsup("-V")

    assert (result.stdout, result.returncode) == ("jobsup 0.1.0\n", Exit.OK)


def test_help_has_examples() -> None:
    result = jobsup("--help")

    assert result.returncode == Exit.OK
    assert "Examples:" in result.stdout
    assert "jobsup -C config/sidekiq.yml -C config/heavy.yml" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [["--nonsense"], ["nonsense"], ["-c", "many"], ["-P", "x"], ["check", "--nonsense"], ["-c", "2", "check"],
     ["--log-format", "xml"], ["-C"]],
)  # fmt: skip
def test_a_usage_error_is_one_sentence_and_exit_code_64(arguments: list[str]) -> None:
    result = jobsup(*arguments)

    assert result.returncode == Exit.USAGE
    assert result.stdout == ""
    assert result.stderr.startswith("jobsup: ")
    assert result.stderr.count("\n") == 1


def test_a_wrong_configuration_stops_the_start_with_78_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text("a: [1\n")

    result = jobsup("-C", "c.yml", "-C", "none.yml", directory=tmp_path)

    assert result.returncode == Exit.CONFIG
    assert "c.yml:2: is not valid YAML" in result.stderr
    assert "none.yml: does not exist" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_resolver_of_a_reload_prints_one_json_object(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text("concurrency: 0\n")
    program = [sys.executable, "-P", "-m", "jobsup.cli.resolve", "0"]

    good = subprocess.run(program, input=b'["-q", "a"]', capture_output=True, cwd=tmp_path, timeout=60)
    bad = subprocess.run(program, input=b'["-C", "c.yml"]', capture_output=True, cwd=tmp_path, timeout=60)

    assert (good.returncode, list(json.loads(good.stdout))) == (Exit.OK, ["config"])
    assert (bad.returncode, list(json.loads(bad.stdout))) == (Exit.CONFIG, ["problems"])


def test_the_command_starts_without_loading_what_only_subcommands_need() -> None:
    program = "import sys, jobsup.cli.main; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", program], text=True).split())

    assert not loaded & {"yaml", "rich", "redis", "orjson", "jobsup.cli.run", "jobsup.store", "jobsup.parent"}
