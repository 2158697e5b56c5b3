"""The fault-injecting proxy, before an echo server, in a process of its own."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from benchmarks.chaos.processes import Proxy

from conftest import eventually


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    listener = socket.create_server(("127.0.0.1", 0))

    def echo(end: socket.socket) -> None:
        with end, contextlib.suppress(OSError):
            while chunk := end.recv(4096):
                end.sendall(chunk)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    proxy = Proxy(listener.getsockname()[1])
    yield proxy
    proxy.close()
    listener.close()


def connect(proxy: Proxy) -> socket.socket:
    end = socket.create_connection(("127.0.0.1", int(proxy.url.split(":")[2].split("/")[0])), timeout=5)
    assert echoed(end)
    return end


def echoed(end: socket.socket) -> bool:
    end.sendall(b"ping")
    return end.recv(4) == b"ping"


def test_what_goes_in_comes_out_and_much_of_it_as_well(proxy):
    with connect(proxy) as end:
        sent = bytes(range(256)) * 4096
        threading.Thread(target=end.sendall, args=(sent,)).start()
        got = b""
        while len(got) < len(sent):
            got += end.recv(65_536)
        assert got == sent


def test_a_cut_resets_every_connection_and_new_ones_work(proxy):
    with connect(proxy) as one, connect(proxy) as other:
        proxy.order("cut")
        for end in (one, other):
            with pytest.raises(ConnectionResetError):
                end.recv(1)
    connect(proxy).close()


def test_a_slow_network_delays_each_way_and_then_no_more(proxy):
    with connect(proxy) as end:
        proxy.order("slow", delay=0.1, seconds=1.0)

        def takes() -> float:
            begun = time.monotonic()
            assert echoed(end)
            return time.monotonic() - begun

        eventually(lambda: takes() >= 0.2)
        eventually(lambda: takes() < 0.1)


def test_a_half_open_connection_says_nothing_and_new_ones_work(proxy):
    with connect(proxy) as silent:
        proxy.order("half_open", seconds=20)

        def works() -> bool:
            silent.settimeout(0.2)
            try:
                return echoed(silent)
            except TimeoutError:
                return False

        eventually(lambda: not works())
        assert not works()
        connect(proxy).close()
