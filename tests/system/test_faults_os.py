"""The system has no process, thread or descriptor to spare: supervision goes on, and recovers when it has."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from conftest import eventually
from harness import Jobsup, inflight, push
from jobsup.exits import Exit

pytestmark = pytest.mark.system


@contextlib.contextmanager
def no_descriptors(pid: int) -> Iterator[None]:
    """Process *pid* can open nothing meanwhile; what it has open stays."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


def test_a_parent_without_descriptors_supervises_on_and_makes_up_for_it_later(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", processes=2, concurrency=1)
    app.start()
    workers = app.workers()
    push(r, "nap", 1, 1.0)
    push(r, "nap", 2, 1.0)
    eventually(lambda: len(app.started()) == 2)
    with no_descriptors(app.pid):
        [keeper] = app.children("keeper")
        os.kill(workers[0], signal.SIGKILL)
        eventually(lambda: "Could not start Worker main" in app.log())
        os.kill(keeper, signal.SIGKILL)
        eventually(lambda: "Could not start Keeper" in app.log())
        push(r, "quick", 3)
        eventually(lambda: "3" in app.ended())
    eventually(lambda: len(app.workers()) == 2, within=20)
    eventually(lambda: len(app.children("keeper")) == 1, within=20)
    eventually(lambda: sorted(app.ended()) == ["1", "2", "3"], within=20)
    assert workers[1] in app.workers()
    assert app.log().count("Could not start Worker main:") == 1
    assert app.log().count("Could not start Keeper:") == 1
    eventually(lambda: inflight(r) == 0)
    assert app.stop() == Exit.OK


def test_a_template_without_descriptors_is_replaced_and_no_worker_notices(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", processes=2)
    app.start()
    first, second = app.workers()
    [template] = app.children("template")
    with no_descriptors(template):
        os.kill(first, signal.SIGKILL)
        eventually(lambda: app.children("template") not in ([], [template]), within=20)
        eventually(lambda: len(app.workers()) == 2, within=20)
    assert second in app.workers()
    push(r, "quick", 1)
    eventually(lambda: app.ended() == ["1"])


def test_a_keeper_without_descriptors_gives_back_what_it_can_and_the_rest_later(app: Jobsup, r: redis.Redis) -> None:
    app.profile("main", processes=2, concurrency=1)
    app.start()
    [keeper] = app.children("keeper")
    with no_descriptors(keeper):
        push(r, "nap", 1, 0.5)
        eventually(lambda: app.started() == ["1"])
        os.kill(app.workers()[0], signal.SIGKILL)
        os.kill(app.workers()[-1], signal.SIGKILL)
        eventually(lambda: app.ended() == ["1"], within=20)
        r.client_kill_filter(_type="normal", skipme=True)
        eventually(lambda: " keeper pid" in app.log() and "Redis is away" in app.log())
        push(r, "nap", 2, 0.5)
        eventually(lambda: "2" in app.started(), within=20)
        os.kill(app.workers()[0], signal.SIGKILL)
        os.kill(app.workers()[-1], signal.SIGKILL)
        eventually(lambda: len(app.status()["deaths"]) == 4)
        assert app.children("keeper") == [keeper], app.log()
    eventually(lambda: sorted(app.ended()) == ["1", "2"], within=20)
    assert app.children("keeper") == [keeper]


def test_a_worker_without_descriptors_fails_jobs_that_need_some_and_goes_on_beating(
    app: Jobsup, r: redis.Redis
) -> None:
    app.start()
    [worker] = app.workers()
    [identity] = r.smembers("processes")
    with no_descriptors(worker):
        push(r, "quick", 1)
        eventually(lambda: r.zcard("retry") == 1)
        assert b"Too many open files" in r.zrange("retry", 0, -1)[0]
        said = float(r.hget(identity, "beat") or 0)
        eventually(lambda: float(r.hget(identity, "beat") or 0) > said, within=12)
        said = float(r.hget(identity, "beat") or 0)
        eventually(lambda: float(r.hget(identity, "beat") or 0) > said, within=12)
    push(r, "quick", 2)
    eventually(lambda: app.ended() == ["2"])
    assert app.workers() == [worker]
    assert app.status()["deaths"] == []


@pytest.fixture
def few() -> Iterator[Path]:
    """A control group that can be left without processes."""
    root = Path("/sys/fs/cgroup")
    group = root / ("pids" if (root / "pids").is_dir() else "") / f"jobsup-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "pids.max").write_text("max")
    except OSError as error:  # a container without the right to do so: nothing that can be installed
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip(f"no control group of processes can be made here: {error}")
    yield group
    eventually(lambda: not (group / "cgroup.procs").read_text().split())
    group.rmdir()


@pytest.fixture
def confined(few: Path, app: Jobsup) -> Jobsup:
    app.start(wrapper=("sh", "-c", f'echo $$ > {few}/cgroup.procs && exec "$@"', "sh"))
    return app


def test_without_a_process_to_spare_it_is_said_once_and_tried_until_there_is_one(
    few: Path, confined: Jobsup, r: redis.Redis
) -> None:
    app = confined
    [worker], [keeper], [template] = app.workers(), app.children("keeper"), app.children("template")
    push(r, "nap", 1, 0.5)
    eventually(lambda: app.started() == ["1"])
    (few / "pids.max").write_text("1")
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: "Could not start Worker main" in app.log())
    os.kill(keeper, signal.SIGKILL)
    os.kill(template, signal.SIGKILL)
    eventually(lambda: "Could not start Template" in app.log() and "Could not start Keeper" in app.log())
    time.sleep(2.5)  # the thing itself: it is tried more than once
    assert app.running()
    (few / "pids.max").write_text("max")

    eventually(lambda: app.ended() == ["1"], within=20)
    eventually(lambda: len(app.workers()) == 1)
    # Of the worker and the one for its suspect, whoever was to be forked while there still was a template.
    for who in ("Worker main:", "Worker main.quarantine:", "Template 1:", "Keeper:"):
        assert app.log().count(f"Could not start {who}") <= 1
    assert app.stop() == Exit.OK


def test_a_worker_for_whose_threads_there_is_no_room_is_no_crash(few: Path, confined: Jobsup, r: redis.Redis) -> None:
    app = confined
    [worker] = app.workers()
    threads = psutil.Process(worker).num_threads()
    push(r, "nap", 1, 0.5)
    eventually(lambda: app.started() == ["1"])
    (few / "pids.max").write_text(str(int((few / "pids.current").read_text()) - threads + 3))
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: "no thread or descriptor to spare" in app.log())
    time.sleep(2.5)  # the thing itself: it is tried more than once
    (few / "pids.max").write_text("max")

    eventually(lambda: app.ended() == ["1"], within=20)
    assert app.log().count("Could not start Worker main:") == 1
    assert len(app.status()["deaths"]) == 1
    assert app.log().count(" crashed: ") == 1
