"""Whatever becomes of the log, supervision goes on and jobs run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from conftest import eventually
from harness import Jobsup, inflight, push
from jobsup.exits import Exit

pytestmark = pytest.mark.system


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe for a log: the reader's end, which may be closed by the test, and the writer's."""
    reader, writer = os.pipe()
    yield reader, writer
    for fd in (reader, writer):
        try:
            os.close(fd)
        except OSError:
            continue


def everything_still_works(app: Jobsup, r: redis.Redis) -> None:
    """Jobs run; a worker, the keeper and the template die and are replaced; a reload and a stop end well."""
    app.ledger.write_text("")
    [worker], [keeper], [template] = app.workers(), app.children("keeper"), app.children("template")
    push(r, "nap", 1, 0.5)
    eventually(lambda: app.started() == ["1"])
    for pid in (worker, keeper, template):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: app.workers() not in ([], [worker]), within=20)
    eventually(lambda: app.children("keeper") not in ([], [keeper]))
    eventually(lambda: app.children("template") not in ([], [template]))
    eventually(lambda: app.ended() == ["1"], within=20)
    assert app.ctl("reload", "--wait").returncode == 0
    for n in range(100):
        push(r, "quick", n)
    eventually(lambda: len(app.ended()) == 101, within=20)
    eventually(lambda: inflight(r) == 0)
    assert app.status()["redis"]
    assert app.stop() == Exit.OK


def ready(app: Jobsup) -> bool:
    answer = app.ctl("status", "--json")
    return answer.returncode == 0 and json.loads(answer.stdout)["state"] == "running"


def test_a_log_on_a_full_disk_stops_nobody(app: Jobsup, r: redis.Redis) -> None:
    app.log_path = Path("/dev/full")
    app.start("-v", wait=False)
    eventually(lambda: ready(app), within=20)

    everything_still_works(app, r)


def test_a_log_goes_on_when_its_disk_has_room_again_and_says_what_is_missing(app: Jobsup, r: redis.Redis) -> None:
    (app.directory / "small").mkdir()
    try:
        subprocess.run(["unshare", "-m", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"nothing can be mounted here: {error}")
    mount = 'mount -t tmpfs -o size=64k small small && exec "$@" >>small/log 2>&1'
    app.start("-v", wait=False, wrapper=("unshare", "-m", "sh", "-c", mount, "sh"))
    small = Path(f"/proc/{app.pid}/root{app.directory}/small")
    eventually(lambda: ready(app), within=20)
    with (small / "filler").open("wb", buffering=0) as filler:
        while True:
            try:
                filler.write(b"#" * 4096)
            except OSError:
                break
    for n in range(100):
        push(r, "quick", n)
    eventually(lambda: len(app.ended()) == 100, within=20)
    os.kill(app.workers()[0], signal.SIGKILL)
    eventually(lambda: app.status()["deaths"])
    before = (small / "log").read_text()
    assert "SIGKILL" not in before
    (small / "filler").unlink()
    assert app.ctl("reload", "--wait").returncode == 0

    eventually(lambda: "Reloaded" in (small / "log").read_text())
    after = (small / "log").read_text()[len(before) :]
    assert " parent pid=" in after
    assert "lines of this process are missing above" in after
    everything_still_works(app, r)


def test_a_log_reader_that_went_away_stops_nobody(app: Jobsup, r: redis.Redis, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    app.log_path = Path(f"/dev/fd/{writer}")
    app.start("-v", wait=False)
    eventually(lambda: ready(app), within=20)
    os.close(writer)
    os.close(reader)

    everything_still_works(app, r)


def test_a_log_reader_that_does_not_read_stops_nobody(app: Jobsup, r: redis.Redis, pipe: tuple[int, int]) -> None:
    _reader, writer = pipe
    app.log_path = Path(f"/dev/fd/{writer}")
    os.set_blocking(writer, False)
    with open(writer, "wb", buffering=0, closefd=False) as log:
        while log.write(b"#" * 4096):
            continue
    os.set_blocking(writer, True)
    app.start("-v", wait=False)
    eventually(lambda: ready(app), within=20)

    everything_still_works(app, r)
