"""Break everything at random moments and count what is lost.

    python -m benchmarks.chaos --jobs 20000 --kills 60 --seconds 90 --seed 1 [--json result.json]

Exit code 1 on any loss, unexplained second run, or leftover.  ``docs/reliability.md`` says what it proves.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.chaos.processes import left_in
from benchmarks.chaos.report import failures, text
from benchmarks.chaos.scenario import Scenario


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=20_000, help="jobs to enqueue")
    parser.add_argument("--kills", type=int, default=60, help="SIGKILLs; other faults come in proportion")
    parser.add_argument("--seconds", type=float, default=90.0, help="how long jobs are enqueued and things broken")
    parser.add_argument("--seed", type=int, default=1, help="decides faults and jobs")
    parser.add_argument("--processes", type=int, default=6, help="workers in the pool")
    parser.add_argument("--json", type=Path, help="write the result there")
    options = parser.parse_args()
    directory = os.path.realpath(tempfile.mkdtemp(prefix="jobsup-chaos-"))
    os.environ["CHAOS_DIRECTORY"] = directory
    scenario = Scenario(directory, options.jobs, options.kills, options.seconds, options.seed, options.processes)
    try:
        result = scenario.run()
    finally:
        scenario.close()
        for process in left_in(directory):
            process.kill()
    print(text(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    if failures(result):
        print(f"FAILED: {', '.join(failures(result))}; logs and ledger are in {directory}")
        return 1
    shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
