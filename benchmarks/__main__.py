"""jobsup beside the others and beside Redis itself: throughput, latency, scale, memory, start.

    python -m benchmarks [--scenario drain ...] [--peer jobsup ...] [--rounds 5] [--json FILE] [--markdown FILE]
                         [--plots DIRECTORY]

Every product runs in an environment of its own, made when it is first needed.  All run the same jobs, which
``peers/work.py`` has, against one server, one after the other, again in every round; whatever is compared is compared
within a round.  The server is the embedded Valkey with nothing on disk, on a loopback port, because not everybody can
use a Unix socket.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.chaos.processes import Server
from benchmarks.compare import machine, plots
from benchmarks.compare.environment import NAMES, Unavailable, agent
from benchmarks.compare.scenario import Options, Row, Scenario, run
from benchmarks.compare.scenarios import ALL
from benchmarks.compare.session import Bench
from benchmarks.compare.tables import table

SIZES = ("seconds", "jobs", "idle", "waiting", "due")
"""What a flag of the same name makes smaller or larger."""
QUICK = Options((), seconds=1.0, jobs=300, idle=3.0, waiting=100_000, due=2_000)


def main() -> int:
    parser = _parser()
    options = parser.parse_args()
    if options.plots and not find_spec("matplotlib"):
        parser.error("--plots needs matplotlib: pip install -e '.[bench]'")
    chosen = [ALL[name] for name in options.scenario or ALL]
    peers = options.peer or NAMES
    if options.plots:
        options.plots.mkdir(parents=True, exist_ok=True)
    sizes = replace(QUICK if options.quick else Options(()), peers=peers, reliable=options.reliable)
    named = {name: getattr(options, name) for name in SIZES}
    sizes = replace(sizes, **{name: value for name, value in named.items() if value is not None})
    directory = tempfile.mkdtemp(prefix="jobsup-compare-server-")
    server = Server(directory, fsync=None)
    server.start()
    bench = Bench(server, options.cache, options.python)
    _install(peers, options)
    results: dict[str, Sequence[Row]] = {}
    facts = _facts(server)
    try:
        for scenario in chosen:
            run(scenario, bench, sizes, options.rounds, partial(_keep, options, facts, results, scenario))
            print(table(scenario, results[scenario.name], _command(scenario, options)), flush=True)
            if options.plots:
                plots.draw(scenario, results[scenario.name], options.plots)
    finally:
        bench.close()
        server.kill()
        shutil.rmtree(directory)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=str(__doc__).splitlines()[0])
    parser.add_argument("--scenario", nargs="+", choices=ALL, help="what is measured; default: everything")
    parser.add_argument("--peer", nargs="+", choices=NAMES, help="who is measured; default: everybody")
    parser.add_argument(
        "--reliable", action="store_true", help="everybody's reliable settings instead of the fast ones"
    )
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each case")
    parser.add_argument("--quick", action="store_true", help="smaller measurements, unless a flag below says otherwise")
    parser.add_argument("--seconds", type=float, help="that a measurement of a rate takes; default 4")
    parser.add_argument("--jobs", type=int, help="of a measurement of latency; default 1,000")
    parser.add_argument("--idle", type=float, help="seconds in which idle commands are counted; default 10")
    parser.add_argument(
        "--waiting", type=int, help="jobs in what is called a long queue or schedule; default 1,000,000"
    )
    parser.add_argument("--due", type=int, help="scheduled jobs that are due; default 5,000")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "jobsup-benchmarks"
    parser.add_argument("--cache", type=Path, default=cache, help="where the environments are; default %(default)s")
    parser.add_argument("--python", action="append", default=[], help="an interpreter for who needs a newer one")
    parser.add_argument("--json", type=Path, help="write every figure of every round there")
    parser.add_argument("--markdown", type=Path, help="write the tables there")
    parser.add_argument("--plots", type=Path, help="write a PNG and an SVG of each scenario to this directory")
    return parser


def _install(peers: Sequence[str], options: argparse.Namespace) -> None:
    """Before anything is measured; whoever cannot be installed says so in his row."""
    for peer in peers:
        try:
            agent(peer, options.cache, options.python)
        except Unavailable as error:
            print(f"{peer}: left out, {error}", file=sys.stderr, flush=True)


def _facts(server: Server) -> dict[str, Any]:
    about: dict[str, Any] = server.client.info("server")  # type: ignore[assignment]
    return {
        "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cores": machine.cores(),
        "load": round(machine.load(), 2),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "server": f"{about.get('server_name', 'redis')} {about.get('valkey_version', about['redis_version'])}",
        "jobsup": version("jobsup"),
        "redis-py": version("redis"),
    }


def _keep(
    options: argparse.Namespace,
    facts: dict[str, Any],
    results: dict[str, Sequence[Row]],
    scenario: Scenario,
    rows: Sequence[Row],
) -> None:
    """After every round, so that a run that is cut short is not lost."""
    results[scenario.name] = rows
    if options.json:
        found = {name: [asdict(row) for row in rows] for name, rows in results.items()}
        options.json.write_text(json.dumps(facts | {"results": found}, indent=1) + "\n")
    if options.markdown:
        head = ", ".join(f"{name} {value}" for name, value in facts.items() if name != "command")
        tables = [table(ALL[name], rows, _command(ALL[name], options)) for name, rows in results.items()]
        options.markdown.write_text("\n".join([f"{head}\n", *tables]))


def _command(scenario: Scenario, options: argparse.Namespace) -> str:
    command = ["python", "-m", "benchmarks", "--scenario", scenario.name, "--rounds", str(options.rounds)]
    command += ["--peer", *options.peer] if options.peer else []
    command += [f"--{flag}" for flag in ("quick", "reliable") if getattr(options, flag)]
    sizes = {name: getattr(options, name) for name in SIZES if getattr(options, name) is not None}
    return shlex.join([*command, *(str(word) for name, value in sizes.items() for word in (f"--{name}", value))])


if __name__ == "__main__":
    sys.exit(main())
