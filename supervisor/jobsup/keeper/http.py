"""A few small pages over HTTP, in a thread of their own.

Written for probes, and for whoever else finds the port: a client may be slow, send without an end, or come in crowds,
and costs a bounded amount of memory and descriptors for a bounded time.  Every answer ends its connection.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple

from jobsup.clock import monotonic

_MOST_CLIENTS = 64
_PATIENCE = 5.0
"""Seconds a client has to say what it wants."""
_LONGEST_REQUEST = 8192
_STARVED_PAUSE = 0.2


class Page(NamedTuple):
    """An answer: its status, and a plain text."""

    status: HTTPStatus
    text: str


@dataclass(slots=True)
class _Client:
    sock: socket.socket
    until: float
    request: bytearray = field(default_factory=bytearray)


class Server:
    """Answers ``GET`` and ``HEAD``.

    *answer* is called in the server's thread with the path, without its query; None means there is no such page.
    """

    def __init__(self, address: tuple[str, int], answer: Callable[[str], Page | None]) -> None:
        """Raises: OSError: the address cannot be had."""
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        both = address[0] == "::" and socket.has_dualstack_ipv6()
        self._listener = socket.create_server(address, family=family, backlog=_MOST_CLIENTS, dualstack_ipv6=both)
        self._listener.setblocking(False)
        self._answer = answer
        self._selector = selectors.DefaultSelector()
        self._clients: dict[socket.socket, _Client] = {}
        self._waker, self._woken = socket.socketpair()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)

    def start(self) -> None:
        """Raises: RuntimeError: the system has no thread to spare."""
        self._thread.start()

    def close(self) -> None:
        """Hang up on everybody, and free the address."""
        self._waker.close()
        self._thread.join()

    def _run(self) -> None:
        with contextlib.ExitStack() as stack:
            for closing in (self._selector, self._listener, self._woken):
                stack.callback(closing.close)
            while True:
                # In the order of their coming, which is that of their deadlines.
                first = next(iter(self._clients.values()), None)
                timeout = None if first is None else max(0.0, first.until - monotonic())
                ready = [key.fileobj for key, _ in self._selector.select(timeout)]
                if self._woken in ready:
                    break
                for client in [self._clients[sock] for sock in ready if sock in self._clients]:
                    self._serve(client)
                if self._listener in ready:
                    self._accept()
                now = monotonic()
                for client in [c for c in self._clients.values() if c.until <= now]:
                    self._hang_up(client)
            for client in list(self._clients.values()):
                self._hang_up(client)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return  # it has gone again
        except OSError:
            time.sleep(_STARVED_PAUSE)  # no descriptor is left; it would be announced again at once, for ever
            return
        if len(self._clients) >= _MOST_CLIENTS:
            self._hang_up(next(iter(self._clients.values())))  # had the most time
        sock.setblocking(False)
        self._clients[sock] = _Client(sock, monotonic() + _PATIENCE)
        self._selector.register(sock, selectors.EVENT_READ)

    def _serve(self, client: _Client) -> None:
        try:
            chunk = client.sock.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        client.request += chunk
        head, end, _ = bytes(client.request).replace(b"\r\n", b"\n").partition(b"\n\n")
        if end:
            self._reply(client, *self._page(head))
        elif len(client.request) > _LONGEST_REQUEST:
            self._reply(client, Page(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request is too long."))
        elif chunk:
            return
        self._hang_up(client)

    def _page(self, head: bytes) -> tuple[Page, bool]:
        """The answer to a request, and whether its text is wanted."""
        words = head.partition(b"\n")[0].decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return Page(HTTPStatus.BAD_REQUEST, "This is not an HTTP/1 request."), True
        method, path, _ = words
        if method not in ("GET", "HEAD"):
            return Page(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET and HEAD are answered."), True
        page = self._answer(path.partition("?")[0]) or Page(HTTPStatus.NOT_FOUND, "There is no such page.")
        return page, method == "GET"

    def _reply(self, client: _Client, page: Page, with_text: bool = True) -> None:
        text = page.text.encode() + b"\n"
        head = (
            f"HTTP/1.1 {page.status.value} {page.status.phrase}\r\n"
            "Content-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(text)}\r\n"
            "Cache-Control: no-store\r\n"
            "Connection: close\r\n\r\n"
        )
        # Far smaller than the buffer of a socket that nothing was sent on.
        with contextlib.suppress(OSError):
            client.sock.send(head.encode() + (text if with_text else b""))
            client.sock.shutdown(socket.SHUT_WR)

    def _hang_up(self, client: _Client) -> None:
        del self._clients[client.sock]
        self._selector.unregister(client.sock)
        client.sock.close()
