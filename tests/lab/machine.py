"""A machine whose pid 1 is the real systemd, in namespaces, as root.  Only the units that a test puts there exist."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path

import psutil

import jobsup
from conftest import Server, eventually
from harness import Jobsup

UNITS = Path(__file__).parents[2] / "systemd"
SYSTEMD = Path("/lib/systemd/systemd")

_DAEMON = 1
_LAB = "/run/lab"
_UNITS_AT = "/run/systemd/system"
PYTHON = f"{_LAB}/python/bin/python3.{sys.version_info.minor}"
"""The interpreter may be in a home directory, which the unit hides."""

# Nothing of ours may be written outside: what systemd makes in /run, /tmp and /var goes with the namespace.
_BOOT = f"""set -e
mount -t tmpfs tmpfs /run
mount -t proc proc /proc
mkdir -p {_UNITS_AT} {_LAB}/python {_LAB}/packages {_LAB}/source {_LAB}/app
mount --bind "$PYTHON" {_LAB}/python
mount --bind "$PACKAGES" {_LAB}/packages
mount --bind "$SOURCE" {_LAB}/source
mount --bind "$APP" {_LAB}/app
touch {_LAB}/valkey.sock
mount --bind "$SOCKET" {_LAB}/valkey.sock
mount --bind "$UNITS" {_UNITS_AT}
for directory in /tmp /var/tmp /var/lib; do mount -t tmpfs -o mode=1777 tmpfs $directory; done
mount --make-rshared /  # as it is on a host: else a credential stays in the namespace that systemd makes it in
exec env -i container=unshare PATH="$PATH" SYSTEMD_UNIT_PATH={_UNITS_AT} SYSTEMD_GENERATOR_PATH=/nowhere \\
    SYSTEMD_LOG_TARGET=null {SYSTEMD} --system --unit=multi-user.target
"""

_SITE = f"""[Service]
User=daemon
WorkingDirectory={_LAB}/app
ReadWritePaths={_LAB}/app
LoadCredential=
LoadCredential=redis_url:{_LAB}/app/redis_url
Environment=LD_LIBRARY_PATH={_LAB}/python/lib
Environment=PYTHONPATH={_LAB}/source:{_LAB}/packages LEDGER={_LAB}/app/ledger
ExecStart=
ExecStart={PYTHON} -m jobsup -C main.yml
ExecReload=
ExecReload={PYTHON} -m jobsup ctl reload --wait
StandardOutput=append:{_LAB}/app/log
StandardError=append:{_LAB}/app/log
"""


class Machine:
    """Runs ``jobsup.service`` as it is shipped, but for paths, user, credential and log of this site."""

    def __init__(self, directory: Path, server: Server) -> None:
        self._units = directory / "units"
        self._site = self._units / "jobsup.service.d"
        self._site.mkdir(parents=True)
        (directory / "app").mkdir()
        self.app = Jobsup(directory / "app", server)
        self._server = server
        self._process: subprocess.Popen[bytes] | None = None
        self._pid = 0
        for name in ("sysinit", "basic", "shutdown", "multi-user"):
            (self._units / f"{name}.target").write_text("[Unit]\nDescription=Nothing else\n")
        # How a unit ended is forgotten at once, unless somebody mentions it.
        with (self._units / "multi-user.target").open("a") as target:
            target.write("After=jobsup.service\n")
        for unit in ("jobsup.service", "jobsup.slice"):
            (self._units / unit).write_bytes((UNITS / unit).read_bytes())
        self.drop_in("10-site", _SITE)
        self.redis_url(server.url)

    def drop_in(self, name: str, text: str) -> None:
        (self._site / f"{name}.conf").write_text(text)

    def redis_url(self, url: str) -> None:
        credential = self.app.directory / "redis_url"
        credential.write_text(url)
        credential.chmod(0o600)

    def boot(self) -> None:
        for path in (self.app.directory, self.app.ledger):
            os.chown(path, _DAEMON, _DAEMON)
            path.chmod(0o755)
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHON": sys.base_prefix,
            "PACKAGES": sysconfig.get_path("purelib"),
            "SOURCE": str(Path(jobsup.__file__).parents[1]),
            "APP": str(self.app.directory),
            "SOCKET": str(self._server.socket),
            "UNITS": str(self._units),
        }
        alone = ("unshare", "--pid", "--fork", "--mount", "--uts", "--ipc", "--cgroup")
        with (self._units.parent / "console").open("wb") as console:
            self._process = subprocess.Popen([*alone, "sh", "-c", _BOOT], env=environ, stdout=console, stderr=console)
        eventually(self._booted, within=30, every=0.1)

    def _booted(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.console()
        children = psutil.Process(self._process.pid).children()
        self._pid = children[0].pid if children else 0
        return bool(self._pid) and self.systemctl("is-active", "multi-user.target").returncode == 0

    def console(self) -> str:
        return (self._units.parent / "console").read_text()

    def run(self, *command: str, within: float = 60.0) -> subprocess.CompletedProcess[str]:
        inside = ("nsenter", "-t", str(self._pid), "-p", "-m", *command)
        return subprocess.run(inside, capture_output=True, text=True, timeout=within, check=False)

    def systemctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("systemctl", "--no-ask-password", *arguments)

    def start(self) -> None:
        """Until it is active; a first try that finds the server too slow to answer may fail."""
        self.systemctl("start", "jobsup.service")
        eventually(lambda: self.shows(ActiveState="active"), within=30, every=0.1)

    def show(self, key: str) -> str:
        """A property of the service, as ``systemctl show`` says it."""
        return self.systemctl("show", "--value", "-p", key, "jobsup.service").stdout.strip()

    def shows(self, **properties: str) -> bool:
        return {key: self.show(key) for key in properties} == properties

    @property
    def main_pid(self) -> int:
        """As this machine counts."""
        return int(self.show("MainPID"))

    def pids(self) -> set[int]:
        """Everybody in the service's control group."""
        listed = self.run(
            "sh", "-c", "cat /sys/fs/cgroup/unified$0/cgroup.procs /sys/fs/cgroup$0/cgroup.procs", self.group
        )
        return {int(pid) for pid in listed.stdout.split()}

    @property
    def group(self) -> str:
        return self.show("ControlGroup")

    def send(self, sig: signal.Signals, pid: int) -> None:
        self.run("kill", f"-{sig.value}", str(pid))

    def shut_off(self) -> None:
        if self._process is None:
            return
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)  # the kernel ends all the others of its namespace
        else:
            self._process.kill()
        self._process.wait()
