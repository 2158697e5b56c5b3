"""One chaos run from the first start to the verdict."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from typing import Any

from benchmarks.chaos import ledger, report
from benchmarks.chaos.inflict import Inflictor
from benchmarks.chaos.plan import plan
from benchmarks.chaos.processes import THREADS, TIMEOUT, Jobsup, Proxy, Server, left_in
from benchmarks.chaos.verdict import judge, order

PROGRESS_EVERY = 2.0
QUIET_WITHIN = 120.0
"""Seconds after the last fault in which everything must have ended: several leases."""
BEHIND = 16
"""Jobs that wait behind those that are given back."""
GONE_WITHIN = 30.0
"""Seconds after the clean stop in which the orphans of killed parents must have left."""


class Scenario:
    """Start, enqueue and break, wait for quiescence, stop, judge."""

    def __init__(self, directory: str, jobs: int, kills: int, seconds: float, seed: int, processes: int) -> None:
        from benchmarks.chaos.load import Load  # it opens the ledger, which must be there

        self._directory = directory
        self._path = ledger.create(directory)
        self._ledger = ledger.Ledger()
        self._facts = {"jobs": jobs, "kills": kills, "seconds": seconds, "seed": seed, "processes": processes}
        self._processes = processes
        self._plan = plan(kills, seconds, seed)
        self._planned = len(self._plan)
        self._server = Server(directory)
        self._server.start()
        self._proxy = Proxy(self._server.port)
        self._jobsup = Jobsup(directory, self._proxy.url, processes)
        self._inflictor = Inflictor(self._server, self._proxy, self._jobsup, seed)
        self._load = Load(self._proxy.url, jobs, seconds, seed)
        self._workers: frozenset[int] = frozenset()
        self._spoke_at = 0.0
        self._begun = 0.0

    def run(self) -> dict[str, Any]:
        self._begun = time.monotonic()
        self._until(lambda: self._jobsup.ready, 60)
        self._begun = time.monotonic()
        self._load.start()
        while self._plan or not self._inflictor.idle or self._load.is_alive():
            self._step()
        quiet = self._until(self._quiescent, QUIET_WITHIN)
        # Nobody counts on the very moment: a template of the generation before may still be leaving.
        self._until(lambda: self._jobsup.ready and self._calm(), 20)
        given_back = self._give_back()
        self._until(lambda: self._jobsup.ready and self._calm(), 20)
        descriptors = {"at_start": self._jobsup.descriptors_at_start, "at_end": self._jobsup.parent.num_fds()}
        zombies = self._jobsup.zombies()
        code = self._stop()
        self._until(lambda: not left_in(self._directory), GONE_WITHIN)
        faults = self._inflictor.done + report.reloaded(self._jobsup.log())
        with open(os.path.join(self._directory, "faults.json"), "w") as file:  # to look into what has no explanation
            json.dump([[fault.kind, fault.at, fault.until, sorted(fault.pids)] for fault in faults], file)
        verdict = judge(self._load.acknowledged, self._load.repeated, self._load.items, self._ledger, faults, TIMEOUT)
        return {
            "asked": self._facts,
            "took": round(time.monotonic() - self._begun, 1),
            "quiet_after": quiet,
            "pushed": {**self._load.kinds, "unacknowledged": len(self._load.doubtful)},
            "ended": len(self._ledger.ended),
            "faults": report.counted(self._inflictor.done),
            "supervisor": {"starts": self._jobsup.starts, "exits": report.exits(self._jobsup.exits), "last": code},
            **report.judged(verdict),
            "given_back": given_back,
            "leftovers": report.leftovers(self._server.client)
            | {"processes": len(left_in(self._directory)), "zombies": zombies, "descriptors": descriptors},
        }

    def close(self) -> None:
        self._server.kill()
        self._proxy.close()

    def _step(self) -> None:
        now = time.monotonic()
        elapsed = now - self._begun
        self._inflictor.tick()
        code = self._jobsup.tick()
        if code == 71:
            self._inflictor.ended_by_itself(self._workers)
        if self._plan and self._plan[0].at <= elapsed and self._inflictor.inflict(self._plan[0]):
            self._plan.pop(0)
        if now - self._spoke_at >= PROGRESS_EVERY:
            self._spoke_at = now
            self._look(elapsed)
        time.sleep(0.01)

    def _look(self, elapsed: float) -> None:
        self._ledger.follow(self._path)
        self._load.ended = len(self._ledger.ended)
        if self._jobsup.ready:
            self._workers |= self._jobsup.workers()
        print(
            f"{elapsed:6.1f}s  pushed {len(self._load.acknowledged)}  ended {self._load.ended}"
            f"  faults {self._planned - len(self._plan)} of {self._planned}  starts {self._jobsup.starts}"
            f"{'' if self._jobsup.ready else '  (no supervisor ready)'}",
            flush=True,
        )

    def _until(self, check: Callable[[], bool], within: float) -> float | None:
        """Seconds until *check* held; None when it did not."""
        begun = time.monotonic()
        while time.monotonic() - begun < within:
            if check():
                return round(time.monotonic() - begun, 2)
            self._step()
        return None

    def _quiescent(self) -> bool:
        self._ledger.follow(self._path)
        return self._ledger.ended.issuperset(self._load.acknowledged) and report.settled(self._server.client)

    def _give_back(self) -> dict[str, Any]:
        """Stop while every thread runs a job that does not end, and look at what lies in the queue then."""
        busy = self._processes * THREADS
        first = self._load.push_patient(busy + BEHIND)
        self._until(lambda: self._taken(first) >= busy, 30)
        self._inflictor.stop()
        self._jobsup.resting = True
        self._until(lambda: not self._jobsup.running, 30)
        self._ledger.follow(self._path)
        taken = {number: runs[-1].pid for number, runs in self._ledger.runs.items() if number >= first}
        waiting = [json.loads(raw)["args"][0] for raw in reversed(self._server.client.lrange("queue:default", 0, -1))]
        with open(os.path.join(self._directory, "go"), "w"):
            self._jobsup.resting = False
        self._until(self._quiescent, QUIET_WITHIN)
        found = order(waiting, taken)
        return {"jobs": len(taken.keys() & set(waiting)), "behind": found.behind, "swapped": found.swapped}

    def _taken(self, first: int) -> int:
        self._ledger.follow(self._path)
        return sum(number >= first for number in self._ledger.runs)

    def _calm(self) -> bool:
        return len(self._jobsup.processes("worker")) == self._processes and len(self._jobsup.processes("template")) == 1

    def _stop(self) -> str:
        before = self._jobsup.exits.copy()
        self._jobsup.resting = True
        self._jobsup.stop()
        self._until(lambda: not self._jobsup.running, 60)
        return ", ".join(report.exits(self._jobsup.exits - before)) or "did not stop"
