"""The control socket: private, bounded, and never in the way of the loop that serves it."""

from __future__ import annotations

import os
import resource
import select
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import required
from jobsup.unix import ctlsock


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "run" / "ctl.sock")


@pytest.fixture
def server(path: str) -> Iterator[ctlsock.Server]:
    made = ctlsock.Server(path, lambda request: {"ok": True, "you said": request})
    yield made
    made.close()


def connected(server: ctlsock.Server) -> tuple[socket.socket, ctlsock.Connection]:
    client = socket.socket(socket.AF_UNIX)
    client.connect(server.path)
    connection = server.accept()
    assert connection is not None
    return client, connection


def test_socket_and_directory_are_private(server: ctlsock.Server) -> None:
    assert stat.S_IMODE(os.stat(server.path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(server.path)).st_mode) == 0o700


def test_without_a_descriptor_to_spare_a_client_is_hung_up_on_rather_than_left_waiting(server: ctlsock.Server) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(server.path)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = os.dup(client.fileno())
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        try:
            assert server.accept() is None
            assert not select.select([server], [], [], 0)[0], "the loop would be woken again at once"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert client.recv(1) == b""
    client, connection = connected(server)  # and the next one is served
    client.close()
    connection.close()


def test_a_request_is_answered_and_the_connection_is_done(server: ctlsock.Server) -> None:
    client, connection = connected(server)
    client.sendall(b'{"command":"status"}\n')

    assert connection.readable() is True
    assert client.recv(4096) == b'{"ok": true, "you said": {"command": "status"}}\n'


@pytest.mark.parametrize("request_", [b"\n", b"[]\n", b"{\n", b"\xff\n", b"[" * 3000 + b"\n"])
def test_what_is_no_request_is_answered_with_a_sentence(server: ctlsock.Server, request_: bytes) -> None:
    client, connection = connected(server)
    client.sendall(request_)

    assert connection.readable() is True
    assert b"not one JSON object" in client.recv(4096)


def test_half_a_request_is_waited_for_without_waiting(server: ctlsock.Server) -> None:
    client, connection = connected(server)
    assert connection.readable() is False
    client.sendall(b'{"command":')
    assert connection.readable() is False
    client.sendall(b'"x"}\n')

    assert connection.readable() is True


def test_a_client_that_sends_without_end_is_hung_up_on(server: ctlsock.Server) -> None:
    client, connection = connected(server)
    client.setblocking(False)
    taken = 0
    while not connection.readable():
        with_room = client.send(b"x" * 4096)
        taken += with_room
        assert taken < 1_000_000


def test_a_living_listener_keeps_its_path(server: ctlsock.Server) -> None:
    with pytest.raises(ctlsock.SocketInUse, match=r"ctl\.sock"):
        ctlsock.Server(server.path, lambda _request: {})


def test_the_socket_of_a_dead_supervisor_is_taken_over(path: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
        dead.listen()

    successor = ctlsock.Server(path, lambda _request: {})
    successor.close()
    assert not os.path.exists(path)


def test_a_file_that_is_no_socket_is_not_removed(path: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700)
    Path(path).write_text("precious")

    with pytest.raises(ctlsock.SocketInUse):
        ctlsock.Server(path, lambda _request: {})
    assert Path(path).read_text() == "precious"


def test_another_user_is_not_served_even_if_the_file_would_let_him(server: ctlsock.Server) -> None:
    required(os.getuid() == 0, "root, to become another user")
    os.chmod(server.path, 0o666)
    program = f"import os, socket\nos.chdir({os.path.dirname(server.path)!r})\nos.setuid(65534)\n"
    program += "s = socket.socket(socket.AF_UNIX)\ns.connect('ctl.sock')\nprint(s.recv(10))"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as other:
        os.chmod(os.path.dirname(server.path), 0o755)
        assert select.select([server], [], [], 10)[0]
        assert server.accept() is None
        assert other.stdout is not None
        assert other.stdout.read().strip() == b"b''"
