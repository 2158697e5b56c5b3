"""sd_notify(3), against a socket as systemd has it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobsup.unix import notify


def listener(address: str) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    listening.bind(address)
    return listening


@pytest.fixture(params=["path", "abstract"])
def named(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@jobsup-test-{os.getpid()}"
    listening = listener(name.replace("@", "\0"))
    yield name, listening
    listening.close()


def test_a_message_arrives_whole_at_a_path_and_at_an_abstract_name(named: tuple[str, socket.socket]) -> None:
    name, listening = named
    told = notify.connect({"NOTIFY_SOCKET": name})

    assert told is not None
    assert told.send("READY=1\nSTATUS=two wörkers")
    assert listening.recv(4096) == "READY=1\nSTATUS=two wörkers".encode()
    told.close()


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:9"}])
def test_where_nobody_of_our_kind_listens_nothing_is_told(environ: dict[str, str]) -> None:
    assert notify.connect(environ) is None


def test_a_listener_that_does_not_read_is_not_waited_for(tmp_path: Path) -> None:
    listening = listener(str(tmp_path / "notify"))
    told = notify.Notify(str(tmp_path / "notify"))

    sent = 0
    while told.send("WATCHDOG=1"):
        sent += 1
        assert sent < 100_000
    for _ in range(sent):
        listening.recv(64)

    assert told.send("READY=1"), "and is told what it missed when it reads again"
    listening.close()
    told.close()


def test_a_listener_that_has_gone_is_no_failure(tmp_path: Path) -> None:
    told = notify.Notify(str(tmp_path / "nobody"))

    assert told.send("READY=1")
    told.close()


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "1500000"}, 1.5),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid() + 1)}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_signs_of_life_are_owed_only_by_the_process_that_is_named(
    environ: dict[str, str], seconds: float | None
) -> None:
    assert notify.watchdog(environ) == seconds
