"""The parent with real processes, signals and deaths; its children are the stand-ins of ``standin.py``."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from running import STANDIN, Parent, alive, profile

from conftest import eventually
from jobsup.exits import Exit

pytestmark = pytest.mark.system


# stop


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_parent_obeys_a_stop_at_once_with_exit_code_0(parent: Parent, sig: signal.Signals) -> None:
    parent.start().signal(sig)

    assert parent.wait() == Exit.OK
    assert len(parent.trace("worker", "drain")) == 2
    assert not parent.trace("worker", "sigterm")


def test_a_busy_worker_may_use_its_time_and_the_exit_code_says_that_jobs_went_back(parent: Parent) -> None:
    parent.set("busy")
    begun = time.monotonic()
    parent.start().signal(signal.SIGTERM)

    assert parent.wait() == Exit.GIVEN_BACK
    assert time.monotonic() - begun >= 0.5
    assert "Killing" not in parent.log


def test_a_second_term_changes_nothing(parent: Parent) -> None:
    parent.set("busy")
    parent.start()
    for _ in range(5):
        parent.signal(signal.SIGTERM)

    assert parent.wait() == Exit.GIVEN_BACK
    assert len(parent.trace("worker", "drain")) == 2
    assert not parent.trace("worker", "halt")


@pytest.mark.parametrize("sigs", [[signal.SIGINT, signal.SIGINT], [signal.SIGQUIT]])
def test_a_second_int_or_a_quit_gives_back_now(parent: Parent, sigs: list[signal.Signals]) -> None:
    parent.config = replace(parent.config, profiles=(profile(timeout=60.0, max_timeout=60.0),))
    parent.set("busy")
    parent.start()
    for sig in sigs:
        parent.signal(sig)
        eventually(lambda: "Stopping" in parent.log)

    assert parent.wait(5) == Exit.GIVEN_BACK
    assert len(parent.trace("worker", "halt")) == 2


def test_who_does_not_leave_in_time_is_killed_and_its_jobs_are_given_back(parent: Parent) -> None:
    parent.set("deaf")
    parent.start()
    begun = time.monotonic()
    parent.signal(signal.SIGTERM)

    parent.wait()

    assert 0.8 <= time.monotonic() - begun < 3
    assert [line[3:] for line in parent.trace("keeper", "ended")] == [["None", "9"]] * 2


def test_a_stop_during_the_start_stops_whoever_is_there(parent: Parent) -> None:
    parent.set("worker-hangs-1")
    parent.start(ready=False)
    eventually(lambda: len(parent.trace("worker", "boot")) == 2)
    parent.signal(signal.SIGTERM)

    parent.wait(5)

    assert not any(alive(int(line[2])) for line in parent.trace("worker", "boot"))


def test_an_exit_waits_a_bounded_time_for_jobs_that_nobody_can_give_back(parent: Parent) -> None:
    parent.set("keeper-silent")
    parent.start()
    victim = parent.pids()[0]
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: parent.trace("keeper", "ended"))
    begun = time.monotonic()
    parent.signal(signal.SIGTERM)

    assert parent.wait() == Exit.LEFT_BEHIND
    assert 4.5 < time.monotonic() - begun < 8


def test_tstp_makes_every_worker_quiet_and_keeps_it(parent: Parent) -> None:
    parent.start().signal(signal.SIGTSTP)

    eventually(lambda: len(parent.workers("quiet")) == 2)


def test_ttin_asks_every_worker_for_its_stacks(parent: Parent) -> None:
    parent.start().signal(signal.SIGTTIN)

    eventually(lambda: len(parent.trace("worker", "dump")) == 2)


# deaths


def test_a_killed_worker_is_replaced_and_the_keeper_is_told(parent: Parent) -> None:
    parent.start()
    victim, other = parent.pids()
    os.kill(victim, signal.SIGKILL)

    eventually(lambda: len(parent.pids()) == 2 and victim not in parent.pids())
    assert other in parent.pids()
    [told] = parent.trace("keeper", "ended")
    assert told[2].split(":")[1] == str(victim)
    assert told[3:] == ["None", "9"]


def test_what_a_killed_worker_started_dies_with_it(parent: Parent) -> None:
    parent.set("grandchild")
    parent.start()
    eventually(lambda: len(parent.trace("grandchild")) == 2)
    for pid in parent.pids():
        os.kill(pid, signal.SIGKILL)

    first = [int(line[1]) for line in parent.trace("grandchild")[:2]]
    eventually(lambda: not any(alive(pid) for pid in first))


def test_a_killed_keeper_is_replaced_without_touching_a_worker(parent: Parent) -> None:
    parent.start()
    before, keeper = parent.pids(), parent.helper("Keeper")
    os.kill(keeper, signal.SIGKILL)

    eventually(lambda: parent.helper("Keeper") not in (0, keeper))
    assert parent.pids() == before
    assert parent.trace("keeper", "start")[-1][3] == "again"


def test_a_restarted_keeper_hears_again_of_deaths_it_had_not_settled(parent: Parent) -> None:
    parent.set("keeper-silent")
    parent.start()
    os.kill(parent.pids()[0], signal.SIGKILL)
    eventually(lambda: parent.trace("keeper", "ended"))
    os.kill(parent.helper("Keeper"), signal.SIGKILL)

    eventually(lambda: parent.trace("keeper", "told-again"))
    assert parent.trace("keeper", "told-again")[0][2] == parent.trace("keeper", "ended")[0][2]


def test_a_killed_template_is_replaced_and_its_workers_live_on(parent: Parent) -> None:
    parent.start()
    before, template = parent.pids(), parent.helper("Template")
    os.kill(template, signal.SIGKILL)

    eventually(lambda: parent.helper("Template") not in (0, template))
    assert parent.pids() == before
    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: len(parent.pids()) == 2 and before[0] not in parent.pids())


def test_a_killed_parent_leaves_nobody(parent: Parent) -> None:
    parent.start()
    everyone = [*parent.pids(), parent.helper("Keeper"), parent.helper("Template")]
    parent.process.kill()

    eventually(lambda: not any(alive(pid) for pid in everyone))


def test_a_worker_that_leaves_by_itself_is_replaced_without_counting_as_a_crash(parent: Parent) -> None:
    parent.start()
    first = parent.pids()
    for pid in first:
        os.kill(pid, signal.SIGUSR1)

    eventually(lambda: len(parent.pids()) == 2 and not set(first) & set(parent.pids()))
    assert "crashed" not in parent.log


# start


def test_a_keeper_that_refuses_the_start_is_quoted_and_its_exit_code_passed_on(parent: Parent) -> None:
    parent.set("keeper-fatal")
    parent.start(ready=False)

    assert parent.wait() == Exit.UNAVAILABLE
    assert "Redis does not answer at nowhere." in parent.log
    assert not parent.trace("worker")


def test_a_keeper_that_dies_again_and_again_ends_the_start(parent: Parent) -> None:
    parent.set("keeper-crashes")
    parent.start(ready=False)

    assert parent.wait() == Exit.SOFTWARE
    assert "Keeper died again and again" in parent.log
    assert not parent.trace("worker")


def test_code_that_cannot_be_imported_stops_the_start_with_its_traceback(parent: Parent) -> None:
    parent.set("broken-code")
    parent.start(ready=False)

    assert parent.wait() == Exit.SOFTWARE
    assert "ImportError: no module named shop" in parent.log
    assert len(parent.trace("template", "load")) == 1


def test_workers_that_crash_again_and_again_fail_their_pool_and_the_exit_code_says_so(
    parent: Parent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_NO_BACKOFF", "1")
    parent.set("worker-crashes-1")
    parent.start(ready=False)

    assert parent.wait(20) == Exit.POOL_FAILED
    assert "is given up" in parent.log


def test_a_worker_that_does_not_become_ready_is_killed_and_tried_again(parent: Parent) -> None:
    parent.config = replace(parent.config, profiles=(profile(processes=1, boot_timeout=0.5),))
    parent.set("worker-hangs-1")
    parent.start(ready=False)
    eventually(lambda: parent.trace("worker", "boot"))
    (parent.home / "worker-hangs-1").unlink()

    eventually(lambda: "workers are ready" in parent.log)
    assert "did not become ready within 0.5s" in parent.log


def test_the_embedded_server_starts_first_and_stops_last(parent: Parent) -> None:
    parent.config = replace(parent.config, embedded="state")
    parent.start().signal(signal.SIGTERM)

    assert parent.wait() == Exit.OK
    helpers = [line[:2] for line in parent.trace() if line[0] in ("embedded", "keeper")]
    assert helpers[0] == ["embedded", "start"]
    assert helpers[-2:] == [["keeper", "stop"], ["embedded", "stop"]]


def test_the_embedded_server_outlives_a_killed_parent_until_the_last_worker_left(parent: Parent) -> None:
    parent.config = replace(parent.config, embedded="state")
    parent.start()
    parent.process.kill()

    eventually(lambda: parent.trace("embedded", "nobody-left"))
    words = [line[:2] for line in parent.trace()]
    assert words.index(["worker", "orphan"]) < words.index(["embedded", "nobody-left"])


def test_a_second_parent_on_the_same_control_socket_is_refused(parent: Parent, tmp_path: Path) -> None:
    parent.start()
    second = subprocess.run(
        [sys.executable, "-P", STANDIN, "parent", str(tmp_path / "config.json")],
        capture_output=True,
        text=True,
        timeout=10,
        env={**os.environ, "STANDIN_DIR": str(tmp_path)},
    )

    assert second.returncode == Exit.CANT_CREATE
    assert "Another jobsup listens" in second.stderr
    assert len(parent.pids()) == 2
