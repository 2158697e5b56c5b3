"""Fixtures of the tests that need hosts of their own."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hosts import Host, Hub, Network
from machine import SYSTEMD, Machine

from conftest import Server, required


@pytest.fixture
def network() -> Iterator[Network]:
    required(os.geteuid() == 0 and shutil.which("ip") is not None, "root and iproute2, for network namespaces")
    network = Network()
    yield network
    network.close()


@pytest.fixture
def hub(tmp_path: Path, network: Network) -> Iterator[Hub]:
    hub = Hub(tmp_path, network)
    hub.start("--bind", "0.0.0.0", "--protected-mode", "no")
    yield hub
    hub.kill()


@pytest.fixture
def host(tmp_path: Path, network: Network, hub: Hub) -> Iterator[Callable[[str], Host]]:
    """Makes a host and starts its supervisor."""
    made: list[Host] = []

    def make(name: str) -> Host:
        made.append(Host(name, tmp_path / name, network, hub))
        made[-1].start()
        return made[-1]

    yield make
    for each in made:
        each.app.tidy()


@pytest.fixture
def machine(tmp_path: Path, server: Server) -> Iterator[Machine]:
    """Not booted yet."""
    required(os.geteuid() == 0 and SYSTEMD.exists(), "root and systemd, to run it as pid 1 of a namespace")
    machine = Machine(tmp_path, server)
    yield machine
    machine.shut_off()
