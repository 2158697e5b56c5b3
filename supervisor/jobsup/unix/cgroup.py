"""What the container allows: the CPU quota of control groups, version 1 and 2.

Sources: cgroups(7), the kernel's Documentation/admin-guide/cgroup-v2.rst (``cpu.max``) and sched-bwc.rst
(``cpu.cfs_quota_us``).
"""

import math
import os
from collections.abc import Iterator


def cpus(root: str = "/") -> int:
    """CPUs this process may use: scheduling affinity, cut by the tightest quota above us; at least 1.

    A part of a CPU counts as one, as the JVM and Go count it.  *root* is where ``proc`` and ``sys`` are.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *(math.ceil(quota) for quota in _quotas(root))]))


def _quotas(root: str) -> Iterator[float]:
    for line in _read(os.path.join(root, "proc/self/cgroup")).splitlines():
        _number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            mounts = ["sys/fs/cgroup", "sys/fs/cgroup/unified"]
        elif "cpu" in controllers.split(","):
            mounts = [f"sys/fs/cgroup/{controllers}", "sys/fs/cgroup/cpu"]
        else:
            continue
        for mount in mounts:
            yield from _above(os.path.join(root, mount), path)


def _above(mount: str, path: str) -> Iterator[float]:
    """Quotas of the group at *path* and of every group above it; each of them limits us.

    Without a cgroup namespace *path* is the host's and does not exist here; then the mount itself is ours.
    """
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for depth in range(len(parts), -1, -1):
        group = os.path.join(mount, *parts[:depth])
        fields = _read(os.path.join(group, "cpu.max")).split() or [
            _read(os.path.join(group, "cpu.cfs_quota_us")).strip(),
            _read(os.path.join(group, "cpu.cfs_period_us")).strip(),
        ]
        try:
            quota, period = float(fields[0]), float(fields[1])
        except (ValueError, IndexError):
            continue  # "max", or no such file: no limit here
        if quota > 0 and period > 0:
            yield quota / period


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(4096)
    except (OSError, ValueError):
        return ""
