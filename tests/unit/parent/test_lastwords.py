"""What Kubernetes shows of a container that has ended."""

import os
from pathlib import Path

import pytest

from jobsup.parent import lastwords

STOPPED = {"seconds": 1.25, "code": 10, "reason": "asked to"}


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({}, None),
        ({"JOBSUP_GRACE": "30"}, "/dev/termination-log"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "/dev/termination-log"),
        ({"JOBSUP_GRACE": "30", "JOBSUP_TERMINATION_LOG": "/x"}, "/x"),
    ],
)
def test_it_writes_where_the_platform_reads(environ: dict[str, str], path: str | None) -> None:
    assert lastwords.path(environ) == path


def test_the_end_of_a_stop_is_written_in_place_of_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("x" * 1000)
    said = lastwords.LastWords(str(file))

    said("parent.ready", {"workers": 1, "seconds": 0.1})
    said("drain.report", {"cause": "reload", "sentence": "That was a reload."})
    said("drain.report", {"cause": "stop", "sentence": "That was the stop."})
    assert file.read_text() == "x" * 1000
    said("parent.stopped", STOPPED)

    assert file.read_text() == "That was the stop.\nStopped after 1.2s, exit code 10 (asked to)\n"


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    lastwords.LastWords(str(tmp_path / "log"))("parent.stopped", STOPPED)
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_that_nobody_reads_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    lastwords.LastWords(str(tmp_path / "log"))("parent.stopped", STOPPED)
