"""The real command on a real server, with jobs that keep a ledger outside Redis."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import psutil
import redis

from conftest import Server, eventually

LEDGER_JOBS = """
import os, time
from jobsup import Job, Shutdown, job

LEDGER = os.environ["LEDGER"]

def note(*words):
    with open(LEDGER, "a") as ledger:
        ledger.write(" ".join(map(str, (*words, os.getpid(), time.time()))) + "\\n")

@job
def quick(n):
    note("end", n)

@job
def nap(n, seconds):
    note("start", n)
    time.sleep(seconds)
    note("end", n)

@job(timeout=30)
def patient(n, seconds):
    note("start", n)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.01)
    note("end", n)

@job
def soft(n):
    note("start", n)
    try:
        while True:
            time.sleep(0.01)
    except Shutdown:
        note("interrupted", n)
        raise

class Boom(Job, backtrace=5):
    def perform(self):
        raise ValueError("no")

class Fatal(Job, retry=0):
    def perform(self):
        raise RuntimeError("dead on arrival")
"""


Group: TypeAlias = Callable[[int], tuple[str, ...]]
"""Bytes -> what starts a command in a control group that may have so many."""


class Jobsup:
    """One supervisor, started by the command that people type."""

    def __init__(self, directory: Path, server: Server | None, jobs: str = LEDGER_JOBS) -> None:
        self.directory = directory
        self.server = server
        self.url = ""
        """Of Redis, where it is another than the server's own."""
        self.ledger = directory / "ledger"
        self.ctl_path = directory / "ctl.sock"
        self.log_path = directory / "log"
        self.process: subprocess.Popen[bytes] | None = None
        self.ledger.touch()
        self.jobs(jobs)
        self.profile("main")
        self.profiles = ["main"]
        self.environ: dict[str, str] = {}
        self.python = sys.executable

    def jobs(self, source: str) -> None:
        (self.directory / "app_jobs.py").write_text(source)

    def profile(self, name: str, **settings: Any) -> None:
        """Write a profile; JSON is YAML."""
        defaults = {"concurrency": 2, "queues": ["default"], "require": "./app_jobs.py", "timeout": 3, "kill_after": 2}
        defaults |= {"canary_jobs": 0}  # most reloads of the tests have no job to offer, and would wait for one
        (self.directory / f"{name}.yml").write_text(json.dumps(defaults | settings))

    def start(self, *extra: str, wait: bool = True, wrapper: Sequence[str] = (), cwd: Path | None = None) -> None:
        cwd = cwd or self.directory
        command = [*wrapper, self.python, "-m", "jobsup", "--ctl", str(self.ctl_path)]
        for name in self.profiles:
            command += ["-C", f"{name}.yml"]
        if self.url or self.server:
            command += ["--redis", self.url or self.server.url]
        env = {**os.environ, "LEDGER": str(self.ledger), "PWD": str(cwd), **self.environ}
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *extra], cwd=cwd, env=env, stdout=log, stderr=log, start_new_session=True
            )
        if wait:
            eventually(lambda: self.running() and "workers are ready" in self.log(), within=20)

    def running(self) -> bool:
        """True while it runs; fails the test when it ended by itself, with what it said."""
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        return True

    def log(self) -> str:
        return self.log_path.read_text()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def signal(self, sig: signal.Signals) -> None:
        os.kill(self.pid, sig)

    def wait(self, within: float = 20.0) -> int:
        """Its exit code."""
        assert self.process is not None
        return self.process.wait(within)

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def _ctl(self, arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-m", "jobsup", "ctl", "--ctl", str(self.ctl_path), *arguments]

    def ctl(self, *arguments: str, within: float = 30.0) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self._ctl(arguments), capture_output=True, text=True, timeout=within, check=False)

    def begin_ctl(self, *arguments: str) -> subprocess.Popen[bytes]:
        """For what takes its time while the test does something."""
        return subprocess.Popen(self._ctl(arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def status(self) -> dict[str, Any]:
        answer = self.ctl("status", "--json")
        assert answer.returncode == 0, answer.stderr + self.log()
        return dict(json.loads(answer.stdout))

    def children(self, title: str) -> list[int]:
        """Pids of our processes whose title contains *title*, e.g. ``"main ["`` or ``keeper``."""
        found = []
        for child in psutil.Process(self.pid).children():
            try:
                if title in " ".join(child.cmdline()):
                    found.append(child.pid)
            except psutil.NoSuchProcess:
                continue
        return sorted(found)

    def workers(self, pool: str = "main") -> list[int]:
        return self.children(f" {pool} [")

    def started(self) -> list[str]:
        return [line.split()[1] for line in self.lines() if line.startswith("start ")]

    def ended(self) -> list[str]:
        return [line.split()[1] for line in self.lines() if line.startswith("end ")]

    def lines(self) -> list[str]:
        return self.ledger.read_text().splitlines()

    def tidy(self) -> None:
        """Leave nothing behind, however the test ended.

        Nobody who still waits at the server may be left either: he would take the first job of the next test.
        """
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        eventually(lambda: not self._end_session())

    def _end_session(self) -> int:
        """Kill whoever is left of our session, also those whom nobody had named yet.  Returns how many there were."""
        left = 0
        for pid in psutil.pids():
            try:
                if os.getsid(pid) == self.pid and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                    os.kill(pid, signal.SIGKILL)
                    left += 1
            except (ProcessLookupError, PermissionError, psutil.NoSuchProcess):
                continue
        return left


def push(r: redis.Redis, name: str, *args: Any, queue: str = "default", **options: Any) -> None:
    """Enqueue as a client would, but for the parts that do not matter here."""
    payload = {"retry": True, "queue": queue, "class": name, "args": list(args), "jid": os.urandom(12).hex()}
    payload |= {"created_at": int(time.time() * 1000), "enqueued_at": int(time.time() * 1000)} | options
    r.sadd("queues", queue)
    r.lpush(f"queue:{queue}", json.dumps(payload, separators=(",", ":")))


def inflight(r: redis.Redis) -> int:
    return sum(int(r.llen(key)) for key in r.keys("jobsup:inflight:*"))
