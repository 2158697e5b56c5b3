"""At every crash point a process is killed, and the end state is the model's; see docs/reliability.md."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import crashmodel
import crashpoints
import pytest
from crashrun import Death, Result, Scenario

from conftest import Server

pytestmark = pytest.mark.system

LANES = 3
"""Runs at the same time, each on a server of its own: most of a run waits."""
EVERY = 12
"""Without ``--every-point``: one in so many."""
RECORDING = ""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "point" in metafunc.fixturenames:
        metafunc.parametrize("point", _points(metafunc.config))


def _points(config: pytest.Config) -> list[str]:
    points = crashpoints.listed()
    return points if config.getoption("--every-point", False) else crashpoints.spread(points, EVERY)


class Runs:
    """All runs, begun ahead of the tests that ask for their results."""

    def __init__(self, directory: Path, points: list[str]) -> None:
        self._directory = directory
        self._free: queue.SimpleQueue[Server] = queue.SimpleQueue()
        self._servers = []
        for lane in range(LANES):
            (directory / f"server-{lane}").mkdir()
            server = Server(directory / f"server-{lane}")
            server.start()
            self._servers.append(server)
            self._free.put(server)
        self._number = iter(range(1_000_000))
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(LANES)
        self._results: Mapping[str, Future[Result]] = {point: self._pool.submit(self._run, point) for point in points}

    def result(self, point: str) -> Result:
        return self._results[point].result()

    def _run(self, point: str) -> Result:
        with self._lock:
            directory = self._directory / str(next(self._number))
        directory.mkdir()
        server = self._free.get()
        try:
            return Scenario(directory, server.url, point).run()
        finally:
            self._free.put(server)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        for server in self._servers:
            server.kill()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Runs]:
    # Of those that were selected: one test alone shall make one run.
    asked = [getattr(item, "callspec", None) for item in request.session.items if item.path == request.path]
    points = [spec.params["point"] for spec in asked if spec is not None and "point" in spec.params]
    runs = Runs(tmp_path_factory.mktemp("crash"), [RECORDING, *points])
    yield runs
    runs.close()


def test_the_list_has_every_point_that_the_scenario_comes_to(runs: Runs) -> None:
    result = runs.result(RECORDING)

    assert not crashmodel.faults(result)
    new = sorted(result.reached.keys() - crashpoints.known())
    assert not new, "record the list anew: python tests/crash/crashpoints.py"


def test_whoever_is_killed_here_all_jobs_run_and_nothing_is_left(runs: Runs, point: str) -> None:
    result = runs.result(point)

    assert result.death is not None, "nobody came to this point"
    faults = crashmodel.faults(result)
    assert not faults, "\n".join([*faults, result.log])


# the model can fail


def test_the_model_sees_a_lost_job_a_second_run_a_leftover_and_a_wrong_count(runs: Runs) -> None:
    good = runs.result(RECORDING)
    without = [line for line in good.ledger if not line.startswith("end 2 ")]
    again = [*good.ledger, "start 6 1 9999999999", "end 6 1 9999999999"]

    assert "job 2 was lost" in crashmodel.faults(replace(good, ledger=without))
    assert any("job 6 ran again" in fault for fault in crashmodel.faults(replace(good, ledger=again)))
    assert crashmodel.faults(replace(good, keys={**good.keys, "it-1": False}))
    assert crashmodel.faults(replace(good, dead=good.dead * 2))
    assert crashmodel.faults(replace(good, left={**good.left, "in_flight": 1}))
    assert crashmodel.faults(replace(good, processed=1_000))
    assert crashmodel.faults(replace(good, stops=[11]))
    assert crashmodel.faults(replace(good, log="WARNING keeper pid=1 vm:2:3 has not been heard of: gave back 1 jobs"))


def test_a_second_run_is_explained_by_the_death_of_its_process_only_until_its_outcome_was_recorded(runs: Runs) -> None:
    good = runs.result(RECORDING)
    [end] = [line for line in good.ledger if line.startswith("end 6 ")]
    pid, at = int(end.split()[2]), float(end.split()[3])
    again = [*good.ledger, "start 6 1 9999999999", "end 6 1 9999999999"]

    def killed(when: float) -> Result:
        return replace(good, ledger=again, processed=good.processed + 1, death=Death("worker", pid, when))

    assert not crashmodel.faults(killed(at + 0.01))
    assert crashmodel.faults(killed(at + 5))
    assert Counter(good.stops) == {10: 1, 0: 1}
