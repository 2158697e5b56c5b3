"""Reloads of a running parent, good and bad; its children are the stand-ins of ``standin.py``."""

import os
import signal
from dataclasses import replace

import pytest
from running import Parent, alive, profile

from conftest import eventually, never
from jobsup.exits import Exit

pytestmark = pytest.mark.system


def reload_state(parent: Parent) -> str:
    return str(parent.status()["reload"]["state"])  # type: ignore[index]


@pytest.mark.parametrize("sig", [signal.SIGHUP, signal.SIGUSR2])
def test_a_reload_replaces_slot_by_slot_ready_before_drain(parent: Parent, sig: signal.Signals) -> None:
    parent.resolves_to(config=parent.config.dump())
    parent.start()
    before = parent.pids()
    parent.signal(sig)

    eventually(lambda: "has taken over" in parent.log)
    assert {worker["generation"] for worker in parent.workers()} == {2}
    assert not set(parent.pids()) & set(before)
    events = [line[1] for line in parent.trace("worker") if line[1] in ("boot", "drain")]
    assert events == ["boot", "boot", "boot", "drain", "boot", "drain"]
    eventually(lambda: len(parent.status()["helpers"]) == 2)  # type: ignore[arg-type]
    parent.signal(signal.SIGTERM)
    assert parent.wait() == Exit.OK


def test_a_reload_adds_resizes_and_removes_pools(parent: Parent) -> None:
    parent.config = replace(parent.config, profiles=(profile("old", 1), profile("main", 1)))
    parent.resolves_to(config=replace(parent.config, profiles=(profile("main", 3), profile("new", 1))).dump())
    parent.start()
    parent.signal(signal.SIGHUP)

    eventually(lambda: "has taken over" in parent.log)
    assert sorted(str(worker["pool"]) for worker in parent.workers()) == ["main", "main", "main", "new"]


def test_a_configuration_with_problems_is_refused_and_nothing_stops(parent: Parent) -> None:
    parent.resolves_to(problems=["main.yml: concurrency must be above zero, is -1"])
    parent.start()
    before = parent.pids()
    parent.signal(signal.SIGHUP)

    eventually(lambda: "concurrency must be above zero" in parent.log)
    assert parent.pids() == before
    assert reload_state(parent) == "failed"


def test_what_only_a_restart_can_change_is_refused(parent: Parent) -> None:
    parent.resolves_to(config=replace(parent.config, redis_url="redis://elsewhere").dump())
    parent.start()
    parent.signal(signal.SIGHUP)

    eventually(lambda: "the Redis server cannot change in a reload" in parent.log)


def test_a_resolver_that_says_nothing_refuses_the_reload(parent: Parent) -> None:
    parent.start()
    parent.signal(signal.SIGHUP)

    eventually(lambda: "could not be read again (exit code 1)" in parent.log)


def test_code_that_cannot_be_imported_is_refused_and_the_old_generation_goes_on(parent: Parent) -> None:
    parent.resolves_to(config=parent.config.dump())
    parent.start()
    before = parent.pids()
    parent.set("broken-code")
    parent.signal(signal.SIGHUP)

    eventually(lambda: "Reload refused" in parent.log)
    assert "ImportError: no module named shop" in parent.log
    assert parent.pids() == before
    # The old template still forks the old code.
    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: len(parent.pids()) == 2 and before[0] not in parent.pids())
    assert {worker["generation"] for worker in parent.workers()} == {1}


def test_a_redis_url_that_has_become_unusable_refuses_a_reload_with_its_sentence(parent: Parent) -> None:
    parent.resolves_to(config=parent.config.dump())
    parent.start()
    before = parent.pids()
    parent.set("refused")
    parent.signal(signal.SIGHUP)

    eventually(lambda: "Reload refused" in parent.log)
    assert "ssl_ca_certs names a file that cannot be read" in parent.log
    assert "Traceback" not in parent.log
    assert parent.pids() == before


@pytest.mark.parametrize("fault", ["worker-crashes-2", "worker-hangs-2"])
def test_a_generation_whose_workers_do_not_become_ready_is_rolled_back(parent: Parent, fault: str) -> None:
    parent.config = replace(parent.config, profiles=(profile(boot_timeout=0.5),))
    parent.resolves_to(config=parent.config.dump())
    parent.start()
    before = parent.pids()
    parent.set(fault)
    parent.signal(signal.SIGHUP)

    eventually(lambda: "Reload refused" in parent.log)
    assert parent.pids() == before
    eventually(lambda: len(parent.status()["helpers"]) == 2)  # type: ignore[arg-type]


