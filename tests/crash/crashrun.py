"""One run of the scenario: start, enqueue, reload, stop, start again, until all is done; then stop.

Everything takes its turn whether or not a process is killed meanwhile.  Who dies is replaced by whoever supervises it,
and the supervisor by the run, at once: while those whom it left behind still leave.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import redis
from benchmarks.chaos import report
from benchmarks.chaos.processes import left_in

from conftest import eventually
from jobsup.client import Client

HERE = Path(__file__).parent
WITHIN = 40.0
"""Seconds for each stage: more than a lease and a sweep, which is the slowest way back."""
AT_ONCE = {1, 2, 3, 7, 10, 11, 12, 13}
"""Jobs that are done without a reload or a second start."""
PROFILE = {
    "processes": 2,
    "concurrency": 3,
    "queues": ["default", "low"],
    "require": str(HERE / "app.py"),
    "timeout": 1,
    "kill_after": 1,
    "average_scheduled_poll_interval": 0.1,
}


@dataclass(frozen=True, slots=True)
class Death:
    role: str
    pid: int
    at: float


@dataclass
class Result:
    """What a run left: see ``crashmodel``, which judges it.

    Attributes:
        reached: how often each point was come to.
        death: who died at the point; None when it was never come to.
        took: seconds until everything was done, counted from the death, else from the start.
        keys: name, and whether it will expire, of every key at the end.
        processes: command lines of those who were left.
    """

    acknowledged: list[int]
    ledger: list[str] = field(default_factory=list)
    reached: Counter[str] = field(default_factory=Counter)
    death: Death | None = None
    took: float = 0.0
    stops: list[int] = field(default_factory=list)
    keys: dict[str, bool] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    dead: list[bytes] = field(default_factory=list)
    processed: int = 0
    failed: int = 0
    processes: list[str] = field(default_factory=list)
    log: str = ""


class Scenario:
    """``run`` it once, in an empty *directory*, on the empty database *url*; *point* is ``"ROLE SIDE NAME NTH"``."""

    def __init__(self, directory: Path, url: str, point: str = "") -> None:
        self._directory = directory
        self._url = url
        self._redis = redis.Redis.from_url(url)
        self._process: subprocess.Popen[bytes] | None = None
        self._env = {**os.environ, "CRASH_DIRECTORY": str(directory), "CRASH_POINT": point}
        self._env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE / "bootstrap"), os.environ.get("PYTHONPATH")]))
        self._result = Result([])
        self._log_from = 0
        self._same = True
        """Whether the supervisor is still the one that was told to reload."""

    def run(self) -> Result:
        self._redis.flushdb()
        (self._directory / "main.yml").write_text(json.dumps(PROFILE))  # JSON is YAML
        (self._directory / "ledger").touch()
        begun = time.time()
        try:
            self._start()
            self._enqueue()
            self._until(lambda: self._done() >= AT_ONCE and self._failed(5))
            self._until(self._ready)
            before = self._log().count("Reload")
            self._same = True
            self._signal(signal.SIGHUP)
            self._until(lambda: self._log().count("Reload") >= before + 2 or not self._same)
            self._stop()
            (self._directory / "may-end").touch()
            self._start()
            self._until(self._quiescent)
            done = time.time()
            while self._stop() == -signal.SIGKILL:
                self._start()
            self._collect()
            self._result.took = done - (self._result.death.at if self._result.death else begun)
        finally:
            self._tidy()
        return self._result

    # -- stages

    def _enqueue(self) -> None:
        client = Client(self._url)

        def pushed(klass: str, *numbers: int, **options: object) -> None:
            client.push({"class": klass, "args": list(numbers), "queue": "default", "retry": True, **options})
            self._result.acknowledged.append(numbers[0])

        pushed("crashes_once", 7)
        client.push_bulk({"class": "quick", "args": [[1], [2], [3]], "queue": "low"})
        self._result.acknowledged += [1, 2, 3]
        pushed("nap", 10)
        pushed("nap", 11)
        pushed("pushes", 12, 13)
        self._result.acknowledged.append(13)
        # What comes now must not be a neighbour of the one that ends its process: its settlements shall be a worker's.
        self._until(lambda: any(line.startswith("crash 7 ") for line in self._lines("ledger")))
        pushed("FailsOnce", 4)
        pushed("Fails", 5, retry=0)
        pushed("quick", 6, at=time.time() + 1)
        pushed("Items", 8)
        pushed("waits", 9, max_interruptions=1000)
        pushed("sleeps", 14, max_interruptions=1000)

    def _quiescent(self) -> bool:
        return self._done() >= set(self._result.acknowledged) - {5} and report.settled(self._redis)

    def _done(self) -> set[int]:
        return {int(line.split()[1]) for line in self._lines("ledger") if line.startswith("end ")}

    def _failed(self, number: int) -> bool:
        return any(line.startswith(f"fail {number} ") for line in self._lines("ledger"))

    # -- the supervisor

    def _start(self) -> None:
        command = [sys.executable, "-m", "jobsup", "--ctl", "ctl.sock", "-C", "main.yml", "--redis", self._url]
        with (self._directory / "log").open("ab") as log:
            self._log_from = log.tell()
            self._process = subprocess.Popen(
                command, cwd=self._directory, env=self._env, stdout=log, stderr=log, start_new_session=True
            )
        self._until(self._ready)

    def _ready(self) -> bool:
        with (self._directory / "log").open("rb") as log:
            log.seek(self._log_from)
            return b"workers are ready" in log.read()

    def _signal(self, sig: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(sig)

    def _stop(self) -> int:
        assert self._process is not None
        self._signal(signal.SIGTERM)
        code = self._process.wait(WITHIN)
        self._result.stops.append(code)
        return code

    def _until(self, check: Callable[[], bool]) -> None:
        """Wait; start anew whenever the supervisor was the one who was to die."""
        deadline = time.monotonic() + WITHIN
        while not check():
            assert time.monotonic() < deadline, f"it does not get on\n{self._log()}"
            assert self._process is not None
            code = self._process.poll()
            if code is not None:
                assert code == -signal.SIGKILL, f"it ended by itself, exit code {code}\n{self._log()}"
                self._start()
                self._same = False
            time.sleep(0.01)

    # -- what is left

    def _collect(self) -> None:
        result, client = self._result, self._redis
        try:
            eventually(lambda: not left_in(str(self._directory)), within=10, every=0.05)
        except AssertionError:
            result.processes = [" ".join(process.cmdline()) for process in left_in(str(self._directory))]
        result.ledger = self._lines("ledger")
        result.reached = Counter(self._lines("trace"))
        for line in self._lines("died"):
            role, pid, at = line.split()
            result.death = Death(role, int(pid), float(at))
        result.left = report.leftovers(client)
        result.dead = client.zrange("dead", 0, -1)
        result.keys = {key.decode(): client.ttl(key) >= 0 for key in client.scan_iter()}
        result.processed, result.failed = (int(client.get(f"stat:{name}") or 0) for name in ("processed", "failed"))
        result.log = self._log()

    def _lines(self, name: str) -> list[str]:
        path = self._directory / name
        return path.read_text().splitlines() if path.exists() else []

    def _log(self) -> str:
        return (self._directory / "log").read_text()

    def _tidy(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for process in left_in(str(self._directory)):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
