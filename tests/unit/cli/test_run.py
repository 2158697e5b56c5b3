"""From a command line to the parent process; only ``exec`` itself is faked."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from jobsup.cli import resolve as reload
from jobsup.cli.run import hand_over, run
from jobsup.config.flags import Flags
from jobsup.exits import Exit


class Became(BaseException):
    """Another program, from here on."""


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Any]:
    calls: list[Any] = []

    def execv(*arguments: Any) -> None:
        calls.append(arguments)
        raise Became

    monkeypatch.setattr("os.execv", execv)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for name in ("JOBSUP_CTL", "RUNTIME_DIRECTORY", "REDIS_URL", "REDIS_PROVIDER"):
        monkeypatch.delenv(name, raising=False)
    return calls


def test_the_configuration_reaches_the_parent_on_a_descriptor_and_not_on_the_command_line(
    became: list[Any], tmp_path: Path
) -> None:
    argv = ["-r", "app", "--redis", "redis://:hunter2@h:1/0"]

    with pytest.raises(Became):
        run(Flags(require=("app",), redis="redis://:hunter2@h:1/0"), argv)

    ((program, arguments),) = became
    assert program == sys.executable
    assert arguments[:-1] == [sys.executable, "-P", "-m", "jobsup.assembly", "parent"]
    fd = int(arguments[-1])
    assert os.get_inheritable(fd)
    with open(fd) as file:
        start = json.load(file)
    assert (start["argv"], start["cwd"]) == (argv, str(tmp_path))
    assert start["config"]["redis_url"] == "redis://:hunter2@h:1/0"


def test_what_is_handed_over_cannot_be_changed_any_more() -> None:
    fd = hand_over(b"{}")

    with pytest.raises(PermissionError):
        os.write(fd, b"x")
    os.close(fd)


def test_warnings_are_said_and_errors_stop_it_with_78(
    became: list[Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(Flags(concurrency=0), [])

    assert caught.value.code == Exit.CONFIG
    assert became == []
    assert capsys.readouterr().err.splitlines() == [
        "jobsup: error: flag -c: concurrency must be a whole number of at least 1, is 0",
        "jobsup: warning: require names nothing: every job will be an unknown job; add require or -r",
    ]


def test_a_directory_for_the_control_socket_that_is_not_ours_alone_stops_it_with_73(
    became: list[Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "jobsup").mkdir(mode=0o755)

    with pytest.raises(SystemExit) as caught:
        run(Flags(require=("app",)), [])

    assert caught.value.code == Exit.CANT_CREATE
    assert "mode 0700" in capsys.readouterr().err


def test_a_reload_gets_the_configuration_of_the_same_command_line(became: list[Any], tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text("concurrency: 7\n")

    answer = reload.answer(["-C", "c.yml", "-P", "3"])

    assert answer["config"]["profiles"][0]["processes"] == 3
    assert answer["config"]["profiles"][0]["capsules"][0]["concurrency"] == 7


def test_a_reload_of_a_broken_file_or_line_gets_the_problems(became: list[Any], tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text("concurrency: 0\nfoo: 1\n")

    assert reload.answer(["-C", "c.yml"]) == {
        "problems": ["c.yml:1: concurrency must be a whole number of at least 1, is 0"]
    }
    assert reload.answer(["--nonsense"])["problems"][0].startswith("No such option")
