"""A few pages over HTTP, in a thread of their own.

Written for probes and scrapes, and for whoever else finds the port: a client may be slow to ask or to read, send
without an end, or come in crowds, and costs a bounded amount of memory and descriptors for a bounded time.  Every
answer ends its connection.
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
"""Seconds a client has to say what it wants and to read the answer."""
_LONGEST_REQUEST = 8192
_STARVED_PAUSE = 0.2


class Page(NamedTuple):
    """An answer: its status, its body, and the media type of that."""

    status: HTTPStatus
    body: bytes
    kind: str = "text/plain; charset=utf-8"


def sentence(status: HTTPStatus, text: str) -> Page:
    """A page of one line."""
    return Page(status, text.encode() + b"\n")


@dataclass(slots=True)
class _Client:
    sock: socket.socket
    until: float
    request: bytearray = field(default_factory=bytearray)
    unsent: memoryview | None = None
    """What is left of the answer; None: it has not asked yet.  A view: clients that read the same page share it."""


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
                    if client.unsent is None:
                        self._serve(client)
                    else:
                        self._send(client, client.unsent)
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
            refusal = sentence(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The request is too long.")
            self._reply(client, refusal)
        elif not chunk:
            self._hang_up(client)

    def _page(self, head: bytes) -> tuple[Page, bool]:
        """The answer to a request, and whether its body is wanted."""
        words = head.partition(b"\n")[0].decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return sentence(HTTPStatus.BAD_REQUEST, "This is not an HTTP/1 request."), True
        method, path, _ = words
        if method not in ("GET", "HEAD"):
            return sentence(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET and HEAD are answered."), True
        page = self._answer(path.partition("?")[0]) or sentence(HTTPStatus.NOT_FOUND, "There is no such page.")
        return page, method == "GET"

    def _reply(self, client: _Client, page: Page, with_body: bool = True) -> None:
        head = (
            f"HTTP/1.1 {page.status.value} {page.status.phrase}\r\n"
            f"Content-Type: {page.kind}\r\n"
            f"Content-Length: {len(page.body)}\r\n"
            "Cache-Control: no-store\r\n"
            "Connection: close\r\n\r\n"
        ).encode()
        body = page.body if with_body else b""
        try:
            sent = client.sock.sendmsg([head, body])
        except OSError:
            self._hang_up(client)
            return
        # The head is far smaller than the buffer of a socket that nothing was sent on, so all of it has gone.
        client.unsent = memoryview(body)[sent - len(head) :]
        if client.unsent:
            self._selector.modify(client.sock, selectors.EVENT_WRITE)
        else:
            self._finish(client)

    def _send(self, client: _Client, unsent: memoryview) -> None:
        """As much as it takes now; it is not given more time for taking some."""
        try:
            client.unsent = unsent[client.sock.send(unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self._hang_up(client)
            return
        if not client.unsent:
            self._finish(client)

    def _finish(self, client: _Client) -> None:
        with contextlib.suppress(OSError):  # it has gone with the answer
            client.sock.shutdown(socket.SHUT_WR)
        self._hang_up(client)

    def _hang_up(self, client: _Client) -> None:
        del self._clients[client.sock]
        self._selector.unregister(client.sock)
        client.sock.close()
