"""A primary, a replica, and three real Sentinels that watch them."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path

import redis

from conftest import Server, eventually

PASSWORD = "hunter2"
ASKING = "sesame"
"""The password of the Sentinels themselves."""


class Watched:
    """Two servers under Sentinels, which promote the other one within about two seconds of a death."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        binary = shutil.which("redis-server")
        self.nodes = [self._node(name, binary) for name in ("one", "two")]
        self.ports = [_free_port() for _ in range(3)]
        self._processes: list[subprocess.Popen[bytes]] = []
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        self.url = f"redis+sentinel://:{PASSWORD}@{hosts}/mymaster/0?sentinel_password={ASKING}"

    def start(self) -> None:
        first, second = self.nodes
        self._start(first)
        self._start(second, "--replicaof", "127.0.0.1", str(first.port))
        eventually(self.synchronised, within=20)
        for port in self.ports:
            config = self._directory / f"sentinel-{port}.conf"
            config.write_text(
                f"port {port}\nbind 127.0.0.1\nrequirepass {ASKING}\nlogfile {self._directory}/sentinel-{port}.log\n"
                f"sentinel monitor mymaster 127.0.0.1 {first.port} 2\nsentinel auth-pass mymaster {PASSWORD}\n"
                "sentinel down-after-milliseconds mymaster 500\nsentinel failover-timeout mymaster 3000\n"
            )
            self._processes.append(subprocess.Popen(["redis-sentinel", config], start_new_session=True))
        eventually(self._agreed, within=30)

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        for node in self.nodes:
            node.kill()

    def primary(self) -> Server:
        """As the Sentinels say now."""
        with redis.Redis(port=self.ports[0], password=ASKING) as sentinel:
            _, port = sentinel.sentinel_get_master_addr_by_name("mymaster")
        return next(node for node in self.nodes if node.port == port)

    def other(self) -> Server:
        return next(node for node in self.nodes if node is not self.primary())

    def synchronised(self) -> bool:
        """Whether one is primary and the other has what it has: nothing is lost if it dies now.

        After a promotion both are primaries for a while, with nothing yet to tell them apart by.
        """
        try:
            with self.nodes[0].client() as first, self.nodes[1].client() as second:
                states = [client.info("replication") for client in (first, second)]
        except redis.ConnectionError:  # who changes its role ends its connections
            return False
        links = [state.get("master_link_status", "primary") for state in states]
        return sorted(links) == ["primary", "up"] and len({state["master_repl_offset"] for state in states}) == 1

    def fail_over(self) -> None:
        """As an operator who takes the primary down for maintenance; it lives on as a replica."""
        with redis.Redis(port=self.ports[0], password=ASKING) as sentinel:
            sentinel.sentinel_failover("mymaster")

    def _agreed(self) -> bool:
        for port in self.ports:
            try:
                with redis.Redis(port=port, password=ASKING) as sentinel:
                    state = sentinel.sentinel_master("mymaster")
            except redis.ConnectionError:
                return False
            if (state["num-slaves"], state["num-other-sentinels"]) != (1, 2) or state["flags"] != "master":
                return False
        return True

    def _node(self, name: str, binary: str | None) -> Server:
        (self._directory / name).mkdir()
        server = Server(self._directory / name, binary)
        server.url = f"redis://:{PASSWORD}@127.0.0.1:{server.port}/0"
        return server

    def _start(self, node: Server, *extra: str) -> None:
        node.start("--requirepass", PASSWORD, "--masterauth", PASSWORD, "--repl-diskless-sync-delay", "0", *extra)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
