"""Where Redis is when nothing names it, and what to say when it is not there."""

import os
from collections.abc import Mapping

from jobsup.config.model import masked
from jobsup.errors import ArgumentError

DEFAULT = "redis://127.0.0.1:6379/0"


def from_environment(environ: Mapping[str, str]) -> tuple[str, str]:
    """URL and origin by Sidekiq's rules: the variable that REDIS_PROVIDER names, else REDIS_URL, else this host's.

    Raises:
        ArgumentError: REDIS_PROVIDER does not name a variable that is set.
    """
    if provider := environ.get("REDIS_PROVIDER"):
        if ":" in provider:
            raise ArgumentError("$REDIS_PROVIDER must be the name of the variable that holds the URL")
        if not environ.get(provider):
            raise ArgumentError(f"$REDIS_PROVIDER names the variable {provider}, which is not set")
        return environ[provider], f"${provider}"
    if url := environ.get("REDIS_URL"):
        return url, "$REDIS_URL"
    return DEFAULT, "default"


def resolve(flag: str | None = None) -> str:
    """*flag*, else what this process' environment says.  Raises ArgumentError as ``from_environment``."""
    return flag or from_environment(os.environ)[0]


def unanswered(url: str, reason: object) -> str:
    """One sentence for a person: nobody answers at *url*, and what to do."""
    return (
        f"Redis does not answer at {masked(url)} ({reason}); "
        "set REDIS_URL to one that does, or start jobsup with --embedded to run its own."
    )
