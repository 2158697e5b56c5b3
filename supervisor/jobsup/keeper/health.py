"""What probes are told.  Pure.

========  =======================================================================================================
/startup  Has every pool had its workers once?  Covers the application's import.
/live     Does the parent's loop go round?  Never asks Redis, nor for workers: killing jobsup mends neither of them,
          and would interrupt the jobs that still run.
/ready    Can jobs be fetched?  Stays true while quiet: an orchestrator that scales down takes the unready first,
          which would be those that finish their last jobs.
========  =======================================================================================================
"""

from http import HTTPStatus

from jobsup.keeper.http import Page, sentence
from jobsup.unix.pulse import Facts

LIVE_WITHIN = 30.0
"""Seconds: the loop goes round every five."""


def page(path: str, facts: Facts, redis: bool, now: float) -> Page | None:
    """The answer to *path* at *now* (monotonic); None when it is no probe.

    *redis* is whether it answered when it was last asked.
    """
    match path:
        case "/startup":
            return _page(*_startup(facts))
        case "/live":
            return _page(*_live(facts, now))
        case "/ready":
            return _page(*_ready(facts, redis))
    return None


def _startup(facts: Facts) -> tuple[bool, str]:
    return facts.started, "Every pool has had its workers." if facts.started else "Not every pool has its workers yet."


def _live(facts: Facts, now: float) -> tuple[bool, str]:
    if not facts.at:
        return True, "The parent begins."
    age = max(0.0, now - facts.at)
    return age <= LIVE_WITHIN, f"The parent's loop went round {age:.1f}s ago."


def _ready(facts: Facts, redis: bool) -> tuple[bool, str]:
    if not facts.started:
        return _startup(facts)
    if facts.stopping:
        return False, "A stop has begun."
    if facts.failed:
        return False, "A pool was given up: its workers crashed again and again."
    if not redis:
        return False, "Redis is away."
    if not facts.able:
        return False, "No worker is up."
    return True, f"Workers that can fetch: {facts.able}."


def _page(good: bool, text: str) -> Page:
    return sentence(HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE, text)
