"""What the container allows: CPU quota and memory of control groups, version 1 and 2.

Sources: cgroups(7), the kernel's Documentation/admin-guide/cgroup-v2.rst (``cpu.max``, ``memory.max``), sched-bwc.rst
(``cpu.cfs_quota_us``) and cgroup-v1/memory.rst.
"""

import math
import os
from collections.abc import Iterator
from typing import NamedTuple

_NO_LIMIT = 1 << 60
"""What version 1 says where there is none is a little less than 2 to the 63."""


class Room(NamedTuple):
    """Memory of one control group in bytes; *used* without the file cache, which the kernel drops when it must."""

    limit: int
    used: int

    @property
    def share(self) -> float:
        return self.used / self.limit


def cpus(root: str = "/") -> int:
    """CPUs this process may use: scheduling affinity, cut by the tightest quota above us; at least 1.

    A part of a CPU counts as one, as the JVM and Go count it.  *root* is where ``proc`` and ``sys`` are.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for group in _groups(root, "cpu") if (quota := _quota(group))]
    return max(1, min([allowed, *(math.ceil(quota) for quota in quotas)]))


def memory(root: str = "/") -> Room | None:
    """Of our control group and those above it the one that is nearest to its limit; None when none has one."""
    rooms = [room for group in _groups(root, "memory") if (room := _room(group))]
    return max(rooms, key=lambda room: room.share, default=None)


def _groups(root: str, controller: str) -> Iterator[str]:
    """Our group and every group above it; each of them limits us.

    Without a cgroup namespace the path is the host's and does not exist here; then the mount itself is ours.
    """
    for line in _read(os.path.join(root, "proc/self/cgroup")).splitlines():
        _number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            mounts = ["sys/fs/cgroup", "sys/fs/cgroup/unified"]
        elif controller in controllers.split(","):
            mounts = [f"sys/fs/cgroup/{controllers}", f"sys/fs/cgroup/{controller}"]
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for mount in dict.fromkeys(mounts):
            for depth in range(len(parts), -1, -1):
                yield os.path.join(root, mount, *parts[:depth])


def _quota(group: str) -> float | None:
    fields = _read(os.path.join(group, "cpu.max")).split() or [
        _read(os.path.join(group, "cpu.cfs_quota_us")).strip(),
        _read(os.path.join(group, "cpu.cfs_period_us")).strip(),
    ]
    try:
        quota, period = float(fields[0]), float(fields[1])
    except (ValueError, IndexError):
        return None  # "max", or no such file: no limit here
    return quota / period if quota > 0 and period > 0 else None


def _room(group: str) -> Room | None:
    # Above ``memory.high`` nobody is killed, but everybody is slowed down until hardly anything moves.
    names = ("memory.max", "memory.high", "memory.limit_in_bytes")
    limits = [limit for name in names if 0 < (limit := _number(group, name)) < _NO_LIMIT]
    if not limits:
        return None
    used = _number(group, "memory.current") or _number(group, "memory.usage_in_bytes")
    cache = {"inactive_file": 0, "active_file": 0, "total_inactive_file": 0, "total_active_file": 0}
    for line in _read(os.path.join(group, "memory.stat")).splitlines():
        name, _, value = line.partition(" ")
        if name in cache:
            cache[name] = int(value)
    # Version 1 has both: without ``total`` they leave out the groups below.
    inactive = cache["total_inactive_file"] or cache["inactive_file"]
    active = cache["total_active_file"] or cache["active_file"]
    return Room(min(limits), max(0, used - inactive - active))


def _number(group: str, name: str) -> int:
    text = _read(os.path.join(group, name)).strip()
    return int(text) if text.isdecimal() else 0


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(16_384)
    except (OSError, ValueError):
        return ""
