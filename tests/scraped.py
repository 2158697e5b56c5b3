"""What ``/metrics`` shows, and everything that it can show without a supervisor."""

from __future__ import annotations

import urllib.request
from typing import Any, TypeAlias

from prometheus_client.parser import text_string_to_metric_families

from jobsup.config.model import Capsule, Config, Profile
from jobsup.durations import Durations, bucket
from jobsup.keeper.figures import Figures
from jobsup.keeper.metrics import Exposition, Known
from jobsup.unix.pulse import Facts, Pool

Samples: TypeAlias = dict[tuple[str, ...], float]

FIGURES = Figures(
    at=100.0,
    sizes={"mail": 3, "low": 0},
    latencies={"mail": 12.5, "low": 0.0},
    suspects={"mail": 1, "low": 0},
    retry=4,
    schedule=5,
    dead=6,
    durations={("main", "Receipt"): Durations({bucket(0.0015): 2, bucket(0.5): 3, bucket(99_999.0): 1})},
)
MAIN = Pool(
    wanted=3,
    ready=2,
    threads=10,
    busy=7,
    in_hand=8,
    generation=4,
    workers=5,
    failed=1,
    started=20,
    deaths=2,
    processed=1_000_000,
    failures=30,
)


def known(**facts: Any) -> Known:
    profile = Profile("main", 1, (Capsule("default", 5, (("mail", 0), ("low", 0))),), version="2.1")
    return Known(
        **{
            "config": Config((profile,), "redis://:secret@host"),
            "facts": Facts(100.0, started=True),
            "pools": {"main": MAIN},
            "figures": FIGURES,
            "redis": True,
            "now": 101.0,
            **facts,
        }
    )


def page(told: Known) -> str:
    return Exposition().page(lambda: told, 0.0).body.decode()


def samples(text: str) -> Samples:
    """(name, the labels' values in the order of the labels' names) -> value."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(address: str) -> Samples:
    """What a supervisor tells now."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as reply:
        return samples(reply.read().decode())
