"""The result of a run, for people and as JSON."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import redis

from benchmarks.chaos.processes import EXPECTED
from benchmarks.chaos.verdict import Fault, Verdict, percentiles

LISTED = 20


def counted(faults: Sequence[Fault]) -> dict[str, int]:
    return dict(sorted(Counter(fault.kind for fault in faults).items()))


def reloaded(lines: Iterable[str]) -> list[Fault]:
    """Whom reloads asked to leave, from the parents' log: nobody saw all of them when the reload was asked for.

    The workers that were ready when it began, which it may have done later than it was asked for; those that became
    ready in an old generation since, in place of crashed ones; and those of a new generation that was rolled back.
    """
    faults = []
    reloads: dict[str, tuple[int, float]] = {}
    ready: dict[str, dict[int, int]] = {}
    for line in lines:
        parent = line.split("pid=", 1)[-1].split(" ", 1)[0]
        at = datetime.fromisoformat(line.split(" ", 1)[0]).timestamp()
        workers = ready.setdefault(parent, {})
        generation, since = reloads.get(parent, (0, 0.0))
        if found := re.search(r"Reloading: generation (\d+)", line):
            reloads[parent] = int(found[1]), at
            faults.append(Fault("reload", at, at, frozenset(workers)))
        elif found := re.search(r"is ready \(pid (\d+), generation (\d+)\)", line):
            workers[int(found[1])] = int(found[2])
            if int(found[2]) < generation:
                faults.append(Fault("reload", since, since, frozenset({int(found[1])})))
        elif "Reload refused" in line:
            new = frozenset(pid for pid, number in workers.items() if number == generation)
            faults.append(Fault("reload", at, at, new))
    return faults


def exits(codes: Mapping[int, int]) -> dict[str, int]:
    return {EXPECTED.get(code, f"UNEXPECTED exit code {code}"): count for code, count in codes.items()}


def judged(verdict: Verdict) -> dict[str, Any]:
    return {
        "lost": {"count": len(verdict.lost), "first": verdict.lost[:LISTED]},
        "ran_again": {
            "explained": dict(verdict.reruns),
            "unexplained": len(verdict.unexplained),
            "first": [
                {"job": number, "pid": run.pid, "start": run.start, "end": run.end, "again": again}
                for number, run, again in verdict.unexplained[:LISTED]
            ],
        },
        "items": {
            "lost": len(verdict.lost_items),
            "done_again": verdict.items_again,
            "unexplained": len(verdict.unexplained_items),
            "first": [
                {"job": number, "index": first.index, "pids": [first.pid, again.pid], "at": [first.at, again.at]}
                for number, first, again in verdict.unexplained_items[:LISTED]
            ],
        },
        "recovery_seconds": {kind: percentiles(values) for kind, values in sorted(verdict.latencies.items())},
        "recovery_seconds_alone": {kind: percentiles(values) for kind, values in sorted(verdict.alone.items())},
    }


def settled(client: redis.Redis) -> bool:
    """Whether the server holds no job: waiting, scheduled, in retry or in flight."""
    left = leftovers(client)
    return not any(left[name] for name in ("queued", "scheduled", "retrying", "in_flight"))


def leftovers(client: redis.Redis) -> dict[str, int]:
    """What lies on the server.  Identities that were swept are remembered for ten minutes, on purpose."""
    swept: set[Any] = set(client.zrange("jobsup:swept", 0, -1))
    owners = {key.removeprefix(b"jobsup:owner:") for key in client.scan_iter("jobsup:owner:*", 1000)}
    return {
        "queued": sum(int(client.llen(key)) for key in client.scan_iter("queue:*", 1000)),
        "scheduled": int(client.zcard("schedule")),
        "retrying": int(client.zcard("retry")),
        "dead": int(client.zcard("dead")),
        "in_flight": sum(int(client.llen(key)) for key in client.scan_iter("jobsup:inflight:*", 1000)),
        "leases": int(client.zcard("jobsup:leases")),
        "owners": len(owners - swept),
        "process_records": int(client.scard("processes")),
        "work_hashes": sum(1 for _ in client.scan_iter("*:work", 1000)),
        "iteration_states": sum(1 for _ in client.scan_iter("it-*", 1000)),
    }


def failures(result: Mapping[str, Any]) -> list[str]:
    """Why the run failed; empty when it proved what it should."""
    found = []
    if result["lost"]["count"]:
        found.append(f"{result['lost']['count']} lost")
    if result["ran_again"]["unexplained"]:
        found.append(f"{result['ran_again']['unexplained']} unexplained second runs")
    if result["items"]["lost"]:
        found.append(f"{result['items']['lost']} items lost")
    if result["items"]["unexplained"]:
        found.append(f"{result['items']['unexplained']} items done again without a reason")
    if result["given_back"]["behind"]:
        found.append(f"{len(result['given_back']['behind'])} given back behind what never ran")
    if not result["given_back"]["jobs"]:
        found.append("the last stop but one gave nothing back")
    if result["quiet_after"] is None:
        found.append("it did not become quiet")
    for name, left in result["leftovers"].items():
        if name == "descriptors":
            if left["at_end"] > left["at_start"]:
                found.append(f"descriptors grew from {left['at_start']} to {left['at_end']}")
        elif left:
            found.append(f"{left} {name} left")
    found += [said for said in result["supervisor"]["exits"] if said.startswith("UNEXPECTED")]
    if not result["supervisor"]["last"].startswith("stopped"):
        found.append(f"the last stop: {result['supervisor']['last']}")
    return found


def text(result: Mapping[str, Any]) -> str:
    pushed = result["pushed"]
    again = result["ran_again"]
    lines = [
        f"jobs         {sum(pushed.values()) - pushed['unacknowledged']} acknowledged, {result['ended']} ended",
        f"             {pushed}",
        f"faults       {sum(result['faults'].values())}   {result['faults']}",
        f"supervisor   {result['supervisor']}",
        f"lost         {result['lost']['count']} {result['lost']['first'] or ''}",
        f"ran again    {sum(again['explained'].values())} explained {again['explained']}, {again['unexplained']} not",
        *(f"             {one}" for one in again["first"]),
        f"items        {result['items']}",
        f"given back   {result['given_back']}",
        f"quiet after  {result['quiet_after']} s",
        "recovery     seconds from the fault to the next start of each job it hit; after an outage, to the next start",
        *(
            f"             {kind:20} n={of['n']:<6} p50 {of['p50']:8.3f}  p99 {of['p99']:8.3f}  max {of['max']:8.3f}"
            for kind, of in result["recovery_seconds"].items()
        ),
        "             the same, of faults near which nothing else was done",
        *(
            f"             {kind:20} n={of['n']:<6} p50 {of['p50']:8.3f}  p99 {of['p99']:8.3f}  max {of['max']:8.3f}"
            for kind, of in result["recovery_seconds_alone"].items()
        ),
        f"leftovers    {result['leftovers']}",
    ]
    return "\n".join(lines)
