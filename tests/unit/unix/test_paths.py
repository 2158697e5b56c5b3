"""Private directories are ours alone."""

import os
import stat
from pathlib import Path

import pytest

from jobsup.errors import JobsupError
from jobsup.unix.paths import control_socket, private_directory, working_directory


def test_a_private_directory_is_made_for_this_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"

    private_directory(str(path))
    private_directory(str(path))  # and is found again

    assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_directory_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)

    with pytest.raises(JobsupError, match="mode 0700"):
        private_directory(str(tmp_path / "open"))


def test_a_link_to_a_directory_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to("real")

    with pytest.raises(JobsupError, match="must be a directory of this user"):
        private_directory(str(tmp_path / "link"))


def test_somebody_elses_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs").mkdir(mode=0o700)
    monkeypatch.setattr("os.getuid", lambda: os.geteuid() + 1)

    with pytest.raises(JobsupError, match="must be a directory of this user"):
        private_directory(str(tmp_path / "theirs"))


def test_a_place_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(JobsupError, match="cannot make the directory"):
        private_directory(str(tmp_path / "file" / "x" / "y"))


def test_the_working_directory_keeps_the_link_that_a_deploy_switches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "releases" / "1").mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/1")
    monkeypatch.chdir(tmp_path / "current")

    assert working_directory({"PWD": f"{tmp_path}/current"}) == f"{tmp_path}/current"
    assert working_directory({"PWD": "/"}) == f"{tmp_path}/releases/1"
    assert working_directory({}) == f"{tmp_path}/releases/1"


def test_a_working_directory_that_was_removed_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

    with pytest.raises(JobsupError, match="no longer exists"):
        working_directory({"PWD": str(tmp_path / "gone")})


def test_without_any_setting_the_control_socket_lies_in_a_directory_of_this_user() -> None:
    assert control_socket(None, {}) == (f"/tmp/jobsup-{os.getuid()}/ctl.sock", "default")
