"""Where the time of a worker at a full queue goes: py-spy looks at it from outside.

    python -m benchmarks.profile [--seconds 10] [--to profile]

Writes ``TO.raw`` (a line for each stack and how often it was seen), ``TO.gil.raw`` (only of threads that held the
interpreter's lock) and ``TO.svg`` (a flame graph), and prints the functions that most samples ended in.  py-spy has to
be allowed to look: as root, or with ``kernel.yama.ptrace_scope`` 0.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from benchmarks.chaos.processes import Server
from benchmarks.compare.session import Bench, Session, Setup

PER_SECOND = 60_000
"""Jobs that keep the worker busy for a second; more than it can run."""
SHOWN = 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=str(__doc__).splitlines()[0])
    parser.add_argument("--seconds", type=int, default=10, help="of each of the three looks")
    parser.add_argument("--to", type=Path, default=Path("profile"), help="start of the names of the results")
    options = parser.parse_args()
    spy = os.path.join(os.path.dirname(sys.executable), "py-spy")
    if not os.path.exists(spy):
        print("benchmarks.profile: py-spy is missing: pip install -e '.[bench]'", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="jobsup-profile-") as directory:
        server = Server(directory, fsync=None)
        server.start()
        bench = Bench(server, Path(directory))
        try:
            with bench.session("jobsup", "default", Setup()) as session:
                print(f"pushing {PER_SECOND * options.seconds * 3:,} jobs", file=sys.stderr, flush=True)
                session.ask("fill", count=PER_SECOND * options.seconds * 3, kind="noop", value=0)
                session.start()
                session.follow(1)
                look(spy, session, options.seconds, options.to)
        finally:
            bench.close()
            server.kill()
    stacks = options.to.with_suffix(".gil.raw").read_text().splitlines()
    for name, share in leaves(stacks)[:SHOWN]:
        print(f"{share:6.1%}  {name}")
    return 0


def look(spy: str, session: Session, seconds: int, to: Path) -> None:
    """One look for each result: py-spy writes one at a time."""
    pid = next(worker.pid for worker in session.workers() if " main [" in " ".join(worker.cmdline()))
    common = [spy, "record", "--pid", str(pid), "--duration", str(seconds), "--rate", "200", "--nonblocking"]
    looks = {".raw": ["--format", "raw"], ".gil.raw": ["--format", "raw", "--gil"], ".svg": ["--threads"]}
    for suffix, how in looks.items():
        subprocess.run([*common, *how, "--output", str(to.with_suffix(suffix))], check=True)


def leaves(stacks: Iterable[str]) -> list[tuple[str, float]]:
    """The function that each sample was in -> its share of all samples, most first."""
    counts: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        frame = stack.rpartition(";")[2]  # "function (file:line)"
        counts[re.sub(r":\d+\)$", ")", frame)] += int(count)
    total = sum(counts.values())
    return [(name, count / total) for name, count in counts.most_common()]


if __name__ == "__main__":
    sys.exit(main())
