"""The jobsup that the demo starts, watches and mistreats: the real command in a process of its own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jobsup.config import shipped
from jobsup.contrib.demo import jobs
from jobsup.embedded import guard
from jobsup.errors import JobsupError
from jobsup.unix import ctlsock, process

PROFILES = ("sidekiq.yml", "heavy.yml")

SHORT = f"jobsup {' '.join(f'-C configs/{name}' for name in PROFILES)} --embedded"
"""The command as a person would type it in the repository."""


class Ended(JobsupError):
    """The supervisor ended by itself.

    Attributes:
        code: its exit code.
        log: the last lines of its log.
    """

    def __init__(self, code: int, log: Sequence[str]) -> None:
        super().__init__(f"jobsup ended by itself with exit code {code}")
        self.code = code
        self.log = log


class Supervised:
    """One supervisor with a state directory: data, log, results and control socket lie there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "log"
        self.results = str(directory / "results.sqlite")
        self.url = f"unix://{quote(guard.socket_path(str(directory)))}"
        self._ctl = str(directory / "ctl.sock")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-P", "-m", "jobsup"]
        for name in PROFILES:
            command += ["-C", str(shipped.path(name).resolve())]
        command += [f"--embedded={self.directory}", f"--ctl={self._ctl}"]
        with self.log.open("ab") as log:
            # A session of its own: a Ctrl-C is for the demo, which then stops it in order.  In the state directory,
            # so that no module of the caller's directory is imported instead of ours.
            self._process = subprocess.Popen(
                command,
                cwd=self.directory,
                env={**os.environ, jobs.DATABASE: self.results},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=partial(process.die_with_parent, os.getpid()),  # safe: no thread was started yet
            )

    def status(self) -> dict[str, Any] | None:
        """What ``jobsup ctl status --json`` prints; None while it does not listen yet.

        Raises:
            Ended: it is gone.
        """
        if self._process is None or self._process.poll() is not None:
            raise Ended(self._process.returncode if self._process else 0, self._tail())
        try:
            return ctlsock.ask(self._ctl, {"command": "status"})
        except (OSError, ValueError):
            return None

    def reload(self) -> subprocess.Popen[bytes]:
        """Begin a deploy: the command that a person would give, which ends when the deploy has."""
        command = [sys.executable, "-P", "-m", "jobsup", "ctl", "--ctl", self._ctl, "reload", "--wait"]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self) -> int:
        """Send TERM, as a platform does, and return the exit code; its own deadlines bound the wait.

        A Ctrl-C meanwhile makes it give back now what runs, and is passed on when it has ended.
        """
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait()
        except KeyboardInterrupt:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            raise

    def given_back(self, identity: str) -> tuple[int, float] | None:
        """How many jobs of *identity* were given back, and when (Unix seconds), if the log says so."""
        return given_back(self.log.read_text(errors="replace"), identity)

    def _tail(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines()[-20:]


def given_back(log: str, identity: str) -> tuple[int, float] | None:
    """Finds the log's sentence ``keeper.gave_back`` about *identity*."""
    found = re.search(rf"^(\S+)Z .* Gave back (\d+) jobs of {re.escape(identity)} ", log, re.MULTILINE)
    return found and (int(found[2]), datetime.fromisoformat(found[1] + "+00:00").timestamp())
