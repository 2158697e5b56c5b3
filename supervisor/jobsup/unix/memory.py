"""Memory of other processes, read from outside.  Linux; elsewhere everything is 0.

Source: proc(5), ``/proc/pid/status`` and ``/proc/pid/smaps_rollup``.
"""

from __future__ import annotations


def resident(pid: int) -> int:
    """Bytes of *pid* in RAM and swap, all of what it shares included; 0 when it is gone.

    The kernel keeps these counters: reading them waits for nothing.
    """
    return _sum(f"/proc/{pid}/status", ("VmRSS:", "VmSwap:"))


def proportional(pid: int) -> int:
    """Bytes of *pid* in RAM and swap, a page that n processes share counted as 1/n of one; never above ``resident``.

    The kernel walks all pages for it, some 12 ms for each GB: ask only about whom ``resident`` says that it matters.
    Where it may not be read, as under some sandboxes, it is what ``resident`` says.
    """
    return _sum(f"/proc/{pid}/smaps_rollup", ("Pss:", "SwapPss:")) or resident(pid)


def shown(size: float) -> str:
    """*size* bytes as people say it, and as the configuration reads it: ``512M``, ``1.5G``."""
    unit = 30 if size >= 1 << 30 else 20
    return f"{size / (1 << unit):.1f}".removesuffix(".0") + ("G" if unit == 30 else "M")


def _sum(path: str, names: tuple[str, ...]) -> int:
    total = 0
    try:
        with open(path, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith(names):
                    total += int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return 0
    return total
