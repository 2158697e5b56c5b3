"""See the package."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.chaos.processes import Server
from benchmarks.cost import count


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cost", description="Count what a job costs.")
    parser.add_argument("--record", action="store_true", help="keep the counts as the baseline of this Python")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jobsup-cost-") as directory:
        server = Server(directory, fsync=None)
        server.start()
        try:
            runs = [count.count(f"redis://127.0.0.1:{server.port}/0", Path(directory)) for _ in range(3)]
        finally:
            server.kill()
    # What disturbs a run adds to its counts.
    found = {name: min(run[name] for run in runs) for name in runs[0]}
    for name, value in found.items():
        print(f"{value:10.4f}  {name} for each job")
    if options.record:
        count.record(found)
        return 0
    said = count.differences(found, count.recorded())
    print("\n".join(said) or "as recorded")
    return int(bool(said))


if __name__ == "__main__":
    sys.exit(main())
