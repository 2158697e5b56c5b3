"""Which settings of a product are compared: those that its documentation calls fast, and some that explain them."""

from __future__ import annotations

FAST = {
    "bare": ("take 100",),
    "jobsup": ("default",),
    "celery": ("fast", "threads"),
    "blitzq": ("fast", "late"),
    "sidekiq": ("default",),
}
"""Others have one: ``fast``."""
RELIABLE = {"bare": ("take 100",), "jobsup": ("default",), "sidekiq": ("default",), "wakaq": ("sync",)}
"""Others have one: ``reliable``."""


def compared(peer: str, reliable: bool) -> tuple[str, ...]:
    return RELIABLE.get(peer, ("reliable",)) if reliable else FAST.get(peer, ("fast",))
