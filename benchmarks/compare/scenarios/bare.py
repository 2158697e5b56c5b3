"""jobsup beside a loop that only takes and settles."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from benchmarks.compare.scenario import Case, Options, Scenario
from benchmarks.compare.scenarios.drain import drained
from benchmarks.compare.session import Bench, Setup


def cases(bench: Bench, options: Options) -> Iterator[Case]:
    loops = [("bare", variant) for variant in ("take 20", "take 100", "take 500", "delete 100")]
    for peer, variant in (("jobsup", "default"), *loops):
        yield Case("1 x 10", peer, variant, partial(drained, bench, peer, variant, Setup(), options.seconds))


BARE = Scenario(
    "bare",
    "Beside a bare loop",
    "The same as draining; the bare loop runs no job and promises nothing. It takes so many at a time "
    "and removes them in the next script call: one by one (take), as a settlement must, or all at once (delete).",
    ("jobs/s",),
    more=True,
    cases=cases,
)
