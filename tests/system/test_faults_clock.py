"""Clocks that jump and processes that sleep: nobody is killed, nothing is lost, nothing runs twice."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from conftest import Server, eventually
from harness import Jobsup, inflight, push
from jobsup.exits import Exit

pytestmark = pytest.mark.system

SHIFTED = """
import time

def shifted(real=time.time):
    with open({path!r}) as file:
        return real() + float(file.read())

time.time = shifted
"""
HOUR = 3600


@pytest.fixture
def shift(app: Jobsup) -> Iterator[Path]:
    """A file whose content is added to the wall clock of every process of the supervisor."""
    path = app.directory / "shift"
    path.write_text("0")
    (app.directory / "boot").mkdir()
    (app.directory / "boot" / "sitecustomize.py").write_text(SHIFTED.format(path=str(path)))
    app.environ["PYTHONPATH"] = os.pathsep.join([str(app.directory / "boot"), os.environ.get("PYTHONPATH", "")])
    return path


def jump(shift: Path, seconds: int) -> None:
    replacement = shift.with_suffix(".new")
    replacement.write_text(str(seconds))
    replacement.rename(shift)


def scheduled(name: str, n: int) -> str:
    return json.dumps({"class": name, "args": [n], "jid": f"jid{n}", "queue": "default", "retry": True})


@pytest.mark.parametrize("there", [HOUR, -HOUR])
def test_when_the_wall_clock_jumps_only_scheduled_jobs_take_note(
    app: Jobsup, r: redis.Redis, shift: Path, there: int
) -> None:
    app.profile("main", average_scheduled_poll_interval=1, time_limit=8, processes=2)
    app.start()
    workers, keeper, template = app.workers(), app.children("keeper"), app.children("template")
    r.zadd("schedule", {scheduled("quick", 10): time.time() + HOUR / 2, scheduled("quick", 11): time.time() - HOUR / 2})
    eventually(lambda: app.ended() == ["11"])
    push(r, "nap", 1, 3)
    eventually(lambda: app.started() == ["1"])
    jump(shift, there)
    push(r, "quick", 2)
    eventually(lambda: "1" in app.ended() and "2" in app.ended())
    if there > 0:
        eventually(lambda: "10" in app.ended())
    else:
        assert r.zcard("schedule") == 1
        r.zadd("schedule", {scheduled("quick", 12): time.time() - HOUR + 1})
        eventually(lambda: "12" in app.ended())
    push(r, "Boom", 3)
    eventually(lambda: r.zcard("retry") == 1)
    [(_, due)] = r.zrange("retry", 0, -1, withscores=True)
    assert 0 < due - (time.time() + there) < 60
    jump(shift, 0)
    push(r, "nap", 4, 1)
    eventually(lambda: "4" in app.started())
    assert (app.workers(), app.children("keeper"), app.children("template")) == (workers, keeper, template)
    assert app.status()["deaths"] == []
    os.kill(workers[0], signal.SIGKILL)
    os.kill(workers[1], signal.SIGKILL)
    eventually(lambda: "4" in app.ended())

    for n in ("1", "2", "10" if there > 0 else "12", "11"):
        assert app.ended().count(n) == 1
    assert app.started().count("1") == 1
    jump(shift, there)
    push(r, "nap", 5, 1)
    eventually(lambda: "5" in app.started())
    begun = time.monotonic()
    assert app.stop() == Exit.OK
    assert time.monotonic() - begun < 5
    assert "5" in app.ended()
    assert inflight(r) == 0


def test_the_log_tells_how_long_a_job_ran_whatever_the_wall_clock_did(app: Jobsup, r: redis.Redis, shift: Path) -> None:
    app.start("-v")
    push(r, "nap", 1, 1, jid="abc")
    eventually(lambda: app.started() == ["1"])
    jump(shift, HOUR)

    eventually(lambda: "nap abc done in" in app.log())
    assert 1 <= float(app.log().split("nap abc done in ")[1].split("s")[0]) < 3


def test_a_template_that_slept_while_it_loaded_is_given_that_time(app: Jobsup) -> None:
    app.jobs("import time\nopen('loading', 'w').close()\ntime.sleep(1)\n")
    app.profile("main", boot_timeout=3)
    app.start(wait=False)
    eventually((app.directory / "loading").exists)
    [template], keeper = app.children("template"), app.children("keeper")
    everyone = [app.pid, template, *keeper]
    for pid in everyone:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(4)  # the thing itself: longer than it may take to boot
    for pid in everyone:
        os.kill(pid, signal.SIGCONT)

    eventually(lambda: "workers are ready" in app.log())
    assert app.children("template") == [template]
    assert "it took too long" not in app.log()


@pytest.fixture
def three(server: Server, tmp_path: Path) -> Iterator[list[Jobsup]]:
    """Three supervisors, each with a queue of its own."""
    apps = []
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        app = Jobsup(tmp_path / name, server)
        app.profile("main", queues=[name], concurrency=2, timeout=30)
        apps.append(app)
    yield apps
    for app in apps:
        app.tidy()


def test_a_parent_keeper_or_template_that_sleeps_alone_is_missed_by_nobody_and_blames_nobody(
    three: list[Jobsup], r: redis.Redis
) -> None:
    for app in three:
        app.start()
    workers = [app.workers() for app in three]
    sleepers = [three[0].pid, *three[1].children("keeper"), *three[2].children("template")]
    for queue in "abc":
        push(r, "nap", 1, 18, queue=queue)
    eventually(lambda: all(app.started() == ["1"] for app in three))
    for pid in sleepers:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(16)  # the thing itself: longer than a lease, and than a worker may be late
    for queue in "abc":
        push(r, "quick", 2, queue=queue)
    eventually(lambda: all(app.ended() == ["2"] for app in three))
    for pid in sleepers:
        os.kill(pid, signal.SIGCONT)

    eventually(lambda: all(app.ended() == ["2", "1"] for app in three))
    assert [app.started() for app in three] == [["1"]] * 3
    assert [app.workers() for app in three] == workers
    assert [app.status()["deaths"] for app in three] == [[], [], []]
    assert [app.children("keeper") + app.children("template") for app in three][1:] == [
        [sleepers[1], *three[1].children("template")],
        [*three[2].children("keeper"), sleepers[2]],
    ]
    for app in three:
        os.kill(app.workers()[0], signal.SIGKILL)
    for queue in "abc":
        push(r, "quick", 3, queue=queue)
    eventually(lambda: all("3" in app.ended() for app in three))
