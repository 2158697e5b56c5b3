"""``jobsup units``: a unit with the paths from here and the timeouts that the profiles need."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from conftest import required
from jobsup.cli import check
from jobsup.cli.units import command, command_line, filled
from jobsup.exits import Exit


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PWD", str(tmp_path))
    (tmp_path / "short.yml").write_text("require: app.jobs\n")
    (tmp_path / "long.yml").write_text(
        "require: app.jobs\ntimeout: 60\nmax_timeout: 3600\nkill_after: 10\nboot_timeout: 200\n"
        "production:\n  max_timeout: 7200\n"
    )
    return tmp_path


def units(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["systemd", *arguments])


def values(unit: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in unit.splitlines() if "=" in line and not line.startswith("#"))


def test_the_timeouts_are_those_that_the_profiles_need_together(directory: Path) -> None:
    found = values(units("-C", "short.yml", "-C", "long.yml").stdout)

    assert found["TimeoutStopSec"] == str(3600 + 10 + 20)
    assert found["TimeoutStartSec"] == str(60 + 2 * 200)
    assert values(units("-C", "long.yml", "-e", "production").stdout)["TimeoutStopSec"] == str(7200 + 10 + 20)


def test_the_grace_of_the_place_where_it_is_printed_cuts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBSUP_GRACE", "30")

    assert values(units("-C", "long.yml").stdout)["TimeoutStopSec"] == str(3600 + 10 + 20)


def test_the_paths_are_absolute_and_everything_else_is_the_shipped_unit(directory: Path) -> None:
    unit = units("-C", "long.yml", "-e", "production").stdout
    shipped = (Path(__file__).parents[3] / "systemd" / "jobsup.service").read_text()

    found = values(unit)
    assert found["WorkingDirectory"] == str(directory)
    assert found["ExecStart"].endswith(f" -C {directory}/long.yml -e production")
    assert found["ExecStart"].startswith("/")
    changed = {key for key, value in values(shipped).items() if found[key] != value}
    assert changed == {"WorkingDirectory", "ExecStart", "ExecReload", "TimeoutStartSec", "TimeoutStopSec"}


def test_systemd_and_our_own_check_find_nothing_wrong_with_it(directory: Path) -> None:
    required(shutil.which("systemd-analyze") is not None, "systemd-analyze")
    (directory / "jobsup.service").write_text(units("-C", "short.yml", "-C", "long.yml").stdout)

    said = subprocess.run(
        ["systemd-analyze", "verify", "./jobsup.service"], capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stderr) == (0, "")
    files = ["-C", "short.yml", "-C", "long.yml", "--redis", "redis://h", "--systemd", "jobsup.service"]
    assert CliRunner().invoke(check.command, files).exit_code == Exit.OK


def test_a_profile_that_is_wrong_has_no_unit(directory: Path) -> None:
    (directory / "short.yml").write_text("concurrency: -1\n")
    result = units("-C", "short.yml")

    assert (result.exit_code, result.stdout) == (Exit.CONFIG, "")
    assert "concurrency" in result.stderr


def test_who_installed_it_where_the_service_cannot_look_is_told_so(directory: Path) -> None:
    assert f"the unit hides {directory}" in units("-C", "short.yml").stderr


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["/opt/app/jobsup", "-C", "a.yml"], "/opt/app/jobsup -C a.yml"),
        (["/opt/my app/jobsup"], '"/opt/my app/jobsup"'),
        (["100%", "$HOME", 'a"b', "c\\d", ""], '100%% $$HOME "a\\"b" "c\\\\d" ""'),
    ],
)
def test_a_command_is_written_so_that_systemd_reads_the_same_words(words: list[str], line: str) -> None:
    assert command_line(words) == line


def test_a_unit_without_the_key_to_be_filled_in_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        filled("[Service]\nExecStart=x\n", {"TimeoutStopSec": "1"})