def test_a_reload_may_follow_a_failed_one(parent: Parent) -> None:
    parent.resolves_to(problems=["nothing is right"])
    parent.start()
    parent.signal(signal.SIGHUP)
    eventually(lambda: reload_state(parent) == "failed")
    parent.resolves_to(config=parent.config.dump())

    assert parent.ask("reload") == {"ok": True}
    eventually(lambda: reload_state(parent) == "done")
    assert {worker["generation"] for worker in parent.workers()} == {3}


def test_a_reload_asked_for_during_a_reload_follows_it_once(parent: Parent) -> None:
    parent.config = replace(parent.config, profiles=(profile(boot_timeout=1.0),))
    parent.resolves_to(config=parent.config.dump())
    parent.start()
    parent.set("worker-hangs-2")
    assert parent.ask("reload") == {"ok": True}
    eventually(lambda: parent.workers("booting"))

    assert [parent.ask("reload") for _ in range(3)] == [{"ok": True}] * 3

    assert parent.status()["reload"]["asked_for"] == 3  # type: ignore[index]
    eventually(lambda: "generation 1 goes on" in parent.log)
    eventually(lambda: reload_state(parent) == "done")
    assert {worker["generation"] for worker in parent.workers()} == {3}
    assert "Reloading: generation 4" not in parent.log


@pytest.mark.parametrize("command", ["quiet", "stop"])
def test_none_follows_when_jobsup_is_made_quiet_or_stops(parent: Parent, command: str) -> None:
    parent.resolves_to(config=parent.config.dump())
    parent.start()
    parent.set("worker-hangs-2")
    parent.ask("reload")
    eventually(lambda: parent.workers("booting"))
    parent.ask("reload")

    parent.ask(command)
    parent.signal(signal.SIGTERM)

    parent.wait()
    assert "Reloading: generation 3" not in parent.log


def test_a_stop_during_a_reload_stops_both_generations(parent: Parent) -> None:
    parent.resolves_to(config=parent.config.dump())
    parent.start()
    parent.set("worker-hangs-2")
    parent.signal(signal.SIGHUP)
    eventually(lambda: len(parent.trace("worker", "boot")) == 3)
    parent.signal(signal.SIGTERM)

    parent.wait(5)


def test_a_reload_with_long_drains_does_not_wait_for_them(parent: Parent) -> None:
    parent.config = replace(parent.config, profiles=(profile(timeout=60.0, max_timeout=60.0),))
    parent.resolves_to(config=parent.config.dump())
    parent.set("busy")
    parent.start()
    parent.signal(signal.SIGHUP)

    eventually(lambda: "has taken over" in parent.log)
    assert len(parent.workers("draining")) == 2
    parent.signal(signal.SIGQUIT)
    assert parent.wait(5) == Exit.GIVEN_BACK


# -- the patience of a reload


def reload_with_a_busy_worker(parent: Parent, **fields: object) -> int:
    """A reload during which the old worker has work for a minute; returns its pid."""
    parent.config = replace(parent.config, profiles=(profile("main", 1, drain=60.0, **fields),))
    parent.resolves_to(config=parent.config.dump())
    parent.set("busy")
    parent.start()
    (old,) = parent.pids()
    parent.signal(signal.SIGHUP)
    eventually(lambda: "has taken over" in parent.log)
    return old


def test_a_reload_lets_jobs_run_for_longer_than_a_stop_would(parent: Parent) -> None:
    old = reload_with_a_busy_worker(parent)

    [draining] = parent.workers("draining")
    assert draining["pid"] == old
    assert draining["generation"] == 1
    # Longer than a stop would have given it, with all that is added to that.
    never(lambda: not alive(old), within=1.5)


def test_a_stop_ends_that_patience(parent: Parent) -> None:
    old = reload_with_a_busy_worker(parent)

    parent.signal(signal.SIGTERM)

    assert parent.wait(5) == Exit.GIVEN_BACK
    assert not alive(old)


def test_of_too_many_generations_the_oldest_leaves_within_the_time_of_a_stop(parent: Parent) -> None:
    old = reload_with_a_busy_worker(parent, max_generations=2)

    assert parent.ask("reload") == {"ok": True}

    eventually(lambda: not alive(old))
    eventually(lambda: reload_state(parent) == "done")
    assert [worker["generation"] for worker in parent.workers("draining")] == [2]


def test_a_larger_surge_makes_as_many_workers_at_a_time(parent: Parent) -> None:
    parent.config = replace(parent.config, profiles=(profile("main", 3, surge=2),))
    parent.resolves_to(config=parent.config.dump())
    parent.start()
    parent.set("worker-hangs-2")
    parent.signal(signal.SIGHUP)

    eventually(lambda: len(parent.workers("booting")) == 2)
    assert len(parent.workers()) == 3
