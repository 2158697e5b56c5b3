"""The whole keyspace of a server, and whether it is what the model says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import redis
from store_model import Model

from jobsup.store import keys

DUMP = """
local found = {}
for _, key in ipairs(redis.call("KEYS", "*")) do
  local kind, value = redis.call("TYPE", key).ok, nil
  if kind == "list" then value = redis.call("LRANGE", key, 0, -1)
  elseif kind == "zset" then value = redis.call("ZRANGE", key, 0, -1, "WITHSCORES")
  elseif kind == "set" then value = redis.call("SMEMBERS", key)
  elseif kind == "hash" then value = redis.call("HGETALL", key)
  else value = redis.call("GET", key) end
  found[#found + 1] = { key, redis.call("TTL", key), value }
end
return found
"""


def read(client: redis.Redis) -> dict[str, tuple[int, Any]]:
    """Every key with its TTL and its value, in one step."""
    return {key.decode(): (ttl, value) for key, ttl, value in client.eval(DUMP, 0)}


def compare(seen: dict[str, tuple[int, Any]], model: Model) -> None:
    sets = {name: members for name, members in model.sets.items() if members}
    expected: dict[str, Any] = {name: held for name, held in model.lists.items() if held}
    expected |= {keys.queue(queue): b"oops" for queue in model.broken}
    expected |= {keys.work(identity, 8): work for identity, work in model.work.items() if work}
    expected |= {f"it-{job}": state for job, state in model.iterations.items() if state}
    expected |= {name: str(count).encode() for name, count in model.counts.items() if count}
    found = dict(seen)
    assert _members(found.pop(keys.LEASES, None)) == sorted(model.leases)
    assert _members(found.pop(keys.SWEPT, None)) == sorted(model.swept)
    assert {keys.owner(identity) for identity in model.owners} == set(_pop(found, "jobsup:owner:"))
    assert sorted(name.decode() for name in found.pop(keys.PROCESSES, (0, []))[1]) == sorted(model.processes)
    assert {name.decode() for name in found.pop(keys.QUEUES, (0, []))[1]} == model.queues
    for name in (keys.SCHEDULE, keys.RETRY, keys.DEAD):
        assert _pairs(found.pop(name, (0, []))[1], float) == sets.get(name, {})
    days = {keys.day(name, "2026-11-23"): name for name in (keys.PROCESSED, keys.FAILED)}
    assert {days[day]: found.pop(day)[1] for day in days.keys() & found.keys()} == {
        name: expected[name] for name in days.values() if name in expected
    }
    for identity in model.records:
        del found[identity]
    values = {key: value for key, (_, value) in found.items()}
    for key in values:
        if key.endswith(":work") or key.startswith("it-"):
            values[key] = _pairs(values[key], bytes)
    assert values == expected


def _pop(found: dict[str, Any], prefix: str) -> Iterator[str]:
    for key in [key for key in found if key.startswith(prefix)]:
        del found[key]
        yield key


def _pairs(flat: list[bytes], kind: Any) -> dict[bytes, Any]:
    return {name: kind(value) for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _members(found: tuple[int, list[bytes]] | None) -> list[str]:
    return sorted(name.decode() for name in found[1][::2]) if found else []
