"""A running parent whose children are the stand-ins of ``standin.py``."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from conftest import eventually
from jobsup.config.model import Capsule, Config, Profile
from jobsup.unix import ctlsock

STANDIN = str(Path(__file__).with_name("standin.py"))


def profile(name: str = "main", processes: int = 2, **fields: object) -> Profile:
    capsule = Capsule("default", 1, (("default", 0),))
    defaults = {"timeout": 0.5, "max_timeout": 0.5, "kill_after": 0.3, "boot_timeout": 10.0, "canary_jobs": 0}
    return Profile(name, processes, (capsule,), **{**defaults, **fields})  # type: ignore[arg-type]


class Parent:
    """A running parent, what its children wrote into the trace, and what can be done to it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.config = Config((profile(),), "redis://none", verbose=True, ctl=str(home / "ctl" / "ctl.sock"))
        self.process: subprocess.Popen[bytes]

    def start(self, ready: bool = True) -> "Parent":
        config = self.home / "config.json"
        config.write_text(json.dumps(self.config.dump()))
        with open(self.home / "log", "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", STANDIN, "parent", str(config)],
                env={**os.environ, "STANDIN_DIR": str(self.home)},
                cwd=self.home,
                stderr=log,
            )
        if ready:
            eventually(lambda: "workers are ready" in self.log)
        return self

    def set(self, flag: str) -> None:
        (self.home / flag).touch()

    def resolves_to(self, **answer: object) -> None:
        (self.home / "resolved.json").write_text(json.dumps(answer))

    @property
    def log(self) -> str:
        return (self.home / "log").read_text()

    def trace(self, *begin: str) -> list[list[str]]:
        path = self.home / "trace"
        lines = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
        return [line for line in lines if line[: len(begin)] == list(begin)]

    def status(self) -> dict[str, object]:
        return ctlsock.ask(self.config.ctl, {"command": "status"})

    def workers(self, state: str = "ready") -> list[dict[str, object]]:
        children = [child for pool in self.status()["pools"] for child in pool["children"]]  # type: ignore
        return [child for child in children if child["state"] == state]

    def pids(self) -> list[int]:
        return [int(str(worker["pid"])) for worker in self.workers()]

    def helper(self, name: str) -> int:
        found = [h for h in self.status()["helpers"] if h["name"].startswith(name)]  # type: ignore
        return int(found[0]["pid"]) if found and found[0]["state"] == "ready" else 0

    def signal(self, sig: signal.Signals) -> None:
        self.process.send_signal(sig)

    def wait(self, within: float = 10.0) -> int:
        return self.process.wait(within)

    def ask(self, command: str) -> dict[str, object]:
        return ctlsock.ask(self.config.ctl, {"command": command})


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
