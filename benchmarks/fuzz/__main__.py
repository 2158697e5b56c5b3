"""Feed every reader with what it was not made for.

    python -m benchmarks.fuzz --inputs 100000 --seed 1 [--only payload] [--json result.json]

Exit code 1 when a reader crashes, takes longer than five seconds for one input, or grows by more than 256 MB.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

from benchmarks.fuzz.targets import TARGETS

LONGEST = 5.0
"""Seconds for one input."""
MOST_GROWTH = 256 * 1024
"""Kilobytes that the peak of resident memory may grow by during one target."""
ROUND = 1_000


class TookTooLong(BaseException):
    """One input was not done with in time."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one target came to.  *failure* is empty, or the traceback with the input that hypothesis found."""

    target: str
    inputs: int
    seconds: float
    slowest: float
    growth_kb: int
    failure: str


def run(name: str, inputs: int, number: int) -> Result:
    """Feed the target *name* with about *inputs* inputs that the seed *number* decides."""
    count, slowest = 0, 0.0

    def timed(check: Callable[[Any], None]) -> Callable[[Any], None]:
        def call(value: Any) -> None:
            nonlocal count, slowest
            count += 1
            begun = time.perf_counter()
            signal.setitimer(signal.ITIMER_REAL, LONGEST)
            try:
                check(value)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                slowest = max(slowest, time.perf_counter() - begun)

        return call

    target = TARGETS[name]
    before, begun, failure = _peak(), time.monotonic(), ""
    try:
        # In rounds: hypothesis remembers every choice of a run, and what grows is to be the reader.
        for start in range(0, inputs, ROUND):
            _round(target.feed, timed(target.check), min(ROUND, inputs - start), number + start)
    except (Exception, TookTooLong):  # noqa: BLE001  whatever a reader raises is what is looked for
        failure = traceback.format_exc()
    grown = _peak() - before
    if grown > MOST_GROWTH and not failure:
        failure = f"the peak of resident memory grew by {grown} kB"
    return Result(name, count, round(time.monotonic() - begun, 1), round(slowest, 3), grown, failure)


def _round(feed: SearchStrategy[Any], check: Callable[[Any], None], inputs: int, number: int) -> None:
    fuzz = settings(
        max_examples=inputs,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )(seed(number)(given(feed)(check)))
    fuzz()
    gc.collect()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000, help="over all targets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=TARGETS, action="append", help="these targets")
    parser.add_argument("--json", help="write the results there")
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, _too_long)
    chosen = options.only or list(TARGETS)
    results = []
    for name in chosen:
        results.append(run(name, -(-options.inputs // len(chosen)), options.seed))
        print(_line(results[-1]), flush=True)
    print(f"{sum(result.inputs for result in results)} inputs, {sum(bool(r.failure) for r in results)} targets failed")
    for result in results:
        if result.failure:
            print(f"\n{result.target}:\n{result.failure}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump([asdict(result) for result in results], file, indent=2)
    return int(any(result.failure for result in results))


def _line(result: Result) -> str:
    verdict = "FAILED" if result.failure else "ok"
    times = f"{result.seconds:7}s  slowest {result.slowest:6}s"
    return f"{result.target:15} {result.inputs:8} inputs {times}  grown {result.growth_kb:7} kB  {verdict}"


def _too_long(_signal: int, _frame: FrameType | None) -> None:
    raise TookTooLong


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    sys.exit(main())
