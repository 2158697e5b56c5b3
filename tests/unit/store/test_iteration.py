"""The state of iterable jobs, on a real server."""

from __future__ import annotations

import json

import pytest
import redis

from conftest import Server
from jobsup.api import iteration as api
from jobsup.client import Client
from jobsup.errors import ArgumentError, MalformedState
from jobsup.store import iteration, keys, scripts
from jobsup.store.iteration import Kept, State

ME = "host:1:aaaaaaaaaaaa"
TAKEN = b'{"class":"Import","jid":"j"}'
DAYS = 86_400


@pytest.fixture
def run(r: redis.Redis) -> scripts.Run:
    return scripts.runner(r)


def take(run: scripts.Run, r: redis.Redis, *others: bytes) -> None:
    scripts.register(run, ME, lease=15, queues='["a"]', place="", pid=1, start="1")
    r.lpush("queue:a", TAKEN, *others)
    scripts.turn(run, ME, [], [], ["a"], 10)


def keep(run: scripts.Run, state: State, jid: str = "j") -> Kept:
    return iteration.checkpoint(run, jid, state, identity=ME, queue="a", taken=TAKEN)


def test_a_place_is_kept_as_sidekiq_writes_it_and_read_again(r: redis.Redis, run: scripts.Run) -> None:
    take(run, r, b"another")

    assert keep(run, State(2, [1, "ä", None], 1.5)) is Kept.SAFE
    assert r.hgetall("it-j") == {b"ex": b"2", b"c": '[1,"ä",null]'.encode(), b"rt": b"1.5"}
    assert iteration.read(r, "j") == State(2, [1, "ä", None], 1.5)
    assert 29 * DAYS < r.ttl("it-j") <= 30 * DAYS


def test_the_first_item_has_a_cursor_too(r: redis.Redis, run: scripts.Run) -> None:
    take(run, r)
    keep(run, State(1))

    assert r.hget("it-j", "c") == b"null"
    assert iteration.read(r, "j") == State(1)


def test_the_30_days_count_from_the_first_time(r: redis.Redis, run: scripts.Run) -> None:
    take(run, r)
    keep(run, State(1, 5))
    r.expire("it-j", 1000)
    keep(run, State(1, 6))

    assert r.ttl("it-j") <= 1000
    assert r.hget("it-j", "c") == b"6"


def test_who_lost_the_job_changes_nothing(r: redis.Redis, run: scripts.Run) -> None:
    take(run, r)
    keep(run, State(1, 5))
    scripts.give_back(run, ME)

    assert keep(run, State(1, 4)) is Kept.NOT_OURS
    assert r.hget("it-j", "c") == b"5"


def test_a_job_that_was_done_elsewhere_gets_no_state_again(r: redis.Redis, run: scripts.Run) -> None:
    take(run, r)
    scripts.turn(run, ME, [iteration.completion("a", TAKEN, "j")], [], [], 0)

    assert keep(run, State(1, 4)) is Kept.NOT_OURS
    assert not r.exists("it-j")


def test_the_state_goes_in_the_step_that_settles_the_job(r: redis.Redis, run: scripts.Run) -> None:
    take(run, r)
    keep(run, State(1, 5))

    assert scripts.turn(run, ME, [iteration.completion("a", TAKEN, "j")], [], [], 0).ours == [True]
    assert not r.exists("it-j", keys.inflight(ME, "a"))


def test_the_state_stays_where_the_settlement_comes_too_late(r: redis.Redis, run: scripts.Run) -> None:
    take(run, r)
    keep(run, State(1, 5))
    scripts.give_back(run, ME)
    scripts.register(run, ME, lease=15, queues='["a"]', place="", pid=1, start="1")

    assert scripts.turn(run, ME, [iteration.completion("a", TAKEN, "j")], [], [], 0).ours == [False]
    assert r.hget("it-j", "c") == b"5"


def test_a_cancellation_is_told_whenever_the_place_is_kept(r: redis.Redis, run: scripts.Run, server: Server) -> None:
    take(run, r)
    keep(run, State(1, 5))
    asked = Client(server.url).cancel("j")

    assert keep(run, State(1, 6)) is Kept.CANCELLED
    assert iteration.read(r, "j") == State(1, 6, 0.0, asked)


