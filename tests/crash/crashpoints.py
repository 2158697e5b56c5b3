"""The list of crash points: ``python tests/crash/crashpoints.py`` records it anew into ``points.txt``.

A line is ``ROLE SIDE NAME NTH``: the first time that some process comes to the point, and one in the middle where there
are several.  NTH is 0 where not every recording came to it, so that no run could be sure to; what an earlier list
had stays there, and is deleted by hand when it can never be again.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
FILE = HERE / "points.txt"
_RECORDINGS, _AT_ONCE = 30, 6
"""Enough, on a machine busy enough, to see what happens only when somebody is slow."""
_SEVERAL = 4


def known() -> set[str]:
    """Every point, without a number."""
    return {line.rpartition(" ")[0] for line in FILE.read_text().splitlines()}


def listed() -> list[str]:
    """Where to kill."""
    return [line for line in FILE.read_text().splitlines() if not line.endswith(" 0")]


def spread(points: list[str], every: int) -> list[str]:
    """Every *every*-th of them, always the same."""
    return points[::every]


def chosen(recordings: Sequence[Counter[str]], before: set[str]) -> list[str]:
    """The lines of the list; *before* are the points of the one before it."""
    found = []
    for point in sorted(before.union(*recordings)):
        least = min(reached[point] for reached in recordings)
        found.append(f"{point} {min(least, 1)}")
        if least >= _SEVERAL:
            found.append(f"{point} {least // 2}")
    return found


def _recording(_number: int) -> Counter[str]:
    from crashrun import Scenario

    from conftest import Server

    with tempfile.TemporaryDirectory(prefix="jobsup-crash-") as directory:
        for part in ("server", "run"):
            (Path(directory) / part).mkdir()
        server = Server(Path(directory) / "server")
        server.start()
        try:
            return Scenario(Path(directory) / "run", server.url).run().reached
        finally:
            server.kill()


def _record() -> None:
    sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        recordings = list(pool.map(_recording, range(_RECORDINGS)))
    FILE.write_text("".join(f"{line}\n" for line in chosen(recordings, known())))


if __name__ == "__main__":
    _record()
