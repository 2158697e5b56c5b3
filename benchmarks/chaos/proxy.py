"""A TCP proxy that breaks connections on demand.

    python proxy.py UPSTREAM_PORT

Prints the port it listens on, then obeys lines of JSON on standard input; ends with it.

- ``{"op": "cut"}``                                 every connection is reset
- ``{"op": "slow", "delay": 0.2, "seconds": 3}``    what passes, passes so much later
- ``{"op": "half_open", "seconds": 20}``            present connections carry nothing more; the two ends are not told
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import struct
import sys
import time
from collections import deque

_CHUNK = 65_536
_FULL = 1_048_576
"""Bytes under way in one direction above which nothing more is read."""
_RESET = struct.pack("ii", 1, 0)


class Flow:
    """One direction of one connection: chunks and the moments from which they may pass."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source = source
        self.sink = sink
        self._chunks: deque[tuple[float, bytes]] = deque()
        self._size = 0

    def pull(self, due: float) -> bool:
        """Read what is there; False when the source has ended."""
        if self._size > _FULL:
            return True
        try:
            chunk = self.source.recv(_CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self._chunks.append((due, chunk))
        self._size += len(chunk)
        return bool(chunk)

    def push(self, now: float) -> float | None:
        """Send what is due; returns when to come again, None when nothing is left.

        Raises:
            OSError: the sink is gone.
        """
        while self._chunks:
            due, chunk = self._chunks[0]
            if due > now:
                return due
            try:
                sent = self.sink.send(chunk)
            except BlockingIOError:
                return now + 0.002
            self._size -= sent
            if sent == len(chunk):
                self._chunks.popleft()
            else:
                self._chunks[0] = (due, chunk[sent:])
        return None


class Proxy:
    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])
        self._pairs: set[tuple[Flow, Flow]] = set()
        self._silent: list[tuple[float, tuple[Flow, Flow]]] = []
        self._delay = 0.0
        self._slow_until = 0.0
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(0, selectors.EVENT_READ)

    def run(self) -> None:
        wake: float | None = None
        while True:
            timeout = 1.0 if wake is None else max(0.0, min(1.0, wake - time.monotonic()))
            events = self._selector.select(timeout)
            now = time.monotonic()
            for key, _ in events:
                if key.fileobj == 0:
                    if not self._obey(now):
                        return
                elif key.fileobj is self._listener:
                    self._accept()
                elif key.data in self._pairs:
                    self._read(key.data, key.fileobj, now)
            wake = self._forward(now)
            while self._silent and self._silent[0][0] <= now:
                _reset(self._silent.pop(0)[1])

    def _obey(self, now: float) -> bool:
        lines = os.read(0, _CHUNK).decode().splitlines()
        for order in map(json.loads, lines):
            if order["op"] == "slow":
                self._delay, self._slow_until = order["delay"], now + order["seconds"]
            elif order["op"] == "cut":
                for pair in list(self._pairs):
                    self._forget(pair)
                    _reset(pair)
            elif order["op"] == "half_open":
                for pair in list(self._pairs):
                    self._forget(pair)
                    self._silent.append((now + order["seconds"], pair))
        return bool(lines)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self._upstream), timeout=1)
            except OSError:
                client.close()
                return
            for end in (client, server):
                end.setblocking(False)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pair = (Flow(client, server), Flow(server, client))
            self._pairs.add(pair)
            self._selector.register(client, selectors.EVENT_READ, pair)
            self._selector.register(server, selectors.EVENT_READ, pair)

    def _read(self, pair: tuple[Flow, Flow], end: object, now: float) -> None:
        flow = pair[0] if pair[0].source is end else pair[1]
        due = now + self._delay if now < self._slow_until else now
        if not flow.pull(due):
            with contextlib.suppress(OSError):
                flow.push(now)
            self._forget(pair)
            _close(pair)

    def _forward(self, now: float) -> float | None:
        times = []
        for pair in list(self._pairs):
            for flow in pair:
                try:
                    at = flow.push(now)
                except OSError:
                    self._forget(pair)
                    _close(pair)
                    break
                if at is not None:
                    times.append(at)
        return min(times, default=None)

    def _forget(self, pair: tuple[Flow, Flow]) -> None:
        self._pairs.discard(pair)
        for flow in pair:
            self._selector.unregister(flow.source)


def _close(pair: tuple[Flow, Flow]) -> None:
    for flow in pair:
        flow.source.close()


def _reset(pair: tuple[Flow, Flow]) -> None:
    for flow in pair:
        with contextlib.suppress(OSError):
            flow.source.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    _close(pair)


if __name__ == "__main__":
    proxy = Proxy(int(sys.argv[1]))
    print(proxy.port, flush=True)
    proxy.run()
