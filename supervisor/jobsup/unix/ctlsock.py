"""The control socket: one line of JSON asks, one line answers.

The path is the lock as well: who finds a living listener there may not start a second one.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import stat
import struct

from jobsup.errors import JobsupError
from jobsup.unix.paths import private_directory

TYPE_CHECKING = False  # see the package's __init__: ``ctl ping`` loads this
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_MAX_REQUEST = 65_536
_MAX_CLIENTS = 32
_PEERCRED = struct.Struct("3i")


class SocketInUse(JobsupError):
    """Another supervisor listens on this path, or the path cannot be used."""


class Server:
    """The listening side, for an event loop: nothing here ever waits.

    *answer* gets the request and returns the reply; what it raises is a bug and passes.
    """

    def __init__(self, path: str, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.path = path
        self._answer = answer
        self._listener = _listen(path)
        self._spare = _spare()
        # Which file is ours: at the end we must not remove that of a successor.
        self._inode = os.stat(path).st_ino

    def fileno(self) -> int:
        return self._listener.fileno()

    def accept(self) -> Connection | None:
        """The next client; None when there is none, or it is another user's."""
        try:
            sock, _ = self._listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._hang_up()
            return None
        if peer_uid(sock) not in (os.getuid(), 0):
            sock.close()
            return None
        return Connection(sock, self._answer)

    def _hang_up(self) -> None:
        """With the last descriptor: a client that is left waiting would wake the loop again at once, for ever."""
        if self._spare >= 0:
            os.close(self._spare)
        with contextlib.suppress(OSError):
            self._listener.accept()[0].close()
        self._spare = _spare()

    def close(self) -> None:
        self._listener.close()
        if self._spare >= 0:
            os.close(self._spare)
        with contextlib.suppress(OSError):
            if os.stat(self.path).st_ino == self._inode:
                os.unlink(self.path)


class Connection:
    """One client: takes a request, gives the answer, hangs up."""

    def __init__(self, sock: socket.socket, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._answer = answer
        self._request = bytearray()

    def fileno(self) -> int:
        return self._sock.fileno()

    def readable(self) -> bool:
        """Take what has arrived.  True when the connection is done with and must be closed."""
        try:
            chunk = self._sock.recv(4096)
        except BlockingIOError:
            return False
        except OSError:
            return True
        self._request += chunk
        if b"\n" not in self._request:
            return not chunk or len(self._request) > _MAX_REQUEST
        request = _parse(bytes(self._request.partition(b"\n")[0]))
        if request is None:
            reply: dict[str, Any] = {"ok": False, "error": "the request is not one JSON object on one line"}
        else:
            reply = self._answer(request)
        # The answer fits into the socket's empty buffer, or the client does not get all of it: never wait.
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        with contextlib.suppress(OSError):
            self._sock.send(json.dumps(reply).encode() + b"\n")
        return True

    def close(self) -> None:
        self._sock.close()


def _spare() -> int:
    try:
        return os.open("/dev/null", os.O_RDONLY)
    except OSError:
        return -1


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return request if isinstance(request, dict) else None


def peer_uid(sock: socket.socket) -> int:
    """The user at the other end (Linux: SO_PEERCRED)."""
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size)
    return int(_PEERCRED.unpack(credentials)[1])


def ask(path: str, request: dict[str, Any], timeout: float = 5.0) -> dict[str, Any]:
    """Send one request and return the reply.

    Raises:
        ConnectionError, FileNotFoundError: nobody listens.
        OSError: the path cannot be reached, or no answer came within *timeout* seconds.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        sock.connect(path)
        if os.getuid() != 0 and peer_uid(sock) not in (os.getuid(), 0):
            raise PermissionError(errno.EPERM, "another user listens there")
        sock.sendall(json.dumps(request).encode() + b"\n")
        answer = bytearray()
        while b"\n" not in answer:
            chunk = sock.recv(65_536)
            if not chunk:
                raise ConnectionResetError("the supervisor hung up")
            answer += chunk
    reply: dict[str, Any] = json.loads(answer)
    return reply


def _listen(path: str) -> socket.socket:
    directory = os.path.dirname(path) or "."
    try:
        if not os.path.lexists(directory):
            private_directory(directory)
        found = os.stat(directory)
        if found.st_uid not in (os.getuid(), 0) or found.st_mode & 0o022:
            raise SocketInUse(f"The control socket's directory {directory} must be writable by this user alone")
        _refuse_living(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)  # 0600 from the first moment; one thread, so nobody else makes a file now
        try:
            listener.bind(path)
        except OSError:
            listener.close()
            raise
        finally:
            os.umask(before)
    except OSError as error:
        raise SocketInUse(f"The control socket {path} cannot be made: {error.strerror or error}") from None
    listener.listen(_MAX_CLIENTS)
    listener.setblocking(False)
    return listener


def _refuse_living(path: str) -> None:
    """Remove the socket of a dead supervisor; refuse that of a living one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            # A plain file refuses as a dead socket does; it is somebody's, and a mistake in the path.
            if not stat.S_ISSOCK(os.lstat(path).st_mode):
                raise SocketInUse(f"{path} is a file; give the control socket another path with --ctl") from None
            os.unlink(path)
            return
    raise SocketInUse(f"Another jobsup listens on {path}; stop it, or give this one another path with --ctl")
