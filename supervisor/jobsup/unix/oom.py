"""Whether the kernel killed somebody because memory ran out.

Sources: cgroup-v2.rst (``oom_kill`` in ``memory.events``), cgroup-v1/memory.rst (``oom_kill`` in
``memory.oom_control``), and ``oom_kill`` in ``/proc/vmstat``, which counts for the whole host.
"""

from __future__ import annotations

import os
from typing import NamedTuple


class Kills(NamedTuple):
    """How many processes the kernel has killed for want of memory: of our control group, of the whole host."""

    group: int
    host: int


class Watch:
    """Counts the kernel's kills from now on and attributes each of them once.

    ``root`` is where ``proc`` and ``sys`` are.
    """

    def __init__(self, root: str = "/") -> None:
        self._root = root
        self._known = kills(root)

    def explains(self) -> str:
        """Why a process may have been killed that we did not kill; "" when memory was not the reason.

        Called once for each death by SIGKILL: every kill that was counted since explains one death.
        """
        now = kills(self._root)
        if now.group > self._known.group:
            self._known = Kills(self._known.group + 1, self._known.host + 1)
            return "out of memory"
        if now.host > self._known.host:
            self._known = self._known._replace(host=self._known.host + 1)
            return "perhaps out of memory: the kernel killed a process of this host for it"
        return ""


def kills(root: str = "/") -> Kills:
    """The counters as they stand; 0 for what this system does not tell."""
    return Kills(_group(root), _value(_read(os.path.join(root, "proc/vmstat"))))


def _group(root: str) -> int:
    for line in _read(os.path.join(root, "proc/self/cgroup")).splitlines():
        _number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        inside = path.strip("/")
        if "memory" in controllers.split(","):
            places = [os.path.join("sys/fs/cgroup/memory", part, "memory.oom_control") for part in (inside, "")]
        elif not controllers:
            places = [os.path.join("sys/fs/cgroup", part, "memory.events") for part in (inside, "")]
        else:
            continue
        # Without a cgroup namespace the path is the host's and does not exist here; then the mount itself is ours.
        for place in places:
            if text := _read(os.path.join(root, place)):
                return _value(text)
    return 0


def _value(text: str) -> int:
    for line in text.splitlines():
        name, _, number = line.partition(" ")
        if name == "oom_kill" and number.strip().isdecimal():
            return int(number)
    return 0


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(65_536)
    except (OSError, ValueError):
        return ""
