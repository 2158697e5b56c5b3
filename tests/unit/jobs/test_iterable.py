"""Jobs of many items, with a place that is kept in memory."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Server
from jobsup import IterableJob, client
from jobsup.errors import ArgumentError, Cancelled, Paused, Shutdown
from jobsup.jobs import enumerators, iterable, registry
from jobsup.jobs.registry import Registry
from jobsup.store.iteration import Kept, State


class Memory:
    """A place in memory."""

    def __init__(self, state: State | None = None) -> None:
        self.state = state or State()
        self.saved: list[State] = []
        self.answer = Kept.SAFE
        self.is_stopping = False

    def stopping(self) -> bool:
        return self.is_stopping

    def load(self) -> State:
        return self.state

    def save(self, state: State) -> Kept:
        self.saved.append(state)
        if self.answer is Kept.SAFE:
            self.state = state
        return self.answer

    @property
    def cursors(self) -> list[Any]:
        return [state.cursor for state in self.saved]


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "default", Registry())


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def always_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every item finds the place unsaved for long."""
    monkeypatch.setattr(iterable, "SAVE_EVERY", 0.0)


Said = list[Any]
"""What the job did, in order: items, and the names of hooks."""


def numbers(said: Said, do: Callable[[int], object] = lambda item: None, count: int = 4) -> None:
    """Declare a job ``Numbers`` of the items 0, 1, ..., which also does *do*."""

    class Numbers(IterableJob):
        def build_enumerator(self, *args: Any, cursor: int | None) -> Iterator[tuple[int, int]]:
            return self.sequence_enumerator(range(count), cursor=cursor)

        def each_iteration(self, item: int, *args: Any) -> None:
            said.append(item)
            do(item)

        def on_start(self) -> None:
            said.append("start")

        def on_resume(self) -> None:
            said.append("resume")

        def on_stop(self) -> None:
            said.append("stop")

        def on_cancel(self) -> None:
            said.append("cancel")

        def on_complete(self) -> None:
            said.append("complete")


def run(memory: Memory, name: str = "Numbers", **fields: Any) -> None:
    payload = {"class": name, "args": [], "jid": "j"} | fields
    registry.default.lookup(name).keeping(memory).run(payload)


# -- from the first item to the last


def test_every_item_is_done_in_order_between_the_hooks(memory: Memory) -> None:
    said: Said = []
    numbers(said)

    run(memory)

    assert said == ["start", 0, 1, 2, 3, "stop", "complete"]
    assert memory.saved == []


def test_items_and_enumerator_get_the_arguments(memory: Memory) -> None:
    seen: list[Any] = []

    class Add(IterableJob):
        def build_enumerator(self, first: int, by: int = 1, cursor: Any = None) -> list[tuple[int, int]]:
            return [(first, 0), (first + by, 1)]

        def each_iteration(self, item: int, first: int, by: int = 1) -> None:
            seen.append((self.jid, item, first, by))

    run(memory, "Add", args=[10, 5])

    assert seen == [("j", 10, 10, 5), ("j", 15, 10, 5)]


def test_no_enumerator_means_that_there_is_nothing_to_do(memory: Memory) -> None:
    class Nothing(IterableJob):
        def build_enumerator(self, cursor: Any) -> None:
            return None

        def each_iteration(self, item: Any) -> None:
            raise AssertionError

    run(memory, "Nothing")

    assert memory.saved == []


def test_each_item_is_done_inside_of_around_iteration(memory: Memory) -> None:
    said: Said = []

    class Wrapped(IterableJob):
        def build_enumerator(self, cursor: Any) -> Iterator[tuple[str, int]]:
            yield "a", 0
            yield "b", 1

        @contextlib.contextmanager
        def around_iteration(self) -> Iterator[None]:
            said.append("in")
            yield
            said.append("out")

        def each_iteration(self, item: str) -> None:
            said.append(item)

    run(memory, "Wrapped")

    assert said == ["in", "a", "out", "in", "b", "out"]


