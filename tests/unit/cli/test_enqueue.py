from __future__ import annotations

import json
import time
from typing import Any

import click
import pytest
import redis
from click.testing import CliRunner

from conftest import Server
from jobsup.cli.enqueue import argument, command, point, seconds
from jobsup.errors import RedisUnavailable


def enqueue(server: Server, *args: str) -> str:
    result = CliRunner().invoke(command, [*args, "--redis", server.url], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output.strip()


def test_the_job_is_pushed_and_its_jid_printed(server: Server, r: redis.Redis) -> None:
    jid = enqueue(server, "Mailer::Welcome", "42", "hello", '{"a": [1.5]}', "--queue", "mail")

    found = json.loads(r.lindex("queue:mail", 0))  # type: ignore[arg-type]
    assert (found["class"], found["args"], found["jid"]) == (
        "Mailer::Welcome",
        [42, "hello", {"a": [1.5]}],
        jid,
    )


def test_in_and_at_schedule(server: Server, r: redis.Redis) -> None:
    enqueue(server, "X", "--in", "5m")
    enqueue(server, "X", "--at", "2100-01-01T00:00:00Z")

    scores = [score for _, score in r.zrange("schedule", 0, -1, withscores=True)]
    assert scores[0] == pytest.approx(time.time() + 300, abs=30)
    assert scores[1] == 4_102_444_800


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("42", 42),
        ('"42"', "42"),
        ("true", True),
        ("null", None),
        ("[1]", [1]),
        ("a b", "a b"),
        ("NaN", "NaN"),
        ("", ""),
    ],
)
def test_an_argument_is_json_if_it_is_json_else_text(text: str, value: Any) -> None:
    assert argument(text) == value


@pytest.mark.parametrize(("text", "value"), [("90", 90), ("1.5h", 5400), ("5m", 300), ("2d", 172_800), ("0", 0)])
def test_a_duration_may_have_a_unit(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "-5", "5w", "soon", "1e9"])
def test_what_is_no_duration_is_a_usage_error(text: str) -> None:
    with pytest.raises(click.UsageError, match="such as 5m"):
        seconds(text)


@pytest.mark.parametrize("text", ["tomorrow", "2030-01-01T00:00:00", "12"])
def test_what_is_no_time_is_a_usage_error(text: str) -> None:
    with pytest.raises(click.UsageError, match="with a time zone"):
        point(text)


def test_a_redis_that_is_away_is_named_with_what_to_do() -> None:
    with pytest.raises(RedisUnavailable, match=r"REDIS_URL.*--embedded"):
        command.main(["X", "--redis", "redis://127.0.0.1:1/0"], standalone_mode=False)


def test_in_and_at_together_are_a_usage_error() -> None:
    with pytest.raises(click.UsageError, match="either --in or --at"):
        command.main(["X", "--in", "5", "--at", "1800000000"], standalone_mode=False)


@pytest.mark.parametrize("arguments", [("",), ("X", "--queue", ""), ("X", "\udcff")])
def test_what_no_payload_can_hold_is_a_usage_error(server: Server, arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(command, [*arguments, "--redis", server.url])

    assert (result.exit_code, "Traceback" in result.output) == (2, False)  # click's own; main() makes it 64
