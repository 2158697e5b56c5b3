"""What is said of a job that runs."""

from __future__ import annotations

import faulthandler
import tempfile
import threading

import pytest

from jobsup.cli.why import awaited_in, stack_of, verdict
from jobsup.unix.process import Activity
from jobsup.unix.slot import AWAITED

LOCK = '  File "/usr/lib/python3.11/threading.py", line 327 in wait\n  File "app.py", line 3 in perform'


@pytest.mark.parametrize(
    ("state", "burnt", "late", "waits_in", "stack", "words"),
    [
        ("R", 0.9, 0.2, "", "", "runs on a CPU"),
        ("R", 0.9, 8.0, "", "", "burns CPU in one call that holds the interpreter's lock"),
        ("S", 0.0, 8.0, "hrtimer_nanosleep", "", "waits in a call that holds the interpreter's lock"),
        ("S", 0.0, 0.2, "do_sys_poll", "", "waits in a system call (do_sys_poll)"),
        ("S", 0.0, 0.2, "futex_wait_queue", "", "waits for a lock"),
        ("S", 0.0, 0.2, "", LOCK, "waits for a lock"),
        ("D", 0.0, 0.2, "nfs_wait", "", "waits for a disk or a file system that does not answer (nfs_wait)"),
        ("T", 0.0, 0.2, "", "", "is stopped"),
    ],
)
def test_the_verdict_tells_the_ways_to_be_stuck_apart(
    state: str, burnt: float, late: float, waits_in: str, stack: str, words: str
) -> None:
    found = verdict({"last_heard_of": late, "async": False}, Activity(state, 1.0), burnt, waits_in, stack)
    assert words in found


@pytest.mark.parametrize(
    ("state", "stack", "words"),
    [
        ("S", '  File "/usr/lib/python3.11/selectors.py", line 468 in select', "awaits something"),
        ("S", '  File "/app/jobsup/worker/eventloop.py", line 60 in _run', "awaits something"),
        ("S", '  File "/app/jobs.py", line 3 in resize', "loop is busy or held up"),
        ("R", '  File "/app/jobs.py", line 3 in resize', "loop is busy or held up"),
        ("T", "", "is stopped"),
    ],
)
def test_of_an_async_job_the_verdict_says_whether_its_loop_is_free(state: str, stack: str, words: str) -> None:
    assert words in verdict({"last_heard_of": 0.2, "async": True}, Activity(state, 1.0), 0.0, "", stack)


def test_a_thread_that_ended_meanwhile_is_said_to_have_ended() -> None:
    assert verdict({"last_heard_of": 0.0, "async": False}, None, 0.0, "", "") == "It has just ended."


def test_the_stack_of_one_thread_is_found_among_all() -> None:
    ready, done = threading.Event(), threading.Event()

    def deep_inside() -> None:
        ready.set()
        done.wait(30)

    thread = threading.Thread(target=deep_inside)
    thread.start()
    ready.wait(5)
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file=file)
        file.seek(0)
        text = file.read()
    done.set()
    thread.join()
    assert thread.ident is not None
    assert "in deep_inside" in stack_of(text, thread.ident)
    assert "in deep_inside" not in stack_of(text, threading.get_ident())
    assert stack_of(text, 1) == ""


def test_the_stack_of_an_async_job_stands_behind_those_of_the_threads() -> None:
    text = f'Thread 0x0000000000000007:\n  File "a.py", line 1 in run\n{AWAITED}  File "b.py", line 2 in perform\n'

    assert stack_of(text, 7) == '  File "a.py", line 1 in run'
    assert awaited_in(text) == '  File "b.py", line 2 in perform'
    assert awaited_in("") == ""
