from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from capsule import Worker
from conftest import Server
from jobsup.worker.executor import Running
from jobsup.worker.outcome import Outcome


@pytest.fixture
def work(server: Server) -> Iterator[Callable[..., Worker]]:
    started: list[Worker] = []

    def start(execute: Callable[..., Outcome | Running], **options: Any) -> Worker:
        worker = Worker(server.url, execute, **options)
        started.append(worker)
        worker.manager.start()
        return worker

    yield start
    for worker in started:
        worker.stop()
        assert worker.crashes == []
