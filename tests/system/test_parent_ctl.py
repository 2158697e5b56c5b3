"""``jobsup ctl`` against a running parent, whose children are the stand-ins of ``standin.py``."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from running import Parent

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
