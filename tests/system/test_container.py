"""What a container's security context takes away, taken away from the real command."""

from __future__ import annotations

import os
import shlex
import signal

import pytest
import redis

from conftest import eventually
from harness import LEDGER_JOBS, Jobsup, push
from jobsup.exits import Exit

pytestmark = pytest.mark.system


def test_it_runs_with_a_read_only_file_system_and_no_capability_but_one_writable_directory(
    app: Jobsup, r: redis.Redis
) -> None:
    app.jobs(LEDGER_JOBS + "\n@job\ndef probe(path):\n    open(path, 'w').close()\n")
    writable = app.directory / "writable"
    writable.mkdir(mode=0o700)
    app.ledger = writable / "ledger"
    app.ctl_path = writable / "ctl.sock"
    app.ledger.touch()
    place = shlex.quote(str(writable))
    # As the deployments ask for it: readOnlyRootFilesystem, an emptyDir, capabilities dropped, no new privileges.
    script = (
        f"mount --make-rprivate / && mount --bind {place} {place} && "
        'for at in $(cut -d" " -f5 /proc/self/mountinfo); do '
        f'case $at in {place}|/proc*|/dev*) ;; *) mount -o remount,ro,bind "$at" 2>/dev/null;; esac; done; '
        'exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all "$@"'
    )
    app.start(
        wrapper=["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "sh", "-c", script, "sh"]
    )

    push(r, "probe", str(app.directory / "elsewhere"))
    push(r, "quick", 1)
    eventually(lambda: app.ended() == ["1"])
    eventually(lambda: r.zcard("retry") == 1)  # what tried to write elsewhere could not
    assert not (app.directory / "elsewhere").exists()
    assert b"Read-only file system" in r.zrange("retry", 0, 0)[0]
    assert app.ctl("ping").returncode == 0
    [supervisor] = app.children("parent")
    os.kill(supervisor, signal.SIGTERM)
    assert app.wait() == Exit.OK
