"""A machine that systemd has booted: itself as process 1, in namespaces of its own, as root."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from conftest import eventually

UNITS = Path(__file__).parents[2] / "systemd"

_BOOT = """
mount --make-rprivate /
mount --make-rshared /
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/systemd/system
mount -t proc proc /proc
printf '[Unit]\\nDefaultDependencies=no\\n' > /run/systemd/system/lab.target
touch /run/booted
exec env -i container=unshare PATH="$PATH" /lib/systemd/systemd --system --unit=lab.target --show-status=0
"""
"""A target with nothing in it: none of the machine's own services is started.

Mounts are shared among what is inside, as after a real boot: credentials reach a service that way.
"""


class Machine:
    """Boot one, install units, ask ``systemctl``; ``kill`` ends all of it."""

    def __init__(self, log: Path) -> None:
        with log.open("ab") as out:
            self._unshare = subprocess.Popen(
                ["unshare", "--pid", "--fork", "--mount", "--uts", "--ipc", "--cgroup", "sh", "-ec", _BOOT],
                stdout=out,
                stderr=out,
            )
        eventually(lambda: psutil.Process(self._unshare.pid).children(), within=20)
        self.pid = psutil.Process(self._unshare.pid).children()[0].pid
        eventually(lambda: self.systemctl("is-system-running").stdout.strip() == "running", within=30)

    def run(self, *command: str, within: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Inside."""
        inside = ["nsenter", "-t", str(self.pid), "-p", "-m", "--"]
        return subprocess.run([*inside, *command], capture_output=True, text=True, timeout=within, check=False)

    def systemctl(self, *words: str, within: float = 60.0) -> subprocess.CompletedProcess[str]:
        return self.run("systemctl", *words, within=within)

    def install(self, text: str, name: str) -> None:
        """A file below /run/systemd/system."""
        target = f"/run/systemd/system/{name}"
        subprocess.run(
            [
                "nsenter",
                "-t",
                str(self.pid),
                "-p",
                "-m",
                "--",
                "sh",
                "-ec",
                f"mkdir -p {Path(target).parent}; cat > {target}",
            ],
            input=text.encode(),
            check=True,
        )

    def kill(self) -> None:
        """Process 1, and the kernel ends whatever it had started."""
        os.kill(self.pid, signal.SIGKILL)
        self._unshare.wait(20)


class Service:
    """The shipped unit with what a test must change in it: where the program and the application are."""

    def __init__(self, machine: Machine, directory: Path, redis_url: str, more: str = "") -> None:
        self.machine = machine
        (directory / "redis_url").write_text(redis_url)
        unit = (UNITS / "jobsup.service").read_text().replace("/etc/jobsup/redis_url", str(directory / "redis_url"))
        machine.install(unit, "jobsup.service")
        program = f"{sys.executable} -m jobsup"
        here = f"""
            [Unit]
            DefaultDependencies=no
            [Service]
            User=root
            # The application of a test lies in /tmp, or in root's home.
            PrivateTmp=no
            ProtectHome=no
            ProtectSystem=no
            WorkingDirectory={directory}
            Environment=PYTHONPATH={os.pathsep.join(sys.path)} LEDGER={directory / "ledger"}
            ExecStart=
            ExecStart={program} -C main.yml
            ExecReload=
            ExecReload={program} ctl reload --wait
            StandardError=append:{directory / "log"}
            {more}
        """
        machine.install("\n".join(line.strip() for line in here.splitlines()), "jobsup.service.d/here.conf")
        assert machine.systemctl("daemon-reload").returncode == 0

    def do(self, verb: str, within: float = 60.0) -> int:
        return self.machine.systemctl(verb, "jobsup.service", within=within).returncode

    def show(self, name: str) -> str:
        return self.machine.systemctl("show", "-P", name, "jobsup.service").stdout.strip()

    def pids(self) -> list[int]:
        """Of every process in the service's control group, as numbered inside."""
        found = self.machine.run("sh", "-c", f"cat /sys/fs/cgroup/systemd{self.show('ControlGroup')}/cgroup.procs")
        return [int(pid) for pid in found.stdout.split()]

    def signal_main(self, name: str) -> None:
        self.machine.run("kill", f"-{name}", self.show("MainPID"))
