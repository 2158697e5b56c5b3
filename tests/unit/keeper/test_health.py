"""What probes are told, given what is known."""

import pytest

from jobsup.keeper import health
from jobsup.unix.pulse import Facts

RUNNING = Facts(at=100.0, started=True, able=2)


def told(path: str, facts: Facts, redis: bool = True, now: float = 101.0) -> tuple[int, str]:
    page = health.page(path, facts, redis, now)
    assert page is not None
    return page.status, page.body.decode().removesuffix("\n")


@pytest.mark.parametrize(
    ("path", "facts", "answer"),
    [
        ("/startup", Facts(100.0), (503, "Not every pool has its workers yet.")),
        ("/startup", RUNNING, (200, "Every pool has had its workers.")),
        ("/ready", Facts(100.0, able=1), (503, "Not every pool has its workers yet.")),
        ("/ready", RUNNING, (200, "Workers that can fetch: 2.")),
        ("/ready", RUNNING._replace(able=0), (503, "No worker is up.")),
        ("/ready", RUNNING._replace(failed=1), (503, "A pool was given up: its workers crashed again and again.")),
        ("/ready", RUNNING._replace(stopping=True), (503, "A stop has begun.")),
        ("/live", Facts(), (200, "The parent begins.")),
        ("/live", RUNNING, (200, "The parent's loop went round 1.0s ago.")),
    ],
)
def test_each_probe_says_in_one_sentence_how_things_are(path: str, facts: Facts, answer: tuple[int, str]) -> None:
    assert told(path, facts) == answer


def test_only_ready_asks_whether_redis_is_there() -> None:
    assert told("/ready", RUNNING, redis=False) == (503, "Redis is away.")
    assert told("/startup", RUNNING, redis=False)[0] == 200
    assert told("/live", RUNNING, redis=False)[0] == 200


@pytest.mark.parametrize("facts", [RUNNING._replace(able=0), RUNNING._replace(stopping=True), Facts(100.0)])
def test_live_asks_neither_for_workers_nor_whether_a_stop_has_begun(facts: Facts) -> None:
    assert told("/live", facts)[0] == 200


def test_live_fails_when_the_parents_loop_has_not_gone_round_for_half_a_minute() -> None:
    assert told("/live", RUNNING, now=130.0)[0] == 200
    assert told("/live", RUNNING, now=130.1) == (503, "The parent's loop went round 30.1s ago.")


def test_there_is_no_other_page() -> None:
    assert health.page("/", RUNNING, redis=True, now=101.0) is None
