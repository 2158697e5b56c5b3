"""What systemd is told, and what it asks for: sd_notify(3) and sd_watchdog_enabled(3)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notify:
    """One socket to whoever started us.  Never waits and never fails: supervision must not depend on it."""

    def __init__(self, address: str) -> None:
        """*address*: as in ``NOTIFY_SOCKET``, a path or, with ``@`` first, a name in the abstract namespace.

        Raises:
            OSError: the system has no descriptor to spare.
        """
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)

    def send(self, message: str) -> bool:
        """Say *message*, lines of ``NAME=value``.  False: not now, as the other side has too much to read already."""
        try:
            self._socket.sendto(message.encode(), self._address)
        except BlockingIOError:
            return False
        except (OSError, UnicodeError):
            pass  # nobody listens there, and nobody will
        return True

    def close(self) -> None:
        self._socket.close()


def connect(environ: Mapping[str, str]) -> Notify | None:
    """The socket that *environ* names; None when nobody wants to be told, or it is of a kind that is not for us."""
    address = environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return None
    try:
        return Notify(address)
    except OSError:
        return None


def watchdog(environ: Mapping[str, str]) -> float | None:
    """Seconds within which a sign of life is expected of this very process; None: none is."""
    try:
        microseconds = int(environ.get("WATCHDOG_USEC", ""))
        meant = int(environ.get("WATCHDOG_PID", os.getpid()))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 and meant == os.getpid() else None
