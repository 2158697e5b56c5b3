"""Does what the plan says to the processes, and notes what was done to whom."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable

import psutil

from benchmarks.chaos.plan import Planned
from benchmarks.chaos.processes import Jobsup, Proxy, Server
from benchmarks.chaos.verdict import Fault

SLOWNESS = 0.2
"""Seconds that a slow network adds to each way."""


class Inflictor:
    """Nothing here waits: what lasts is ended by ``tick``.

    1. inflict  begin a planned fault; False when there is nothing to do it to right now
    2. stop     ask the supervisor to leave, as a fault of its own
    3. tick     end what has lasted long enough
    4. idle     whether nothing lasts any more
    """

    def __init__(self, server: Server, proxy: Proxy, jobsup: Jobsup, seed: int) -> None:
        self._server = server
        self._proxy = proxy
        self._jobsup = jobsup
        self._draw = random.Random(seed)
        self._endings: list[tuple[float, Callable[[], None]]] = []
        self._server_up = True
        self.done: list[Fault] = []

    def inflict(self, fault: Planned) -> bool:
        where, _, what = fault.kind.partition(".")
        if where == "network":
            self._network(fault, what)
        elif where == "server":
            return self._kill_server(fault)
        elif not self._jobsup.ready:
            return False
        elif where == "stop":
            self.stop()
        elif where == "reload":
            self._note(fault, self._jobsup.workers())
            self._jobsup.parent.send_signal(1)
        else:
            return self._process(fault, where, what)
        return True

    def stop(self) -> None:
        self._note(Planned(0, "stop"), self._jobsup.workers())
        self._jobsup.stop()

    def tick(self) -> None:
        now = time.monotonic()
        for ending in [ending for ending in self._endings if ending[0] <= now]:
            self._endings.remove(ending)
            ending[1]()

    @property
    def idle(self) -> bool:
        return not self._endings

    def ended_by_itself(self, last_seen: frozenset[int]) -> None:
        """Every pool was given up: the supervisor drained its workers."""
        now = time.time()
        self.done.append(Fault("pool.given_up", now - 10, now, last_seen))

    def _note(self, fault: Planned, pids: frozenset[int] = frozenset()) -> None:
        now = time.time()
        self.done.append(Fault(fault.kind, now, now + fault.seconds, pids))

    def _network(self, fault: Planned, what: str) -> None:
        self._note(fault)
        facts = {"slow": {"delay": SLOWNESS, "seconds": fault.seconds}, "half_open": {"seconds": 20.0}, "cut": {}}[what]
        self._proxy.order(what, **facts)

    def _kill_server(self, fault: Planned) -> bool:
        if not self._server_up:
            return False
        begun = time.time()
        self._server.kill()
        self._server_up = False

        def back() -> None:
            self._server.start()
            self._server_up = True
            self.done.append(Fault(fault.kind, begun, time.time()))

        self._endings.append((time.monotonic() + fault.seconds, back))
        return True

    def _process(self, fault: Planned, role: str, what: str) -> bool:
        found = self._jobsup.processes(role)
        if not found:
            return False
        target = self._draw.choice(found)
        hit = (
            self._jobsup.workers()
            if fault.kind == "parent.kill"
            else frozenset({target.pid} if role == "worker" else ())
        )
        try:
            if what == "kill":
                begun = time.time()
                target.kill()
                if role == "parent":
                    hit |= self._jobsup.orphans()
                # It takes its time to make sure of the pid: the process may have begun another job meanwhile.
                self.done.append(Fault(fault.kind, begun, time.time(), hit))
                if role == "parent":
                    self._jobsup.ready = False
            elif what == "term":
                self._note(fault, hit)
                target.terminate()
            else:
                self._freeze(fault, target, hit)
        except psutil.NoSuchProcess:
            if what != "kill":
                self.done.pop()
            return False
        return True

    def _freeze(self, fault: Planned, target: psutil.Process, hit: frozenset[int]) -> None:
        self._note(fault, hit)
        target.suspend()

        def thaw() -> None:
            with contextlib.suppress(psutil.NoSuchProcess):
                target.resume()

        self._endings.append((time.monotonic() + fault.seconds, thaw))
