"""What jobsup runs in the tests against Ruby; each run is reported to a list."""

from __future__ import annotations

import json
import os
from typing import Any

import redis

from jobsup import Job


def server() -> redis.Redis:
    return redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=None)


class Echo(Job):
    def perform(self, *args: Any) -> None:
        with server() as r:
            r.rpush("compat:python", json.dumps({"jid": self.jid, "args": args}))


class Waiting(Job):
    def perform(self) -> None:
        """Run until the test lets go."""
        with server() as r:
            r.blpop("compat:go", timeout=60)


class Failing(Job, backtrace=True):
    def perform(self, message: str) -> None:
        raise RuntimeError(message)


class Doomed(Job, retry=0):
    def perform(self) -> None:
        raise RuntimeError("doomed")
