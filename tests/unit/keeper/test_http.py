"""The small server, and the clients it must survive."""

import http.client
import os
import resource
import socket
import time
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from conftest import eventually
from jobsup.keeper import http as served
from jobsup.keeper.http import Page, Server, sentence
from jobsup.unix.process import resident_bytes

LONG = b"0123456789abcdef" * 500_000
"""More than the kernel holds for one connection."""


def answer(path: str) -> Page | None:
    if path == "/long":
        return Page(HTTPStatus.OK, LONG, "text/long")
    return sentence(HTTPStatus.OK, "Here I am.") if path == "/here" else None


@pytest.fixture
def port() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = int(probe.getsockname()[1])
    server = Server(("127.0.0.1", number), answer)
    server.start()
    yield number
    server.close()
    with socket.socket() as gone:
        assert gone.connect_ex(("127.0.0.1", number)) != 0


def ask(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path)
    reply = connection.getresponse()
    text = reply.read().decode()
    connection.close()
    return reply.status, text


def talk(port: int, *pieces: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        for piece in pieces:
            sock.sendall(piece)
        got = b""
        while chunk := sock.recv(4096):
            got += chunk
        return got


@pytest.mark.parametrize(
    ("method", "path", "reply"),
    [
        ("GET", "/here", (200, "Here I am.\n")),
        ("GET", "/here?verbose=1", (200, "Here I am.\n")),
        ("HEAD", "/here", (200, "")),
        ("GET", "/there", (404, "There is no such page.\n")),
        ("POST", "/here", (405, "Only GET and HEAD are answered.\n")),
    ],
)
def test_a_page_is_got_by_its_path(port: int, method: str, path: str, reply: tuple[int, str]) -> None:
    assert ask(port, path, method) == reply


def test_a_request_may_come_in_pieces(port: int) -> None:
    assert talk(port, b"GET /he", b"re HTTP/1.1\r\nHost: x\r", b"\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("junk", [b"\x16\x03\x01\x02\r\n\r\n", b"GET /here\r\n\r\n", b"\xff\n\n", b"\n\n"])
def test_what_is_no_request_is_refused(port: int, junk: bytes) -> None:
    assert talk(port, junk).startswith(b"HTTP/1.1 400 ")


def test_a_header_without_an_end_is_cut_off(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock, pytest.raises(ConnectionError):  # noqa: PT012
        for _ in range(100_000):
            sock.send(b"X" * 4096)
    assert ask(port, "/here")[0] == 200


def test_a_silent_client_is_hung_up_on(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "_PATIENCE", 0.3)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        begun = time.monotonic()
        sock.sendall(b"GET /here HT")
        assert sock.recv(1) == b""
        assert 0.2 < time.monotonic() - begun < 5


def test_clients_that_drip_their_request_are_not_given_more_time(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "_PATIENCE", 0.3)
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock, pytest.raises(ConnectionError):  # noqa: PT012
        while time.monotonic() < begun + 10:
            sock.send(b"x")
            time.sleep(0.02)


def test_a_long_page_arrives_whole_with_its_kind_while_others_are_served(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/long")
    assert ask(port, "/here")[0] == 200
    reply = connection.getresponse()
    assert reply.getheader("Content-Type") == "text/long"
    assert reply.getheader("Content-Length") == str(len(LONG))
    assert reply.read() == LONG
    connection.close()


def test_who_does_not_read_a_long_page_is_hung_up_on(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "_PATIENCE", 0.3)
    before = len(os.listdir("/proc/self/fd"))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(b"GET /long HTTP/1.1\r\n\r\n")
        eventually(lambda: len(os.listdir("/proc/self/fd")) == before + 2)
        eventually(lambda: len(os.listdir("/proc/self/fd")) == before + 1)
        got = b""
        while chunk := sock.recv(65536):
            got += chunk
        assert len(got) < len(LONG)


def test_who_leaves_in_the_middle_of_a_long_page_costs_nothing_more(port: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(b"GET /long HTTP/1.1\r\n\r\n")
        assert sock.recv(15) == b"HTTP/1.1 200 OK"
    eventually(lambda: len(os.listdir("/proc/self/fd")) == before, within=3)
    assert ask(port, "/here")[0] == 200


def test_a_crowd_that_asks_for_a_long_page_and_does_not_read_it_shares_one_copy(port: int) -> None:
    before = resident_bytes(os.getpid())
    crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    try:
        for sock in crowd:
            sock.sendall(b"GET /long HTTP/1.1\r\n\r\n")
        assert ask(port, "/here")[0] == 200
        assert resident_bytes(os.getpid()) - before < 10 * len(LONG)
    finally:
        for sock in crowd:
            sock.close()


def test_a_crowd_holds_few_descriptors_and_keeps_nobody_out(port: int) -> None:
    before = len(os.listdir("/proc/self/fd"))
    crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(300)]
    try:
        assert ask(port, "/here")[0] == 200
        held = len(os.listdir("/proc/self/fd")) - before - len(crowd)
        assert held <= 65
    finally:
        for sock in crowd:
            sock.close()
    eventually(lambda: len(os.listdir("/proc/self/fd")) <= before)


def test_without_a_descriptor_it_waits_without_burning_the_cpu(port: int) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    waiting = socket.socket()
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(200, limits[1]), limits[1]))
    held: list[int] = []
    try:
        with pytest.raises(OSError, match="Too many open files"):  # noqa: PT012
            while True:
                held.append(os.dup(2))
        waiting.connect(("127.0.0.1", port))
        waiting.sendall(b"GET /here HTTP/1.1\r\n\r\n")
        burnt = time.process_time()
        time.sleep(0.5)  # the time in which nothing may happen
        assert time.process_time() - burnt < 0.25
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    waiting.settimeout(10)
    assert waiting.recv(15) == b"HTTP/1.1 200 OK"
    waiting.close()


def test_an_address_that_is_taken_is_refused(port: int) -> None:
    with pytest.raises(OSError, match="Address already in use"):
        Server(("127.0.0.1", port), answer)
