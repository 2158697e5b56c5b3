"""Hosts and a network between them: namespaces, as root.  Nothing of it touches the machine's own network."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import psutil
import redis

from conftest import Server
from harness import Jobsup

ADDRESS = "10.77.0.1"

JOBS = """
import os, socket, time
from jobsup import Job, job

def note(*words):
    with open(os.environ["LEDGER"], "a") as ledger:
        ledger.write(" ".join(map(str, (*words, socket.gethostname()))) + "\\n")

class Stay(Job):
    "On the first host it waits for a sign and fails; elsewhere it simply succeeds."
    def perform(self, n):
        note("start", n)
        while socket.gethostname() == "first":
            if os.path.exists(os.environ["LEDGER"] + ".go"):
                note("late", n)
                raise RuntimeError("too late")
            time.sleep(0.01)
        note("end", n)

@job
def quick(n):
    note("end", n)
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Network:
    """A network namespace for the server, with a bridge that every host hangs on."""

    def __init__(self) -> None:
        self._prefix = f"jobsup{os.getpid()}"
        self._names: list[str] = []
        self.hub = self._add("hub")
        ip("-n", self.hub, "link", "add", "br0", "type", "bridge")
        ip("-n", self.hub, "addr", "add", f"{ADDRESS}/24", "dev", "br0")
        ip("-n", self.hub, "link", "set", "br0", "up")

    def _add(self, name: str) -> str:
        namespace = f"{self._prefix}-{name}"
        ip("netns", "add", namespace)
        self._names.append(namespace)
        ip("-n", namespace, "link", "set", "lo", "up")
        return namespace

    def host(self, name: str) -> str:
        """The namespace of a new host, connected."""
        namespace = self._add(name)
        ip("-n", self.hub, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        ip("-n", self.hub, "link", "set", name, "master", "br0", "up")
        ip("-n", namespace, "addr", "add", f"10.77.0.{len(self._names)}/24", "dev", "eth0")
        ip("-n", namespace, "link", "set", "eth0", "up")
        return namespace

    def plug(self, name: str, *, state: str) -> None:
        """Take the host's cable out (``down``) or put it back (``up``)."""
        ip("-n", self.hub, "link", "set", name, state)

    def close(self) -> None:
        for namespace in self._names:
            ip("netns", "delete", namespace)


class Hub(Server):
    """The server in the network's middle; the test itself speaks to it over its Unix socket."""

    def __init__(self, directory: Path, network: Network) -> None:
        super().__init__(directory)
        inside = directory / "server"
        inside.write_text(f'#!/bin/sh\nexec ip netns exec {network.hub} {self.binary} "$@"\n')
        inside.chmod(0o755)
        self.binary = str(inside)
        self.url = f"redis://{ADDRESS}:{self.port}/0"

    def client(self) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket))


class Host:
    """A supervisor with a network, a process tree and a host name of its own."""

    def __init__(self, name: str, directory: Path, network: Network, server: Server) -> None:
        directory.mkdir()
        self.name = name
        self._network = network
        self._namespace = network.host(name)
        self.app = Jobsup(directory, server, JOBS)
        self.app.ledger = directory.parent / "ledger"
        self.app.ledger.touch()
        self.app.profile("main", queues=["default", name])

    def start(self) -> None:
        named = ("sh", "-c", 'hostname "$0" && exec "$@"', self.name)
        alone = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts")
        self.app.start(wrapper=("ip", "netns", "exec", self._namespace, *alone, *named))

    def _everybody(self) -> list[psutil.Process]:
        return psutil.Process(self.app.pid).children(recursive=True)

    def cut_off(self) -> None:
        self._network.plug(self.name, state="down")

    def reconnect(self) -> None:
        self._network.plug(self.name, state="up")

    def freeze(self) -> None:
        for process in self._everybody():
            process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        for process in self._everybody():
            process.send_signal(signal.SIGCONT)

    def lose_power(self) -> None:
        """Every process gone in one moment, and no last word on the network."""
        self.cut_off()
        os.kill(self._everybody()[0].pid, signal.SIGKILL)  # the namespace's pid 1: the kernel kills all others

    def stop(self) -> int:
        os.kill(self._everybody()[0].pid, signal.SIGTERM)
        return self.app.wait()
