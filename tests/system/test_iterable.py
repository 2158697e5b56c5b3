"""Iterable jobs with the real command: stopped, killed, cancelled, interrupted."""

from __future__ import annotations

import json
import os
import signal

import pytest
import redis

from conftest import eventually
from harness import Jobsup, inflight, push
from jobsup.api import iteration
from jobsup.exits import Exit

pytestmark = pytest.mark.system

JOBS = """
import os, time
import jobsup.jobs.iterable
from jobsup import IterableJob

jobsup.jobs.iterable.SAVE_EVERY = 0.3
LEDGER = os.environ["LEDGER"]

def note(*words):
    with open(LEDGER, "a") as ledger:
        ledger.write(" ".join(map(str, words)) + "\\n")

class Count(IterableJob):
    def build_enumerator(self, count, seconds, cursor):
        return self.sequence_enumerator(range(count), cursor=cursor)

    def each_iteration(self, item, count, seconds):
        note("begin", item, os.getpid())
        time.sleep(seconds)
        note("item", item, os.getpid())

    def on_start(self):
        note("hook", "start")

    def on_resume(self):
        note("hook", "resume")

    def on_cancel(self):
        note("hook", "cancel")

    def on_complete(self):
        note("hook", "complete")
"""


@pytest.fixture
def counting(app: Jobsup) -> Jobsup:
    app.jobs(JOBS)
    return app


def items(app: Jobsup, word: str = "item") -> list[int]:
    return [int(line.split()[1]) for line in app.lines() if line.startswith(f"{word} ")]


def hooks(app: Jobsup) -> list[str]:
    return [line.split()[1] for line in app.lines() if line.startswith("hook ")]


def nothing_left(r: redis.Redis) -> bool:
    return not r.keys("it-*") and not r.exists("queue:default", "retry", "dead") and inflight(r) == 0


def test_term_stops_between_two_items_and_each_item_is_done_once(counting: Jobsup, r: redis.Redis) -> None:
    push(r, "Count", 150, 0.02, jid="j")
    pushed = r.lrange("queue:default", 0, -1)
    counting.start()
    for _ in range(3):
        before = len(items(counting))
        eventually(lambda before=before: len(items(counting)) > before + 3)
        assert counting.stop() == Exit.OK

        assert items(counting, "begin") == items(counting)
        assert json.loads(r.hget("it-j", "c") or b"") == items(counting)[-1] + 1
        assert r.lrange("queue:default", 0, -1) == pushed
        counting.log_path.write_text("")
        counting.start()
    eventually(lambda: "complete" in hooks(counting))

    assert items(counting) == list(range(150))
    assert hooks(counting) == ["start", "resume", "resume", "resume", "complete"]
    eventually(lambda: nothing_left(r))


def test_a_reload_moves_the_job_to_a_new_worker_at_the_next_item(counting: Jobsup, r: redis.Redis) -> None:
    counting.profile("main", timeout=20)  # it is not the deadline that ends it
    counting.start()
    push(r, "Count", 100_000, 0.03, jid="j")
    eventually(lambda: len(items(counting)) > 3)

    assert counting.ctl("reload", "--wait").returncode == 0
    eventually(lambda: hooks(counting) == ["start", "resume"])
    before = len(items(counting))
    eventually(lambda: len(items(counting)) > before + 3)
    iteration.cancel(r, "j")
    eventually(lambda: "cancel" in hooks(counting))

    done = items(counting)
    assert done == list(range(len(done)))
    pids = [line.split()[2] for line in counting.lines() if line.startswith("item ")]
    assert len(set(pids)) == 2


def test_a_killed_worker_repeats_what_it_did_since_the_place_was_kept(counting: Jobsup, r: redis.Redis) -> None:
    counting.start()
    push(r, "Count", 60, 0.03, jid="j")
    eventually(lambda: r.hexists("it-j", "c"))
    kept = int(r.hget("it-j", "c") or b"")
    eventually(lambda: len(items(counting)) > kept + 3)
    [worker] = counting.workers()
    os.kill(worker, signal.SIGKILL)
    eventually(lambda: "resume" in hooks(counting))
    lines = counting.lines()
    died = [int(line.split()[1]) for line in lines[: lines.index("hook resume")] if line.startswith("item ")]
    eventually(lambda: "complete" in hooks(counting))

    done = items(counting)
    first = done[len(died)]
    assert died == list(range(len(died)))
    assert done[len(died) :] == list(range(first, 60))
    # The item that ran and those since the last time, no more: 0.3 seconds of items that take 0.03.
    assert kept <= first <= len(died) <= first + 11
    eventually(lambda: nothing_left(r))


def test_an_item_that_outlives_the_deadline_is_the_only_one_that_is_repeated(counting: Jobsup, r: redis.Redis) -> None:
    counting.profile("main", timeout=0.2)
    counting.start()
    push(r, "Count", 3, 1.0, jid="j")
    eventually(lambda: items(counting, "begin") == [0, 1])

    assert counting.stop() == Exit.GIVEN_BACK
    assert r.hget("it-j", "c") == b"1"
    counting.log_path.write_text("")
    counting.start()
    eventually(lambda: "complete" in hooks(counting))

    assert items(counting) == [0, 1, 2]
    assert items(counting, "begin") == [0, 1, 1, 2]


def test_a_cancelled_job_ends_at_its_next_item_and_leaves_nothing(counting: Jobsup, r: redis.Redis) -> None:
    counting.start()
    push(r, "Count", 100_000, 0.03, jid="j")
    eventually(lambda: len(items(counting)) > 3)

    iteration.cancel(r, "j")
    eventually(lambda: hooks(counting) == ["start", "cancel"])
    eventually(lambda: nothing_left(r))
    assert "cancelled by request" in counting.log()
    assert r.get("stat:failed") in (None, b"0")


def test_a_job_that_is_cancelled_before_it_runs_does_nothing(counting: Jobsup, r: redis.Redis) -> None:
    iteration.cancel(r, "j")
    push(r, "Count", 5, 0.0, jid="j")
    counting.start()

    eventually(lambda: "cancel" in hooks(counting))
    eventually(lambda: nothing_left(r))
    assert items(counting, "begin") == []


def test_ctl_cancel_ends_an_iterable_job_in_the_middle_of_an_item(counting: Jobsup, r: redis.Redis) -> None:
    counting.start()
    push(r, "Count", 100_000, 0.03, jid="j")
    eventually(lambda: len(items(counting)) > 3)

    assert counting.ctl("cancel", "j").returncode == 0
    eventually(lambda: hooks(counting) == ["start", "cancel"])
    eventually(lambda: nothing_left(r))


def test_a_malformed_state_buries_the_job_with_the_cure_and_the_worker_goes_on(
    counting: Jobsup, r: redis.Redis
) -> None:
    r.set("it-j", "what is this")
    push(r, "Count", 5, 0.0, jid="j", retry=0)
    push(r, "Count", 5, 0.0)
    counting.start()

    eventually(lambda: r.zcard("dead") == 1)
    eventually(lambda: items(counting) == list(range(5)))
    [buried] = [json.loads(raw) for raw in r.zrange("dead", 0, -1)]
    assert buried["error_class"] == "jobsup.errors.MalformedState"
    assert "it is not a hash; delete the key it-j" in buried["error_message"]
