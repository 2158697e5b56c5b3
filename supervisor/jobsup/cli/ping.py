"""``jobsup ctl ping`` for exec probes, which start it every few seconds: nothing is loaded that it does not need."""

from __future__ import annotations

import sys

from jobsup.unix import ctlsock

_PATIENCE = 5.0


def run(path: str) -> int:
    """0 when the parent that listens on *path* answers; else 1, with a sentence on standard error."""
    try:
        ctlsock.ask(path, {"command": "ping"}, _PATIENCE)
    except (OSError, ValueError) as error:
        print(f"jobsup: The parent does not answer on {path}: {error}", file=sys.stderr)
        return 1
    return 0
