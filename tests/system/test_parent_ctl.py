"""``jobsup ctl`` against a running parent, whose children are the stand-ins of ``standin.py``."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from running import Parent, profile

from conftest import eventually
from jobsup.exits import Exit

pytestmark = pytest.mark.system


def ctl(parent: Parent, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = "from jobsup.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-P", "-c", program, "ctl", "--ctl", parent.config.ctl, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_status_lists_every_child_with_its_figures(parent: Parent) -> None:
    parent.start()

    found = json.loads(ctl(parent, "status", "--json").stdout)

    [pool] = found["pools"]
    assert (pool["name"], pool["size"], pool["failed"]) == ("main", 2, False)
    for child in pool["children"]:
        assert child["state"] == "ready"
        assert child["generation"] == 1
        assert child["rss"] > 1_000_000
        assert child["identity"].split(":")[1] == str(child["pid"])
        assert child["busy"] == 0
    assert ctl(parent, "status").stdout.splitlines()[0].split() == ["name", "pid", "state", "gen", "busy", "rss", "age"]


def test_quiet_is_idempotent_and_succeeds_when_nobody_listens(parent: Parent) -> None:
    parent.start()

    assert [ctl(parent, "quiet").returncode for _ in range(2)] == [0, 0]
    eventually(lambda: len(parent.workers("quiet")) == 2)
    parent.signal(signal.SIGTERM)
    parent.wait()
    assert ctl(parent, "quiet").returncode == 0


def test_drain_waits_until_nothing_is_fetched_any_more(parent: Parent) -> None:
    parent.start()

    assert ctl(parent, "drain", "--wait", "--timeout", "10").returncode == 0
    assert len(parent.workers("quiet")) == 2


def test_stop_stops(parent: Parent) -> None:
    parent.start()

    assert ctl(parent, "stop").returncode == 0
    assert parent.wait() == Exit.OK
    assert not Path(parent.config.ctl).exists()


def test_reload_wait_learns_how_it_ended(parent: Parent) -> None:
    parent.start()
    parent.resolves_to(problems=["main.yml: no such queue"])
    refused = ctl(parent, "reload", "--wait")
    parent.resolves_to(config=parent.config.dump())
    done = ctl(parent, "reload", "--wait")

    assert (refused.returncode, done.returncode) == (1, 0)
    assert "main.yml: no such queue" in refused.stderr
    assert {worker["generation"] for worker in parent.workers()} == {3}


def test_nobody_listening_is_one_sentence_and_exit_code_1(parent: Parent) -> None:
    found = ctl(parent, "status")

    assert found.returncode == Exit.ERROR
    assert found.stderr.count("\n") == 1
    assert "No jobsup listens on" in found.stderr


def test_the_socket_belongs_to_its_user_alone(parent: Parent) -> None:
    parent.start()
    path = Path(parent.config.ctl)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_socket_of_a_dead_supervisor_is_replaced(parent: Parent) -> None:
    parent.start()
    parent.process.kill()
    parent.process.wait()

    parent.start()
    assert len(parent.pids()) == 2


def test_garbage_and_silence_on_the_socket_disturb_nobody(parent: Parent) -> None:
    parent.start()
    with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as rude:
        silent.connect(parent.config.ctl)
        rude.connect(parent.config.ctl)
        rude.sendall(b"\xff[[[\n")
        assert json.loads(rude.recv(1000))["ok"] is False

        assert len(parent.pids()) == 2
    assert parent.ask("rm -rf")["ok"] is False


def test_many_silent_clients_cannot_use_up_the_descriptors(parent: Parent) -> None:
    parent.start()
    clients = [socket.socket(socket.AF_UNIX) for _ in range(40)]
    for client in clients:
        client.connect(parent.config.ctl)
        assert len(parent.pids()) == 2

    assert len(os.listdir(f"/proc/{parent.process.pid}/fd")) < 60
    for client in clients:
        client.close()


def test_a_socket_directory_that_others_can_write_is_refused(parent: Parent, tmp_path: Path) -> None:
    directory = tmp_path / "ctl"
    directory.mkdir()
    os.chmod(directory, 0o777)
    parent.start(ready=False)

    assert parent.wait() == Exit.CANT_CREATE
    assert "writable by this user alone" in parent.log


def test_scale_changes_the_size_of_a_pool_at_once_and_back(parent: Parent) -> None:
    parent.start()

    assert ctl(parent, "scale", "main=4", "--wait").returncode == 0
    assert len(parent.workers()) == 4
    assert ctl(parent, "scale", "main=1", "--wait").returncode == 0
    assert len(parent.workers()) == 1
    assert ctl(parent, "scale", "main=0", "--wait").returncode == 0
    assert parent.workers() == []
    assert ctl(parent, "scale", "main=2", "--wait").returncode == 0


def test_a_size_that_was_asked_for_survives_reloads_until_the_profile_says_another(parent: Parent) -> None:
    parent.resolves_to(config=parent.config.dump())
    parent.start()
    assert ctl(parent, "scale", "main=3", "--wait").returncode == 0
    assert ctl(parent, "reload", "--wait").returncode == 0
    assert len(parent.workers()) == 3

    parent.resolves_to(config=replace(parent.config, profiles=(profile("main", 1),)).dump())
    assert ctl(parent, "reload", "--wait").returncode == 0
    assert len(parent.workers()) == 1


@pytest.mark.parametrize(
    ("sizes", "code", "said"),
    [
        (["mian=3"], Exit.ERROR, "There is no pool mian; there are main."),
        (["main"], Exit.USAGE, "'main' is not POOL=N, as in heavy=4"),
        (["main=-1"], Exit.USAGE, "'main=-1' is not POOL=N"),
        (["main=many"], Exit.USAGE, "'main=many' is not POOL=N"),
        ([], Exit.USAGE, "Missing argument"),
    ],
)
def test_a_wrong_size_is_refused_with_a_sentence(parent: Parent, sizes: list[str], code: Exit, said: str) -> None:
    parent.start()

    refused = ctl(parent, "scale", *sizes)

    assert refused.returncode == code
    assert said in refused.stderr
    assert len(parent.workers()) == 2
