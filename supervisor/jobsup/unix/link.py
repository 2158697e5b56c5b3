"""A pair of processes that talk: one JSON object per line over a Unix socket, with descriptors.

EOF on a link means that the other side is dead, so nobody but the two ends may hold a copy of either
socket.  Sockets are close-on-exec as everything Python opens; a template closes a worker's end right after
the fork that made the worker.
"""

import json
import os
import socket
from array import array
from collections import deque
from collections.abc import Sequence
from typing import Any, TypeAlias

Message: TypeAlias = dict[str, Any]

_CHUNK = 65_536
_MAX_FDS = 16
_FD = array("i").itemsize
_MAX_PENDING = 4 * 1024 * 1024
"""Bytes a side may leave unread, or write without ending a line, before it is given up."""
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)  # macOS has none


class Link:
    """One end.

    1. send      queue a message; write what the socket takes now
    2. flush     write more when the socket is writable (``pending`` says whether there is more)
    3. receive   everything that has arrived

    A non-blocking link never waits, which is what the parent needs; a blocking one waits in ``send`` and in
    ``receive`` until something has arrived, and takes all that has.  Not thread-safe.
    """

    def __init__(self, sock: socket.socket, *, blocking: bool) -> None:
        sock.setblocking(blocking)
        self._sock = sock
        self._in = bytearray()
        self._fds: deque[int] = deque()
        self._out: deque[tuple[bytearray, list[int]]] = deque()
        self._unsent = 0
        self.closed = False
        """True once the other side is gone, or was given up."""

    @classmethod
    def from_fd(cls, fd: int, *, blocking: bool) -> "Link":
        os.set_inheritable(fd, False)
        return cls(socket.socket(fileno=fd), blocking=blocking)

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def pending(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._out)

    def send(self, op: str, /, fds: Sequence[int] = (), **fields: Any) -> None:
        """Send ``{"op": op, **fields}``.  To a dead peer it does nothing: its EOF is handled on its own.

        *fds* are duplicated into the other process.  The caller may close its own at once.

        Raises:
            OSError: no descriptor to spare for a copy of *fds*; nothing was sent.
        """
        if self.closed:
            return
        copies = _duplicated(fds)
        message = {"op": op, **fields}
        if fds:
            message["fds"] = len(fds)
        line = bytearray(json.dumps(message, separators=(",", ":")).encode())
        line += b"\n"
        self._unsent += len(line)
        if self._unsent > _MAX_PENDING:
            self.closed = True  # it does not read: as good as dead, and we must not grow for it
            for fd in copies:
                os.close(fd)
            return
        self._out.append((line, copies))
        self.flush()

    def flush(self) -> None:
        while self._out and not self.closed:
            line, fds = self._out[0]
            try:
                sent = socket.send_fds(self._sock, [line], fds) if fds else self._sock.send(line)
            except BlockingIOError:
                return
            except OSError:  # EPIPE, ECONNRESET: the peer died; the reader will see EOF too
                self.closed = True
                return
            while fds:  # they travel with the first byte
                os.close(fds.pop())
            self._unsent -= sent
            if sent == len(line):
                self._out.popleft()
            else:
                del line[:sent]

    def receive(self) -> list[tuple[Message, list[int]]]:
        """Whole messages that have arrived, each with its descriptors.  Sets ``closed`` at EOF.

        Raises:
            ValueError: the peer wrote something that is not one JSON object per line, or named
                descriptors that it did not send.
        """
        flags = _CLOEXEC
        while not self.closed:
            try:
                # One call stops behind a message with descriptors, whatever waits behind that.
                data, fds = _received(self._sock, flags)
            except BlockingIOError:
                break
            except InterruptedError:
                continue
            except OSError:
                data, fds = b"", []
            for fd in fds:
                os.set_inheritable(fd, False)
            self._fds.extend(fds)
            if not data:
                self.closed = True
            self._in += data
            if len(self._in) > _MAX_PENDING and b"\n" not in self._in:
                raise ValueError("a message without an end")
            if b"\n" in data:
                flags |= socket.MSG_DONTWAIT
        messages = []
        *lines, rest = self._in.split(b"\n")
        self._in = bytearray(rest)
        for line in lines:
            try:
                message = json.loads(line)
            except RecursionError:
                raise ValueError("a message too deep to read") from None
            if not isinstance(message, dict) or not isinstance(message.get("op"), str):
                raise ValueError("not a message")  # noqa: TRY004  the text is wrong, not a type of ours
            count = message.pop("fds", 0)
            if not isinstance(count, int) or not 0 <= count <= len(self._fds):
                raise ValueError("descriptors are missing")
            messages.append((message, [self._fds.popleft() for _ in range(count)]))
        return messages

    def close(self) -> None:
        """Hang up; the other side sees EOF."""
        self.closed = True
        for fd in (*self._fds, *(fd for _, fds in self._out for fd in fds)):
            os.close(fd)
        self._fds.clear()
        self._out.clear()
        self._sock.close()


def _duplicated(fds: Sequence[int]) -> list[int]:
    copies: list[int] = []
    try:
        copies.extend(os.dup(fd) for fd in fds)
    except OSError:
        for fd in copies:
            os.close(fd)
        raise
    return copies


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends, close-on-exec."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)


def _received(sock: socket.socket, flags: int) -> tuple[bytes, list[int]]:
    # Not socket.recv_fds: it takes flags and does not pass them on.
    data, ancillary, _, _ = sock.recvmsg(_CHUNK, socket.CMSG_LEN(_MAX_FDS * _FD), flags)
    fds = array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(content[: len(content) // _FD * _FD])
    return data, list(fds)
