from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from jobsup.unix.slot import READY, Running, Slot


@pytest.fixture
def slot() -> Iterator[Slot]:
    made = Slot.create(3)
    yield made
    made.close()


def test_a_new_slot_says_that_nothing_runs(slot: Slot) -> None:
    assert slot.running() == []
    assert slot.read().threads == 3


def test_both_sides_see_what_either_wrote(slot: Slot) -> None:
    other = Slot.from_fd(os.dup(slot.fd))
    other.set_state(READY)
    other.tick_main(2.5)
    other.set_rss(4096)
    ticks = slot.read()
    assert (ticks.state, ticks.main_tick, ticks.rss) == (READY, 2_500_000_000, 4096)
    other.close()


def test_what_a_thread_runs_is_in_its_entry_until_it_ends(slot: Slot) -> None:
    slot.entry(1).begin(12.5, 20.0, 7, 8, 0xFFFFFFFF, "abc", "SendReceipt", "mail")
    expected = Running(12.5, 20.0, 7, 8, 0xFFFFFFFF, False, "abc", "SendReceipt", "mail")
    assert slot.running() == [expected]
    slot.entry(1).end()
    assert slot.running() == []


def test_a_cancelled_job_is_marked_and_the_next_one_is_not(slot: Slot) -> None:
    entry = slot.entry(0)
    entry.begin(1.0, 0.0, 1, 1, 1, "a", "A", "q")
    entry.cancel()
    entry.set_limit(9.0)
    assert (slot.running()[0].cancelled, slot.running()[0].limit) == (True, 9.0)
    entry.begin(2.0, 0.0, 1, 1, 1, "b", "A", "q")
    assert (slot.running()[0].cancelled, slot.running()[0].limit) == (False, 0.0)


def test_what_a_stop_means_for_a_job_stands_beside_it_and_outlives_a_cancellation(slot: Slot) -> None:
    entry = slot.entry(0)
    entry.begin(1.0, 0.0, 1, 1, 1, "a", "A", "q", timeout=90.5, pauses=True)
    entry.cancel()
    [job] = slot.running()
    assert (job.timeout, job.pauses, job.cancelled) == (90.5, True, True)


def test_names_longer_than_their_field_are_cut_not_refused(slot: Slot) -> None:
    slot.entry(2).begin(1.0, 0.0, 1, 1, 1, "j" * 500, "é" * 500, "q" * 500)
    [job] = slot.running()
    assert job.jid == "j" * 48
    assert job.klass.startswith("é" * 40)
    assert job.queue == "q" * 80
    assert len(slot.running()) == 1


def test_the_table_outlives_a_process_that_is_killed(slot: Slot) -> None:
    pid = os.fork()
    if pid == 0:
        slot.entry(0).begin(1.0, 0.0, 1, 1, 5, "abc", "Poison", "q")
        os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    assert [job.jid for job in slot.running()] == ["abc"]


@pytest.mark.parametrize("jid", ["abc", "j" * 47 + "é", "j" * 500, "\ud800"])
def test_a_job_is_found_by_its_jid_however_long_that_is(jid: str) -> None:
    slot = Slot.create(1)
    slot.entry(0).begin(1.0, 0.0, 1, 1, 1, jid, "K", "q")
    (job,) = slot.running()

    assert job.named(jid)
    assert not job.named("x" + jid)
    assert not job.named("")
    slot.close()
