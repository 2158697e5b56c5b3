"""What a keeper is told, it does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import redis

from conftest import Server, eventually
from jobsup.config.model import Capsule, Config, Profile
from jobsup.unix import link
from jobsup.unix.link import Link
from jobsup.unix.pulse import Pulse


@pytest.fixture
def ends() -> Iterator[tuple[Link, int]]:
    """Our end of a link, and the keeper's as a descriptor."""
    ours, theirs = link.pair()
    with theirs:
        parent = Link(ours, blocking=False)
        yield parent, theirs.fileno()
        parent.close()


def test_a_death_that_is_told_in_one_breath_with_the_start_is_not_forgotten(
    server: Server, r: redis.Redis, ends: tuple[Link, int]
) -> None:
    parent, theirs = ends
    pulse = Pulse.create()
    profile = Profile("main", 1, (Capsule("default", 1, (("a", 0),)),))
    config = Config((profile,), server.url)
    r.zadd("jobsup:leases", {"vm:1:x": 4_000_000_000})
    r.hset("jobsup:owner:vm:1:x", "queues", '["a"]')
    r.lpush("jobsup:inflight:vm:1:x:a", "job")
    facts = {"pool": "main", "cause": "crash", "isolated": False, "running": [], "verdict": "", "death": None}
    parent.send("start", config=config.dump(), first=False, ended=[])
    parent.send("ended", identity="vm:1:x", **facts)
    command = [sys.executable, "-P", "-m", "jobsup.assembly", "keeper", str(theirs), "1", str(pulse.fd)]
    keeper = subprocess.Popen(command, pass_fds=[theirs, pulse.fd], stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: r.lrange("queue:a", 0, -1) == [b"job"])
    finally:
        parent.close()
        assert keeper.wait(10) == 0
