"""Feed one reader with what its coverage asks for; needs atheris.

    python -m benchmarks.fuzz.guided payload --inputs 100000

Ends as libFuzzer does: 0, or with a report of the input that crashed, hung or took too much memory.
"""

from __future__ import annotations

import argparse
import sys

import atheris
from hypothesis import HealthCheck, given, settings

with atheris.instrument_imports(include=["jobsup"]):
    from benchmarks.fuzz.targets import TARGETS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--inputs", type=int, default=100_000)
    options = parser.parse_args()
    target = TARGETS[options.target]
    fuzz = settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))(
        given(target.feed)(target.check)
    )
    limits = [f"-runs={options.inputs}", "-rss_limit_mb=2048", "-timeout=5", "-max_len=20000", "-len_control=0"]
    atheris.Setup([sys.argv[0], *limits], fuzz.hypothesis.fuzz_one_input)  # type: ignore[attr-defined]
    atheris.Fuzz()


if __name__ == "__main__":
    main()
