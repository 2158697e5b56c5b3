"""``jobsup fleet`` and ``jobsup deploy-mark`` as a deploy script runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from conftest import Server, eventually
from harness import Jobsup, push

pytestmark = pytest.mark.system

JOBSUP = Path(sys.executable).with_name("jobsup")


def jobsup(server: Server, *args: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"REDIS_URL": server.url, "PWD": str(cwd or "")} | environment
    return subprocess.run([JOBSUP, *args], env=env, cwd=cwd, capture_output=True, text=True, timeout=60)


def test_a_pipeline_waits_until_the_old_release_runs_nothing_any_more(
    app: Jobsup, r: redis.Redis, server: Server, tmp_path: Path
) -> None:
    for release in ("v1", "v2"):
        directory = tmp_path / "releases" / release
        directory.mkdir(parents=True)
        for name in ("app_jobs.py", "main.yml"):
            (directory / name).write_text((tmp_path / name).read_text())
    settings = json.loads((tmp_path / "main.yml").read_text()) | {"drain": 60}
    (tmp_path / "releases" / "v1" / "main.yml").write_text(json.dumps(settings))
    current = tmp_path / "current"
    current.symlink_to(tmp_path / "releases" / "v1")
    app.start(cwd=current)
    push(r, "patient", 1, 6.0)
    eventually(lambda: app.started() == ["1"])

    assert "v1 is in use: 1 workers (0 leaving)" in jobsup(server, "fleet").stdout
    current.unlink()
    current.symlink_to(tmp_path / "releases" / "v2")
    assert app.ctl("reload", "--wait").returncode == 0

    crews = json.loads(jobsup(server, "fleet", "--json").stdout)["crews"]
    assert [(crew["version"], crew["generation"], crew["leaving"], crew["running"]) for crew in crews] == [
        ("v1", 1, 1, {"patient": 1}),
        ("v2", 2, 0, {}),
    ]
    late = jobsup(server, "fleet", "--wait-drained", "v1", "--timeout", "0.1")
    assert late.returncode == 1
    assert "v1 is in use: 1 workers (1 leaving)" in late.stderr
    assert "1 jobs run" in late.stderr
    done = jobsup(server, "fleet", "--wait-drained", "v1", "--timeout", "40")
    assert (done.returncode, app.ended()) == (0, ["1"]), done.stderr
    assert "v1 can be removed: nothing runs it any more" in done.stdout


def test_a_version_may_be_named_by_the_environment(app: Jobsup, r: redis.Redis, server: Server) -> None:
    app.environ["JOBSUP_VERSION"] = "2026.11"
    app.start()
    eventually(lambda: r.zrange("jobsup:versions", 0, -1) == [b"2026.11"])
    assert "2026.11 is in use" in jobsup(server, "fleet").stdout

    app.signal(signal.SIGTERM)
    app.wait()
    assert jobsup(server, "fleet", "--wait-drained", "2026.11", "--timeout", "5").returncode == 0


def test_waiting_for_a_version_that_never_was_is_a_mistake_and_no_success(server: Server, r: redis.Redis) -> None:
    r.zadd("jobsup:versions", {"v1": 1.0})

    done = jobsup(server, "fleet", "--wait-drained", "v11")

    assert (done.returncode, done.stdout) == (64, "")
    assert "known: v1" in done.stderr


def test_a_deploy_is_marked_with_a_label_or_the_release(server: Server, r: redis.Redis, tmp_path: Path) -> None:
    (tmp_path / "releases" / "20261124").mkdir(parents=True)

    labels = [
        jobsup(server, "deploy-mark", "ab12 Faster"),
        jobsup(server, "deploy-mark", JOBSUP_VERSION="2026.11"),
        jobsup(server, "deploy-mark", cwd=tmp_path / "releases" / "20261124"),
    ]

    assert [done.returncode for done in labels] == [0, 0, 0], labels
    assert {key for key in r.scan_iter() if key.startswith(b"deploylock-")} == {
        b"deploylock-ab12 Faster",
        b"deploylock-2026.11",
        b"deploylock-20261124",
    }
    assert jobsup(server, "deploy-mark", cwd=tmp_path).returncode == 64