def test_the_first_to_cancel_counts(r: redis.Redis, run: scripts.Run) -> None:
    assert iteration.cancel(run, "j", 1_800_000_000.7) == 1_800_000_000.0
    assert iteration.cancel(run, "j", 1_900_000_000) == 1_800_000_000.0
    assert r.hgetall("it-j") == {b"cancelled": b"1800000000", b"c": b"null"}
    assert 29 * DAYS < r.ttl("it-j") <= 30 * DAYS


def test_what_sidekiq_wrote_is_read(r: redis.Redis) -> None:
    # As its versions 7.3 and 8.1 were seen to write it.
    r.hset("it-f2c7", mapping={"ex": "1", "c": "6", "rt": "1.502971234999677"})
    r.hset("it-new", mapping={"ex": "1", "c": '"\\u00e9"', "rt": "0"})
    r.hset("it-cancelled", "cancelled", "1795463064")  # before its first run: Sidekiq leaves the cursor out

    assert iteration.read(r, "f2c7") == State(1, 6, 1.502971234999677)
    assert iteration.read(r, "new") == State(1, "é")
    assert iteration.read(r, "cancelled") == State(0, None, 0.0, 1_795_463_064.0)
    assert iteration.read(r, "unknown") is None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"ex": "-1"}, "ex is not a count"),
        ({"ex": "1_0"}, "ex is not a count"),
        ({"ex": "9" * 5000}, "ex is not a count"),
        ({"rt": "nan"}, "rt is not a number"),
        ({"rt": "1e999"}, "rt is not a number"),
        ({"c": ""}, "c is not JSON"),
        ({"c": "{"}, "c is not JSON"),
        ({"c": "NaN"}, "c is not JSON"),
        ({"c": "1],["}, "c is not JSON"),
        ({"c": b"\xff"}, "c is not JSON"),
        ({"c": "[" * 100_000}, "c is more than 100 levels deep"),
    ],
)
def test_a_malformed_state_is_named_and_the_cure_too(
    r: redis.Redis, fields: dict[str, str | bytes], reason: str
) -> None:
    r.hset("it-j", mapping=fields)  # type: ignore[arg-type]

    with pytest.raises(MalformedState, match=f"{reason}.*delete the key it-j to"):
        iteration.read(r, "j")
    assert api.find(r, "j") is None


def test_a_state_of_the_wrong_type_is_malformed(r: redis.Redis) -> None:
    r.set("it-j", "1")

    with pytest.raises(MalformedState, match="not a hash"):
        iteration.read(r, "j")


def test_a_cancellation_time_that_cannot_be_read_cancels_all_the_same(r: redis.Redis) -> None:
    r.hset("it-j", "cancelled", "yes")

    assert iteration.read(r, "j") == State(cancelled_at=0.0)


@pytest.mark.parametrize("cursor", [0, -1, 2**80, 1.5, 1e22, "", "a", None, True, [], [[1], {"a": None}], {"": 0}])
def test_every_cursor_comes_back_as_it_was(r: redis.Redis, run: scripts.Run, cursor: object) -> None:
    take(run, r)
    keep(run, State(1, cursor))
    found = iteration.read(r, "j")

    assert found is not None
    assert (found.cursor, type(found.cursor)) == (cursor, type(cursor))
    assert json.loads(r.hget("it-j", "c") or b"") == cursor


def test_a_jid_that_is_no_text_is_a_jid(r: redis.Redis, run: scripts.Run) -> None:
    take(run, r)

    assert keep(run, State(1, 5), jid="\ud800") is Kept.SAFE
    assert iteration.read(r, "\ud800") == State(1, 5)


@pytest.mark.parametrize("jid", ["", None, 5])
def test_only_a_jid_can_be_cancelled(server: Server, jid: object) -> None:
    with pytest.raises(ArgumentError, match="a job id is text"):
        Client(server.url).cancel(jid)  # type: ignore[arg-type]


def test_the_api_cancels_and_finds(r: redis.Redis) -> None:
    assert api.find(r, "j") is None
    asked = api.cancel(r, "j")

    assert api.find(r, "j") == State(cancelled_at=asked)