def test_it_runs_inline_without_any_state(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    said: Said = []
    numbers(said)
    monkeypatch.setattr(client, "_default", client.Client(server.url))

    registry.default.lookup("Numbers").run({"class": "Numbers", "jid": "j"})

    assert said == ["start", 0, 1, 2, 3, "stop", "complete"]
    with server.client() as r:
        assert r.keys() == []


# -- stops


def test_a_stop_ends_the_job_before_the_next_item_and_the_next_run_does_that_one(memory: Memory) -> None:
    said: Said = []

    def stop_at(item: int) -> None:
        memory.is_stopping = item == 1

    numbers(said, stop_at)

    with pytest.raises(Paused):
        run(memory)
    assert said == ["start", 0, 1, "stop"]
    assert memory.cursors == [2]

    memory.is_stopping = False
    run(memory)
    assert said[4:] == ["resume", 2, 3, "stop", "complete"]


def test_a_stop_during_the_last_item_lets_the_job_complete(memory: Memory) -> None:
    said: Said = []

    def stop_at(item: int) -> None:
        memory.is_stopping = item == 3

    numbers(said, stop_at)

    run(memory)

    assert said[-2:] == ["stop", "complete"]


def test_a_job_that_begins_while_its_process_stops_does_nothing_at_all(memory: Memory) -> None:
    said: Said = []
    numbers(said)
    memory.is_stopping = True

    with pytest.raises(Paused):
        run(memory)

    assert said == []
    assert memory.saved == []


def test_a_stop_ends_the_job_even_if_its_place_cannot_be_kept(memory: Memory) -> None:
    said: Said = []

    def stop_at(item: int) -> None:
        memory.is_stopping = item == 1

    numbers(said, stop_at)
    memory.answer = Kept.UNKNOWN

    with pytest.raises(Paused):
        run(memory)


def test_shutdown_in_the_middle_of_an_item_keeps_that_item(memory: Memory) -> None:
    def late(item: int) -> None:
        if item == 2:
            raise Shutdown

    said: Said = []
    numbers(said, late)

    with pytest.raises(Shutdown):
        run(memory)

    assert memory.cursors == [2]
    assert said == ["start", 0, 1, 2, "stop"]


# -- the place


@pytest.mark.usefixtures("always_due")
def test_what_is_kept_is_the_item_about_to_be_done(memory: Memory) -> None:
    said: Said = []
    numbers(said)
    memory.state = State(3, 1, 100.0)

    run(memory)

    assert memory.cursors == [1, 2, 3]
    assert {state.executions for state in memory.saved} == {4}
    assert 100.0 <= memory.saved[0].runtime <= memory.saved[-1].runtime < 110.0


def test_the_place_is_kept_at_most_every_five_seconds(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def pass_time(item: int) -> None:
        now[0] += 1.0

    said: Said = []
    numbers(said, pass_time, count=13)
    monkeypatch.setattr(iterable, "monotonic", lambda: now[0])

    run(memory)

    assert memory.cursors == [5, 10]
    assert [state.runtime for state in memory.saved] == [5.0, 10.0]


@pytest.mark.usefixtures("always_due")
def test_a_redis_that_is_away_ends_no_job(memory: Memory) -> None:
    said: Said = []
    numbers(said)
    memory.answer = Kept.UNKNOWN

    run(memory)

    assert said[-1] == "complete"


@pytest.mark.usefixtures("always_due")
def test_a_run_that_lost_its_job_ends_before_the_next_item(memory: Memory) -> None:
    said: Said = []

    def lose(item: int) -> None:
        memory.answer = Kept.NOT_OURS

    numbers(said, lose)

    with pytest.raises(Paused):
        run(memory)

    assert said == ["start", 0, "stop"]


def test_a_job_without_a_jid_has_no_place(memory: Memory) -> None:
    numbers([])

    for jid in (None, "", 5):
        with pytest.raises(ArgumentError, match="no jid"):
            run(memory, jid=jid)


# -- failures


def test_a_failure_keeps_the_item_and_the_retry_begins_with_it(memory: Memory) -> None:
    def fail(item: int) -> None:
        if item == 2 and not memory.saved:
            raise ValueError("no")

    said: Said = []
    numbers(said, fail)

    with pytest.raises(ValueError, match="no"):
        run(memory)
    run(memory)

    assert said == ["start", 0, 1, 2, "stop", "resume", 2, 3, "stop", "complete"]


def test_a_failure_of_the_enumerator_keeps_the_item_before_it(memory: Memory) -> None:
    class Broken(IterableJob):
        def build_enumerator(self, cursor: Any) -> Iterator[tuple[int, int]]:
            yield 0, 0
            yield 1, 1
            raise OSError("gone")

        def each_iteration(self, item: int) -> None: ...

    with pytest.raises(OSError, match="gone"):
        run(memory, "Broken")

    assert memory.cursors == [1]


def test_a_job_whose_start_failed_starts_again(memory: Memory) -> None:
    class Start(IterableJob):
        def build_enumerator(self, cursor: Any) -> list[tuple[int, int]]:
            return []

        def each_iteration(self, item: int) -> None: ...

        def on_start(self) -> None:
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run(memory, "Start")

    assert memory.saved == []


@pytest.mark.parametrize("hook", ["on_stop", "on_complete"])
def test_a_failure_at_the_end_repeats_no_more_than_the_last_item(memory: Memory, hook: str) -> None:
    done: list[int] = []

    class End(IterableJob):
        def build_enumerator(self, cursor: Any) -> Iterator[tuple[int, int]]:
            return self.sequence_enumerator(range(3), cursor=cursor)

        def each_iteration(self, item: int) -> None:
            done.append(item)

    def fail(self: End) -> None:
        raise ValueError("no")

    setattr(End, hook, fail)
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            run(memory, "End")

    assert done == [0, 1, 2, 2]


def test_a_generator_is_closed_before_the_run_ends(memory: Memory) -> None:
    said: Said = []

    class Opening(IterableJob):
        def build_enumerator(self, cursor: Any) -> Iterator[tuple[int, int]]:
            try:
                yield 0, 0
                yield 1, 1
            finally:
                said.append("closed")

        def each_iteration(self, item: int) -> None:
            raise ValueError("no")

    try:
        run(memory, "Opening")
    except ValueError:  # whose traceback still holds every frame
        assert said == ["closed"]


@pytest.mark.parametrize(("pair", "kind"), [(5, "int"), ((1, 2, 3), "tuple"), ("x", "str")])
def test_an_enumerator_that_gives_no_pairs_is_told_so(memory: Memory, pair: Any, kind: str) -> None:
    class NoPairs(IterableJob):
        def build_enumerator(self, cursor: Any) -> list[Any]:
            return [pair]

        def each_iteration(self, item: Any) -> None: ...

    with pytest.raises(ArgumentError, match=f"build_enumerator of NoPairs must give pairs .* not a {kind}"):
        run(memory, "NoPairs")


@pytest.mark.parametrize("cursor", [(1, 2), {1: 2}, float("nan"), object(), "\ud800"])
def test_a_cursor_that_json_cannot_hold_is_refused_before_its_item(memory: Memory, cursor: Any) -> None:
    said: Said = []

    class Odd(IterableJob):
        def build_enumerator(self, cursor: Any) -> list[Any]:
            return [("first", 0), ("odd", odd)]

        def each_iteration(self, item: Any) -> None:
            said.append(item)

    odd = cursor
    with pytest.raises(ArgumentError, match="the cursor"):
        run(memory, "Odd")

    assert said == ["first"]
    assert memory.cursors == [0]


# -- cancellation


@pytest.mark.usefixtures("always_due")
def test_a_cancelled_job_ends_before_its_next_item(memory: Memory) -> None:
    said: Said = []

    def cancel(item: int) -> None:
        memory.answer = Kept.CANCELLED

    numbers(said, cancel)

    with pytest.raises(Cancelled):
        run(memory)

    assert said == ["start", 0, "stop", "cancel"]


def test_a_job_that_was_cancelled_before_it_began_does_no_item(memory: Memory) -> None:
    said: Said = []
    numbers(said)
    memory.state = State(cancelled_at=1.0)

    with pytest.raises(Cancelled):
        run(memory)

    assert said == ["start", "stop", "cancel"]


def test_a_job_that_is_cancelled_in_the_middle_of_an_item_is_told_so_too(memory: Memory) -> None:
    def end(item: int) -> None:
        raise Cancelled

    said: Said = []
    numbers(said, end)

    with pytest.raises(Cancelled):
        run(memory)

    assert said == ["start", 0, "stop", "cancel"]
    assert memory.saved == []


# -- declaring


def test_it_is_enqueued_with_what_its_enumerator_takes_but_the_cursor(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_default", client.Client(server.url))

    class Import(IterableJob, queue="heavy"):
        def build_enumerator(self, path: str, cursor: Any) -> None: ...
        def each_iteration(self, row: Any, path: str) -> None: ...

    assert Import.perform_async("users.csv")
    assert Import.cancel("j") > 0
    with pytest.raises(ArgumentError, match="missing a required argument: 'path'"):
        Import.perform_async()
    with pytest.raises(ArgumentError, match="too many positional"):
        Import.perform_async("users.csv", None)


def declare(**methods: Any) -> None:
    complete = {"build_enumerator": lambda self, cursor: None, "each_iteration": lambda self, item: None}
    type("Wrong", (IterableJob,), complete | methods)


async def _coroutine(self: Any, cursor: Any) -> None: ...
async def _generator(self: Any, cursor: Any) -> Any:
    yield


def _yields(self: Any, item: Any) -> Any:
    yield


@pytest.mark.parametrize(
    ("methods", "reason"),
    [
        ({"perform": lambda self: None}, "defines perform"),
        ({"build_enumerator": None}, "has no method build_enumerator"),
        ({"each_iteration": None}, "has no method each_iteration"),
        ({"build_enumerator": lambda self: None}, "must take cursor"),
        ({"build_enumerator": lambda self, cursor, path: None}, "must take cursor"),
        ({"build_enumerator": lambda self, cursor, *paths: None}, "must take cursor"),
        ({"build_enumerator": lambda self, cursor, /: None}, "must take cursor"),
        ({"build_enumerator": _coroutine}, "is async"),
        ({"build_enumerator": _generator}, "is async"),
        ({"each_iteration": _coroutine}, "is async"),
        ({"each_iteration": _yields}, "is a generator"),
    ],
)
def test_what_could_not_run_is_refused_where_it_is_declared(methods: dict[str, Any], reason: str) -> None:
    with pytest.raises(ArgumentError, match=reason):
        declare(**methods)


def test_the_cursor_may_be_taken_by_keyword_only() -> None:
    declare(build_enumerator=lambda self, *args, cursor: None)

    assert registry.default.names() == ["Wrong"]


# -- enumerators


def test_a_sequence_begins_at_its_cursor() -> None:
    assert list(enumerators.sequence("abc", cursor=None)) == [("a", 0), ("b", 1), ("c", 2)]
    assert list(enumerators.sequence("abc", cursor=2)) == [("c", 2)]
    assert list(enumerators.sequence("abc", cursor=7)) == []


@pytest.mark.parametrize("cursor", [-1, "1", True, 1.0, [0]])
def test_a_cursor_of_another_enumerator_is_refused(cursor: Any) -> None:
    with pytest.raises(ArgumentError, match="is no index"):
        list(enumerators.sequence("abc", cursor=cursor))


class Table:
    """Rows of even ids, and which pages were asked for."""

    def __init__(self, *ids: int) -> None:
        self.ids = ids
        self.asked: list[Any] = []

    def fetch(self, after: int | None, limit: int) -> list[dict[str, int]]:
        self.asked.append(after)
        return [{"id": i} for i in self.ids if after is None or i > after][:limit]


def by_id(row: dict[str, int]) -> int:
    return row["id"]


def test_rows_are_read_in_pages_and_each_begins_behind_the_key_of_the_row_before() -> None:
    table = Table(2, 4, 6)

    pairs = list(enumerators.rows(table.fetch, key=by_id, cursor=None, size=2))

    assert pairs == [({"id": 2}, None), ({"id": 4}, 2), ({"id": 6}, 4)]
    assert table.asked == [None, 4, 6]


def test_every_cursor_of_rows_begins_with_its_own_row() -> None:
    table = Table(2, 4, 6)

    for row, cursor in enumerators.rows(table.fetch, key=by_id, cursor=None, size=2):
        again, _ = next(enumerators.rows(table.fetch, key=by_id, cursor=cursor))
        assert again == row


def test_rows_may_go_between_two_runs() -> None:
    pairs = list(enumerators.rows(Table(2, 6).fetch, key=by_id, cursor=4))

    assert pairs == [({"id": 6}, 4)]


def test_batches_are_whole_pages() -> None:
    pairs = list(enumerators.batches(Table(2, 4, 6).fetch, key=by_id, cursor=None, size=2))

    assert pairs == [([{"id": 2}, {"id": 4}], None), ([{"id": 6}], 4)]


def test_a_table_that_does_not_advance_does_not_loop() -> None:
    with pytest.raises(ArgumentError, match="behind the key 2"):
        list(enumerators.batches(lambda after, limit: [{"id": 2}], key=by_id, cursor=None))


@pytest.fixture
def people(tmp_path: Path) -> str:
    path = tmp_path / "people.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([["name", "city"], ["Ada", "London"], ["Kurt", "Brünn\nor Brno"], ["Emmy", ""]])
    return str(path)


def test_csv_rows_are_dicts_and_found_again_by_number(people: str) -> None:
    pairs = list(enumerators.csv_rows(people, cursor=None))

    assert pairs[1] == ({"name": "Kurt", "city": "Brünn\nor Brno"}, 1)
    assert list(enumerators.csv_rows(people, cursor=1)) == pairs[1:]


def test_csv_batches_are_lists_of_rows(people: str) -> None:
    pairs = list(enumerators.csv_batches(people, cursor=None, size=2))

    assert [(len(batch), index) for batch, index in pairs] == [(2, 0), (1, 2)]
    assert list(enumerators.csv_batches(people, cursor=2, size=2)) == pairs[1:]
