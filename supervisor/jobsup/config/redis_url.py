"""Where Redis is, for commands that need no other configuration."""

import os

from jobsup.config.model import masked

DEFAULT = "redis://127.0.0.1:6379/0"


def resolve(flag: str | None = None) -> str:
    """*flag*, else the variable that ``$REDIS_PROVIDER`` names, else ``$REDIS_URL``, else this host's."""
    provider = os.environ.get("REDIS_PROVIDER") or "REDIS_URL"
    return flag or os.environ.get(provider) or os.environ.get("REDIS_URL") or DEFAULT


def unanswered(url: str, reason: object) -> str:
    """One sentence for a person: nobody answers at *url*, and what to do."""
    return (
        f"Redis does not answer at {masked(url)} ({reason}); "
        "set REDIS_URL to one that does, or start jobsup with --embedded to run its own."
    )
