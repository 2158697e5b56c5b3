"""The list of crash points: ``python tests/crash/crashpoints.py`` records it anew into ``points.txt``.

A line is ``ROLE SIDE NAME NTH``: the first time that some process comes to the point, and one in the middle where there
are several.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
FILE = HERE / "points.txt"
_RECORDINGS = 8
_SEVERAL = 4


def listed() -> list[str]:
    return FILE.read_text().splitlines()


def spread(points: list[str], every: int) -> list[str]:
    """Every *every*-th of them, always the same."""
    return points[::every]


def chosen(recordings: Sequence[Counter[str]]) -> list[str]:
    """The points that every recording came to, each with the occurrences that are to be killed at."""
    found = []
    for point in sorted(set().union(*recordings)):
        least = min(reached[point] for reached in recordings)
        if least:
            found.append(f"{point} 1")
        if least >= _SEVERAL:
            found.append(f"{point} {least // 2}")
    return found


def _record() -> None:
    sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent)]
    from crashrun import Scenario

    from conftest import Server

    recordings = []
    for _ in range(_RECORDINGS):
        with tempfile.TemporaryDirectory(prefix="jobsup-crash-") as directory:
            (Path(directory) / "server").mkdir()
            (Path(directory) / "run").mkdir()
            server = Server(Path(directory) / "server")
            server.start()
            recordings.append(Scenario(Path(directory) / "run", server.url).run().reached)
            server.kill()
    FILE.write_text("".join(f"{line}\n" for line in chosen(recordings)))


if __name__ == "__main__":
    _record()
