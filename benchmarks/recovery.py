"""How soon everything is as it was, after each fault that a process can suffer.

    python -m benchmarks.recovery [--fault worker --fault parent] [--times 20] [--running 1 5 10] [--json FILE]

Each measurement starts the real command afresh on an own server, so that no back-off of an earlier fault is in it, and
measures on one clock, the wall clock of one machine:

- worker     SIGKILL of a worker with so many jobs running: until each of them starts again, until the replacement is
             READY
- segfault, exit, memory: a job ends its process in C, by ``os._exit``, or because it takes more memory than its
             control group may have
- keeper     SIGKILL of the keeper with work that only a keeper does: due jobs, retries, a dead host's lists, a worker
             that died meanwhile
- template   SIGKILL of the template while jobs arrive: until there is another, and what the jobs noticed of it
- parent     SIGKILL of the parent: until no process of it is left; then of everybody at once, and a start

``memory`` needs the right to make a control group, and is left out where there is none.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks.chaos.processes import Server
from jobsup.unix import ctlsock

JOBS = """
import ctypes, os, time
from jobsup import job

def note(word, n):
    fd = os.open("ledger", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    os.write(fd, f"{word} {n} {os.getpid()} {time.time()}\\n".encode())
    os.close(fd)

@job
def nap(n, seconds):
    note("start", n)
    time.sleep(seconds)
    note("end", n)

def first_time(n):
    try:
        os.close(os.open(f"first-{n}", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True

@job
def segfault(n):
    note("start", n)
    if first_time(n):
        ctypes.string_at(0)

@job
def leave(n):
    note("start", n)
    if first_time(n):
        os._exit(3)

@job
def hog(n):
    note("start", n)
    held = []
    while first_time(n) or held:
        held.append(bytearray(8_000_000))
"""
FAULTS = ("worker", "segfault", "exit", "memory", "keeper", "template", "parent")
OF_ITSELF = {"segfault": "segfault", "exit": "leave", "memory": "hog"}
"""Fault -> the job that suffers it."""
MEMORY = 400_000_000
"""Bytes that the whole supervisor may use in the case ``memory``."""
THREADS = 10
READY = re.compile(r"^(\S+)Z .* Worker p is ready \(pid (\d+),", re.MULTILINE)
"""Not those of ``p.quarantine``: they run suspects and replace nobody."""
CRASHED = re.compile(r"^(\S+)Z .* Worker p \(pid \d+\) crashed", re.MULTILINE)

Found = dict[str, list[float]]
"""What was measured -> seconds, one for each measurement."""


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--fault", action="append", choices=FAULTS, help="may be repeated; default: all")
    parser.add_argument("--times", type=int, default=5, help="measurements of each case")
    parser.add_argument("--running", type=int, nargs="+", default=[1, 10], help="jobs that run in the killed worker")
    parser.add_argument("--json", type=Path, help="write the figures there")
    chosen = parser.parse_args()
    results: dict[str, Found] = {}
    for fault in chosen.fault or FAULTS:
        for running in chosen.running if fault in ("worker", *OF_ITSELF) else [4]:
            case = f"{fault}, {running} running"
            found: Found = defaultdict(list)
            try:
                for _ in range(chosen.times):
                    with fresh(fault) as supervisor:
                        measure(supervisor, fault, running, found)
            except PermissionError as error:
                print(f"{case}: left out, {error}")
                continue
            results[case] = found
            report(case, found)
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1))


class Supervisor:
    """One run of the real command in a directory of its own."""

    def __init__(self, directory: Path, server: Server) -> None:
        self.directory = directory
        self.redis = server.client
        self.process: subprocess.Popen[bytes]
        self._url = f"redis://127.0.0.1:{server.port}/0"
        (directory / "jobs.py").write_text(JOBS)
        profile = {"processes": 1, "concurrency": THREADS, "queues": ["default"], "require": "./jobs.py"}
        profile |= {"timeout": 1, "kill_after": 1, "average_scheduled_poll_interval": 1}
        (directory / "p.yml").write_text(json.dumps(profile))

    def start(self, group: Path | None = None) -> float:
        """Returns when it was started, in Unix seconds."""
        command = [sys.executable, "-m", "jobsup", "-C", "p.yml", "--redis", self._url, "--ctl", "ctl.sock"]
        if group:
            command = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh", *command]
        begun = time.time()
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.directory, stdout=log, stderr=log, start_new_session=True)
        return begun

    def log(self) -> str:
        return (self.directory / "log").read_text()

    def push(self, name: str, *args: object) -> None:
        self.redis.lpush("queue:default", payload(name, *args))

    def noted(self, word: str) -> dict[int, list[tuple[int, float]]]:
        """Number of the job -> (pid, time) of each start or end."""
        found: dict[int, list[tuple[int, float]]] = defaultdict(list)
        ledger = self.directory / "ledger"
        for line in ledger.read_text().splitlines() if ledger.exists() else ():
            what, n, pid, at = line.split()
            if what == word:
                found[int(n)].append((int(pid), float(at)))
        return found

    def status(self) -> dict[str, Any]:
        return ctlsock.ask(str(self.directory / "ctl.sock"), {"command": "status"})

    def helper(self, name: str) -> int:
        """Pid of the keeper or template that is ready; 0 when there is none."""
        found = [h for h in self.status()["helpers"] if h["name"].startswith(name) and h["state"] == "ready"]
        return int(found[0]["pid"]) if found else 0

    def left(self) -> list[int]:
        """Pids of our session that live."""
        return [pid for pid in psutil.pids() if session(pid) == self.process.pid and alive(pid)]

    def until(self, check: Callable[[], object], within: float = 40.0, every: float = 0.001) -> float:
        """Wait; returns when it was so, in Unix seconds."""
        deadline = time.monotonic() + within
        while not check():
            if time.monotonic() > deadline:
                raise SystemExit(f"gave up waiting; the log says:\n{self.log()[-3000:]}")
            time.sleep(every)
        return time.time()


@contextlib.contextmanager
def fresh(fault: str) -> Iterator[Supervisor]:
    """A supervisor whose workers are ready, on an empty server."""
    with tempfile.TemporaryDirectory(prefix="jobsup-recovery-") as directory, contextlib.ExitStack() as stack:
        group = stack.enter_context(limited()) if fault == "memory" else None
        server = Server(directory, fsync="everysec")
        server.start()
        stack.callback(server.kill)
        supervisor = Supervisor(Path(directory), server)
        supervisor.start(group)
        stack.callback(lambda: end(supervisor))
        supervisor.until(lambda: "workers are ready" in supervisor.log())
        yield supervisor


def end(supervisor: Supervisor) -> None:
    while pids := supervisor.left():
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        supervisor.process.wait()


@contextlib.contextmanager
def limited() -> Iterator[Path]:
    """A control group with little memory.  Raises PermissionError where none can be made."""
    root = Path("/sys/fs/cgroup")
    first = (root / "memory").is_dir()
    group = root / ("memory" if first else "") / f"jobsup-recovery-{os.getpid()}"
    try:
        group.mkdir()
        (group / ("memory.limit_in_bytes" if first else "memory.max")).write_text(str(MEMORY))
    except OSError as error:
        raise PermissionError(f"no control group can be made here: {error}") from None
    try:
        yield group
    finally:
        while (group / "cgroup.procs").read_text().split():
            time.sleep(0.01)
        group.rmdir()


def measure(supervisor: Supervisor, fault: str, running: int, found: Found) -> None:
    if fault == "worker":
        killed_worker(supervisor, running, found)
    elif fault in OF_ITSELF:
        own_fault(supervisor, fault, running, found)
    else:
        {"keeper": killed_keeper, "template": killed_template, "parent": killed_parent}[fault](supervisor, found)


def killed_worker(supervisor: Supervisor, running: int, found: Found) -> None:
    for n in range(running):
        supervisor.push("nap", n, 2)
    supervisor.until(lambda: len(supervisor.noted("start")) == running)
    [(_, pid)] = READY.findall(supervisor.log())
    killed = time.time()
    os.kill(int(pid), signal.SIGKILL)
    follow(supervisor, killed, range(running), found)


def own_fault(supervisor: Supervisor, fault: str, running: int, found: Found) -> None:
    """The job that does it has the number 0; those beside it come first."""
    for n in range(1, running):
        supervisor.push("nap", n, 4)
    supervisor.until(lambda: len(supervisor.noted("start")) == running - 1)
    supervisor.push(OF_ITSELF[fault], 0)
    supervisor.until(lambda: supervisor.noted("start")[0])
    if fault == "memory":  # it is killed when it has filled what there is: the log's moment counts, to the millisecond
        supervisor.until(lambda: CRASHED.search(supervisor.log()))
        at = moment(CRASHED.findall(supervisor.log())[0])
    else:
        at = supervisor.noted("start")[0][0][1]
    follow(supervisor, at, range(running), found)


def follow(supervisor: Supervisor, since: float, jobs: range, found: Found) -> None:
    """From *since*, when its worker died, until each of *jobs* starts again and the replacement is READY.

    The moments were written down by those concerned: looking for them seldom leaves the processors to them.
    """
    supervisor.until(lambda: again(supervisor.noted("start"), jobs), every=0.05)
    supervisor.until(lambda: len(READY.findall(supervisor.log())) > 1, every=0.05)
    found["job starts again"] += [supervisor.noted("start")[n][1][1] - since for n in jobs]
    found["replacement READY"].append(moment(READY.findall(supervisor.log())[1][0]) - since)


def again(starts: dict[int, list[tuple[int, float]]], jobs: range) -> bool:
    return all(len(starts[n]) > 1 for n in jobs)


def killed_keeper(supervisor: Supervisor, found: Found) -> None:
    """What waits for the keeper is made while it is stopped, so that none of it is done before it dies."""
    for n in range(4):
        supervisor.push("nap", n, 0.2)
    supervisor.until(lambda: len(supervisor.noted("start")) == 4)
    keeper = supervisor.helper("Keeper")
    os.kill(keeper, signal.SIGSTOP)
    os.kill(int(READY.findall(supervisor.log())[0][1]), signal.SIGKILL)
    server = supervisor.redis
    now = time.time()
    server.zadd("schedule", {payload("nap", n, 0): now - 1 for n in range(100, 300)})
    server.zadd("retry", {payload("nap", n, 0): now - 1 for n in range(300, 500)})
    server.zadd("jobsup:leases", {"gone:1:a": now - 1})
    server.hset("jobsup:owner:gone:1:a", mapping={"queues": '["default"]', "place": "", "pid": 1, "start": ""})
    server.lpush("jobsup:inflight:gone:1:a:default", *(payload("nap", n, 0) for n in range(500, 550)))
    killed = time.time()
    os.kill(keeper, signal.SIGKILL)
    ready = supervisor.until(lambda: supervisor.helper("Keeper") not in (0, keeper))
    supervisor.until(lambda: len(supervisor.noted("end")) == 4 + 450)
    last = max(at for ended in supervisor.noted("end").values() for _, at in ended)
    found["replacement READY"].append(ready - killed)
    found["all that was pending is done, after READY"].append(max(0.0, last - ready))
    found["all that was pending is done, after the kill"].append(last - killed)


def killed_template(supervisor: Supervisor, found: Found) -> None:
    template = supervisor.helper("Template")
    pushed: dict[int, float] = {}
    killed = replaced = 0.0
    while not replaced or len(pushed) < 300:
        if len(pushed) == 100:
            killed = time.time()
            os.kill(template, signal.SIGKILL)
        elif killed and not replaced and supervisor.helper("Template") not in (0, template):
            replaced = time.time()
        pushed[len(pushed)] = time.time()
        supervisor.push("nap", len(pushed) - 1, 0.005)
        time.sleep(0.005)
    supervisor.until(lambda: len(supervisor.noted("end")) == len(pushed))
    starts = supervisor.noted("start")
    if any(len(started) > 1 for started in starts.values()) or len(READY.findall(supervisor.log())) > 1:
        raise SystemExit("a job or a worker noticed")
    found["replacement ready"].append(replaced - killed)
    found["from push to start, all jobs"] += [starts[n][0][1] - at for n, at in pushed.items()]


def killed_parent(supervisor: Supervisor, found: Found) -> None:
    """Alone, while jobs run that do not end in their time; then with everybody, while they run again."""
    for n in range(4):
        supervisor.push("nap", n, 30)
    supervisor.until(lambda: len(supervisor.noted("start")) == 4)
    killed = time.time()
    os.kill(supervisor.process.pid, signal.SIGKILL)
    supervisor.process.wait()
    found["nobody left (1 s to end, 1 s to unwind)"].append(supervisor.until(lambda: not supervisor.left()) - killed)
    for times, name in ((2, "job starts again, after a start"), (3, "the same when all had been killed at once")):
        begun = supervisor.start()
        until_started(supervisor, times)
        found[name] += [supervisor.noted("start")[n][-1][1] - begun for n in range(4)]
        if times == 2:
            end(supervisor)


def until_started(supervisor: Supervisor, times: int) -> None:
    supervisor.until(lambda: all(len(supervisor.noted("start")[n]) == times for n in range(4)))


def payload(name: str, *args: object) -> str:
    return json.dumps({"class": name, "args": args, "jid": f"jid{args[0]}", "queue": "default", "retry": True})


def moment(stamp: str) -> float:
    return datetime.fromisoformat(stamp + "+00:00").timestamp()


def session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def report(case: str, found: Found) -> None:
    print(f"{case}:")
    for what, values in found.items():
        ordered = [value * 1000 for value in sorted(values)]
        p99 = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))]
        print(
            f"  {what:48} n={len(ordered):<4} median {statistics.median(ordered):8.1f} ms"
            f"  p99 {p99:8.1f} ms  max {ordered[-1]:8.1f} ms"
        )


if __name__ == "__main__":
    main()
