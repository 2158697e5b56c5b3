"""What an orchestrator shows of a container that has ended: Kubernetes reads it from a file that it made."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from jobsup.log import sentence

_FILE = "/dev/termination-log"
_MOST = 4096
"""Bytes; the kubelet cuts the rest."""


def path(environ: Mapping[str, str]) -> str | None:
    """The file, or None where nobody would read it."""
    if given := environ.get("JOBSUP_TERMINATION_LOG"):
        return given
    return _FILE if environ.get("JOBSUP_GRACE") or environ.get("KUBERNETES_SERVICE_HOST") else None


class LastWords:
    """A subscriber that writes how the stop went.  Without a stop the file stays empty, and Kubernetes takes the log's
    end instead if ``terminationMessagePolicy`` says so.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lines: list[str] = []

    def __call__(self, name: str, facts: dict[str, Any]) -> None:
        # Not of the drains of reloads: there is no end of them.
        if (name.startswith("drain.") and facts["cause"] == "stop") or name == "parent.stopped":
            self._lines.append(sentence(name, facts) + "\n")
        if name == "parent.stopped":
            self._write("".join(self._lines).encode()[-_MOST:])

    def _write(self, text: bytes) -> None:
        try:
            # Only a file that is there already, and never waiting for whoever reads a pipe.
            fd = os.open(self._path, os.O_WRONLY | os.O_TRUNC | os.O_NONBLOCK)
        except OSError:
            return
        try:
            os.write(fd, text)
        except OSError:
            pass
        finally:
            os.close(fd)
