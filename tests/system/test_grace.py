"""The kubelet, played exactly, against the real command as pid 1.

It runs the hook in the container while its clock runs already, sends TERM when the hook returns, KILL when the grace is
over; a hook that is still running then is cut off and TERM comes with two more seconds.  After its own restart it
begins anew.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import redis
import yaml

from conftest import Server, eventually
from harness import Jobsup, inflight, push
from jobsup.exits import Exit

pytestmark = pytest.mark.system

_GRACE = 6
_EXTRA = 2.0


class Pod:
    """One container in a pid namespace of its own, whose first process is jobsup."""

    def __init__(self, app: Jobsup) -> None:
        self.app = app
        app.environ = {"JOBSUP_GRACE": str(_GRACE), "JOBSUP_TERMINATION_LOG": str(app.directory / "termination")}
        (app.directory / "termination").touch()
        self.killed = False

    def start(self, *extra: str, wait: bool = True) -> None:
        self.app.start(*extra, wait=wait, wrapper=["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"])
        eventually(lambda: psutil.Process(self.app.pid).children())
        [self.first] = psutil.Process(self.app.pid).children()

    @property
    def message(self) -> str:
        return (self.app.directory / "termination").read_text()

    def exec(self, *ctl: str) -> subprocess.Popen[bytes]:
        """The hook: another process in the container."""
        command = [sys.executable, "-m", "jobsup", "ctl", "--ctl", str(self.app.ctl_path), *ctl]
        return self.run(command)

    def run(self, command: list[str]) -> subprocess.Popen[bytes]:
        inside = ["nsenter", "--target", str(self.first.pid), "--pid", "--mount", "--", *command]
        return subprocess.Popen(inside, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def delete(self, hook: Callable[[], subprocess.Popen[bytes]] | None = None) -> float:
        """As ``kubectl delete pod``.  Returns the seconds it took."""
        begun = time.monotonic()
        end = begun + _GRACE
        if hook is not None:
            process = hook()
            try:
                process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                end = time.monotonic() + _EXTRA
                process.kill()
                process.wait()
        self.signal(signal.SIGTERM)
        try:
            self.app.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.killed = True
            self.signal(signal.SIGKILL)
            self.app.wait()
        return time.monotonic() - begun

    def signal(self, sig: signal.Signals) -> None:
        with suppress(psutil.NoSuchProcess):
            self.first.send_signal(sig)

    @property
    def code(self) -> int:
        return self.app.wait()


@pytest.fixture
def pod(app: Jobsup) -> Pod:
    app.profile("main", timeout=60, kill_after=2, concurrency=2)
    return Pod(app)


def test_the_budgets_are_cut_to_the_grace_and_the_log_says_so_once(pod: Pod, r: redis.Redis) -> None:
    pod.start()
    push(r, "soft", 1)
    eventually(lambda: pod.app.started() == ["1"])

    took = pod.delete()

    assert (pod.code, pod.killed) == (Exit.GIVEN_BACK, False)
    assert took < _GRACE
    assert pod.app.log().count("but the platform kills after 6s ($JOBSUP_GRACE): jobs get 2s, and 2s to unwind") == 1
    assert r.llen("queue:default") == 1
    forecast, report, last = pod.message.splitlines()
    assert forecast.startswith("Drain: 1 running")
    assert "1 given back" in report
    assert f"exit code {int(Exit.GIVEN_BACK)} (asked to)" in last


def test_a_hook_that_quiets_and_is_repeated_changes_nothing_but_that_nothing_is_fetched(
    pod: Pod, r: redis.Redis
) -> None:
    pod.start()
    push(r, "nap", 1, 1.5)
    eventually(lambda: pod.app.started() == ["1"])
    assert pod.exec("quiet").wait(10) == 0
    push(r, "quick", 2)
    # The kubelet was restarted meanwhile: hook and TERM come once more.
    again = threading.Timer(0.3, lambda: (pod.exec("quiet").wait(10), pod.signal(signal.SIGTERM)))
    again.start()

    pod.delete(lambda: pod.exec("quiet"))
    again.join()

    assert (pod.code, pod.killed) == (Exit.OK, False)
    assert pod.app.ended() == ["1"]
    assert r.llen("queue:default") == 1


def test_a_hook_that_waits_returns_when_the_jobs_are_done(pod: Pod, r: redis.Redis) -> None:
    pod.start()
    push(r, "nap", 1, 0.7)
    eventually(lambda: pod.app.started() == ["1"])
    hooks: list[subprocess.Popen[bytes]] = []

    pod.delete(lambda: hooks.append(pod.exec("drain", "--wait")) or hooks[0])

    assert hooks[0].returncode == 0
    assert (pod.code, pod.killed, pod.app.ended()) == (Exit.OK, False, ["1"])


def test_a_hook_that_waits_in_vain_leaves_enough_of_the_grace_to_give_the_jobs_back(pod: Pod, r: redis.Redis) -> None:
    pod.start()
    push(r, "soft", 1)
    push(r, "nap", 2, 60)  # cannot be interrupted
    eventually(lambda: len(pod.app.started()) == 2)
    hooks: list[subprocess.Popen[bytes]] = []

    took = pod.delete(lambda: hooks.append(pod.exec("drain", "--wait")) or hooks[0])

    assert hooks[0].returncode == 1
    assert "jobs may finish within 0.0s" in pod.app.log()
    assert (pod.code, pod.killed) == (Exit.GIVEN_BACK, False)
    assert took < _GRACE
    assert r.llen("queue:default") == 2
    assert inflight(r) == 0


def test_a_hook_that_never_returns_costs_the_drain_and_no_job(pod: Pod, r: redis.Redis) -> None:
    pod.start()
    push(r, "nap", 1, 60)
    eventually(lambda: pod.app.started() == ["1"])

    pod.delete(lambda: pod.run(["sleep", "60"]))

    assert pod.killed
    # What was not given back any more lies where the next one finds it.
    assert r.llen("queue:default") + inflight(r) == 1


def test_the_drain_jobs_watcher_ends_when_the_queue_is_empty(app: Jobsup, r: redis.Redis) -> None:
    manifest = Path(__file__).parents[2] / "configs" / "kubernetes" / "drain-job.yaml"
    [watcher] = yaml.safe_load(manifest.read_text())["spec"]["template"]["spec"]["containers"]
    assert watcher["command"] == ["python", "-c"]
    for n in range(3):
        push(r, "quick", n, queue="heavy")
    environ = {**os.environ, "REDIS_URL": app.server.url, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    watching = subprocess.Popen([sys.executable, *watcher["command"][1:], *watcher["args"]], env=environ)
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            watching.wait(1)
        app.profile("main", queues=["heavy"])
        app.start()
        assert watching.wait(20) == 0
        assert len(app.ended()) == 3
    finally:
        watching.kill()


def test_term_while_it_starts_ends_it_and_the_hook_finds_nobody(pod: Pod) -> None:
    pod.app.jobs("import time; time.sleep(30)")
    pod.start(wait=False)
    eventually(lambda: "started" in pod.app.log())

    took = pod.delete(lambda: pod.exec("quiet"))

    assert (pod.code, pod.killed) == (Exit.OK, False)
    assert took < _GRACE
    # The hook may come late, or again: there is nobody to ask, and nothing to do.
    late = pod.app.ctl("quiet"), pod.app.ctl("drain", "--wait")
    assert [done.returncode for done in late] == [0, 0]


def test_a_redis_that_hangs_does_not_keep_it_beyond_the_grace(pod: Pod, own_server: Server) -> None:
    pod.app.server = own_server
    pod.start()
    with own_server.client() as r:
        push(r, "nap", 1, 60)
    eventually(lambda: pod.app.started() == ["1"])
    assert own_server.process is not None
    os.kill(own_server.process.pid, signal.SIGSTOP)
    try:
        took = pod.delete()
    finally:
        os.kill(own_server.process.pid, signal.SIGCONT)

    assert not pod.killed
    assert took < _GRACE
    assert pod.code == Exit.LEFT_BEHIND
    assert f"exit code {int(Exit.LEFT_BEHIND)}" in pod.message
