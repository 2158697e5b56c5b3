"""A job as it lies in Redis, read for people: nothing that a foreign writer did may raise here."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from jobsup import payload
from jobsup.errors import MalformedPayload


class JobRecord:
    """The bytes that were found, and what they mean.

    Attributes:
        raw: exactly what lies in Redis; it is what deletes and moves go by.
    """

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    @cached_property
    def payload(self) -> dict[str, Any] | None:
        """The JSON object, or None where the bytes are no job."""
        try:
            return payload.loads(self.raw)
        except MalformedPayload:
            return None

    def text(self, key: str) -> str:
        """One field as text; empty where it is missing or of another type."""
        value = (self.payload or {}).get(key)
        return value if isinstance(value, str) else ""

    @property
    def jid(self) -> str:
        return self.text("jid")

    @property
    def klass(self) -> str:
        """What people know the job as: ``display_class``, else what an adapter wrapped, else its class."""
        return self.text("display_class") or self.text("wrapped") or self.text("class")

    @property
    def queue(self) -> str:
        return self.text("queue")

    @property
    def args(self) -> list[Any]:
        value = (self.payload or {}).get("args")
        return value if isinstance(value, list) else []

    def time(self, key: str) -> float | None:
        """A time (``created_at``, ``failed_at``, ...) in Unix seconds, whichever generation wrote it."""
        value = (self.payload or {}).get(key)
        if value is None:
            return None
        return payload.read_stamp(value) or None

    def latency(self, now: float) -> float:
        """Seconds since the job was enqueued; 0 when it does not say, or says a time to come."""
        since = payload.enqueued(self.payload or {})
        return max(0.0, now - since) if since else 0.0

    def __repr__(self) -> str:
        # The arguments stay out: they may hold what must not reach a log.
        return f"<{type(self).__name__} {self.klass or 'malformed'} {self.jid}>"
