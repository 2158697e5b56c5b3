"""What a process says of itself in Redis: Sidekiq's process record, and the owner of in-flight lists.

Shapes as observed of Sidekiq 6.4.1, 7.3.10 and 8.1.7; readers of all three are content with what is written here:
``concurrency`` stands in ``info`` (up to 8.1.1) and in a field of its own (since), ``queues`` and ``weights`` beside
``capsules``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from jobsup import __version__
from jobsup.config.model import Capsule, Profile
from jobsup.store import keys, scripts
from jobsup.store.connection import Client, errors_translated
from jobsup.store.scripts import Run
from jobsup.store.stats import replies, text


def info(profile: Profile, *, identity: str, hostname: str, pid: int, started_at: float, generation: int = 1) -> bytes:
    """The record's ``info``: JSON, the same for the life of the process.  *started_at* in Unix seconds.

    What Sidekiq does not know stands under one name of ours; it passes over it.
    """
    return orjson.dumps(
        {
            "hostname": hostname,
            "started_at": started_at,
            "pid": pid,
            "tag": profile.tag,
            "concurrency": profile.concurrency,
            "capsules": {capsule.name: _capsule(capsule) for capsule in profile.capsules},
            "queues": list(profile.queues),
            "weights": [dict(capsule.queues) for capsule in profile.capsules],
            "labels": list(profile.labels),
            "identity": identity,
            "version": __version__,
            "embedded": False,
            "jobsup": {"pool": profile.name, "version": profile.version, "generation": generation},
        }
    )


def _capsule(capsule: Capsule) -> dict[str, Any]:
    return {
        "concurrency": capsule.concurrency,
        "mode": capsule.mode,
        "weights": dict(capsule.queues),
    }


def record(
    info: bytes, *, concurrency: int, busy: int, beat: float, rtt_us: int, quiet: bool, rss: int
) -> dict[str, Any]:
    """The fields of the process record.  *beat* in Unix seconds, *rss* in kilobytes."""
    return {
        "info": info,
        "concurrency": concurrency,
        "busy": busy,
        "beat": repr(beat),
        "rtt_us": rtt_us,
        "quiet": "true" if quiet else "false",
        "rss": rss,
    }


def work_entry(queue: str, raw: bytes, run_at: float) -> bytes:
    """What one thread does, for the work hash.  *run_at* in Unix seconds; readers want an integer."""
    payload = raw.decode("utf-8", "replace")
    return orjson.dumps({"queue": queue, "payload": payload, "run_at": int(run_at)})


_VERSIONS = 100


def note_version(client: Client, version: str, now: float) -> None:
    """Remember that *version* of the application was started *now*, Unix seconds; the hundred newest are kept.

    Raises:
        RedisUnavailable, RedisRefused: as ``errors_translated``.
    """
    with errors_translated():
        pipe = client.pipeline(transaction=False)
        pipe.zadd(keys.VERSIONS, {version: now})
        pipe.zremrangebyrank(keys.VERSIONS, 0, -_VERSIONS - 1)
        pipe.execute()


def versions(client: Client) -> dict[str, float]:
    """The versions that were started, newest last, and when each was last."""
    pipe = client.pipeline(transaction=False)
    pipe.zrange(keys.VERSIONS, 0, -1, withscores=True)
    (found,) = replies(pipe)
    return {text(version): when for version, when in found or ()}


def register(run: Run, identity: str, *, lease: int, queues: Sequence[str], place: str, pid: int, start: str) -> None:
    """Let *identity* own in-flight lists of *queues*; see ``lua/register.lua``."""
    names = orjson.dumps(list(queues)).decode()
    scripts.register(run, identity, lease=lease, queues=names, place=place, pid=pid, start=start)
