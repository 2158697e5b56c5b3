"""Pushes jobs for one product, in its environment, as the benchmark asks: one JSON object per line.

    python -m benchmarks.peers.agent NAME

It says first what it can do: ``{"commands": [...], "bulk": bool, "one_queue": bool}``.  Then, for ``fill``, ``single``
and ``bulk`` (so many jobs, as fast as it goes, one by one, or a thousand at a time), the seconds and the CPU seconds
that it took; for ``paced`` (so many, so far apart) when each was about to be sent.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import json
import os
import sys
import time
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from benchmarks.peers.work import QUEUES

BATCH = 1_000
LARGEST = 1_000_000
"""Bytes of arguments that are pushed at once."""


class Agent:
    """Carries out orders with the functions of one module."""

    def __init__(self, peer: ModuleType) -> None:
        self._peer = peer
        self._peer_bulk = getattr(peer, "bulk", None)

    def abilities(self) -> dict[str, Any]:
        one_queue = bool(getattr(self._peer, "ONE_QUEUE", False))
        return {"commands": self._peer.commands(), "bulk": self._peer_bulk is not None, "one_queue": one_queue}

    async def obey(self, op: str, **order: Any) -> dict[str, Any]:
        cpu, begun = time.process_time(), time.perf_counter()
        answer = await getattr(self, f"_{op}")(**order) or {}
        return {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu, **answer}

    async def _fill(self, count: int, **job: Any) -> None:
        await (self._bulk if self._peer_bulk else self._single)(count, **job)

    async def _single(self, count: int, kind: str, value: Any) -> None:
        push, queues = self._peer.push, len(QUEUES)
        if inspect.iscoroutinefunction(push):
            for n in range(count):
                await push(kind, value, QUEUES[n % queues])
        else:
            for n in range(count):
                push(kind, value, QUEUES[n % queues])

    async def _bulk(self, count: int, kind: str, value: Any) -> None:
        together = max(1, min(BATCH, LARGEST // len(json.dumps(value)))) * len(QUEUES)
        for start in range(0, count, together):
            here = min(together, count - start)
            for number, queue in enumerate(QUEUES):
                await self._batch(kind, [value] * (here // len(QUEUES) + (number < here % len(QUEUES))), queue)

    async def _batch(self, kind: str, values: Sequence[Any], queue: str) -> None:
        if values:
            done = self._peer_bulk(kind, values, queue)
            if inspect.isawaitable(done):
                await done

    async def _paced(self, count: int, gap: float) -> dict[str, Any]:
        sent = []
        begun = time.monotonic()
        for n in range(count):
            # Not asyncio.sleep for all: a plain client has no loop to keep going.
            time.sleep(max(0.0, begun + n * gap - time.monotonic()))
            sent.append(time.monotonic_ns())
            done = self._peer.push("stamp", n, QUEUES[n % len(QUEUES)])
            if inspect.isawaitable(done):
                await done
        return {"sent": sent}


async def serve(agent: Agent, answers: Any, session: contextlib.AbstractAsyncContextManager[Any]) -> None:
    async with session:
        print(json.dumps(agent.abilities()), file=answers, flush=True)
        # Blocks the loop between orders: nothing else is to run in it.
        for line in sys.stdin:
            print(json.dumps(await agent.obey(**json.loads(line))), file=answers, flush=True)


def main() -> None:
    # What a product prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    peer = importlib.import_module(f"benchmarks.peers.{sys.argv[1]}")
    session = getattr(peer, "session", contextlib.nullcontext)()
    asyncio.run(serve(Agent(peer), answers, session))


if __name__ == "__main__":
    main()
