"""Where processes live, and whether they do, asked of the real kernel."""

from __future__ import annotations

import os
import subprocess
import sys

from conftest import required
from jobsup.unix import place

HIDDEN = """
import os, sys
from jobsup.unix import place
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
assert not os.path.exists(f"/proc/{sys.argv[1]}"), "nothing is hidden here"
try:
    print("told", place.start_of(int(sys.argv[1])))
except PermissionError:
    print("not permitted")
print("gone", place.start_of(4_000_000) == "")
"""


def test_a_process_is_known_by_its_pid_and_its_start() -> None:
    assert place.start_of(os.getpid()) == place.start_of(os.getpid()) != ""
    assert place.start_of(os.getpid()) != place.start_of(1)  # not our parent: it may have started in the same hundredth


def test_there_is_no_start_of_who_has_ended() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert place.start_of(child.pid) == "", "not reaped yet, and dead all the same"
    child.wait()
    assert place.start_of(child.pid) == ""


def test_a_process_that_we_are_not_shown_is_not_taken_for_dead() -> None:
    required(os.geteuid() == 0, "root, for a /proc that hides other users' processes")
    with_hidden = 'mount -t proc -o hidepid=2 proc /proc && exec "$0" "$@"'
    command = ["unshare", "--mount", "sh", "-c", with_hidden, sys.executable, "-c", HIDDEN, str(os.getpid())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.stdout.splitlines() == ["not permitted", "gone True"], done.stderr
