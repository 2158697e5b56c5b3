"""Which servers will do."""

from __future__ import annotations

import pytest

from conftest import Server
from jobsup.errors import RedisRefused, RedisUnavailable
from jobsup.store import connection
from jobsup.store import server as probing


@pytest.mark.parametrize(
    ("info", "said"),
    [
        ({"redis_version": "6.0.16"}, "Redis 6.0.16"),
        ({"redis_version": "5.0.0"}, "Redis 5.0.0"),
        ({"redis_version": "7.2.4", "valkey_version": "7.1.9"}, "Valkey 7.1.9"),
        ({}, "Redis 0"),
    ],
)
def test_a_server_that_is_too_old_is_told_apart_with_what_is_needed(info: dict[str, object], said: str) -> None:
    sentence = probing.too_old(info)

    assert sentence is not None
    assert sentence.startswith(said)
    assert "6.2" in sentence


@pytest.mark.parametrize(
    "info",
    [
        {"redis_version": "6.2.0"},
        {"redis_version": "8.4.1"},
        {"redis_version": "7.2.4", "valkey_version": "7.2.0"},
        {"redis_version": "7.2.4", "valkey_version": "9.0.0"},
    ],
)
def test_every_supported_server_will_do(info: dict[str, object]) -> None:
    assert probing.too_old(info) is None


def test_a_fresh_server_has_nothing_to_warn_about(server: Server) -> None:
    assert probing.probe(server.url) == []


def test_an_evicting_server_is_warned_about(own_server: Server) -> None:
    with own_server.client() as client:
        client.config_set("maxmemory-policy", "volatile-lru")

    (warning,) = probing.probe(own_server.url)
    assert "volatile-lru" in warning


def test_nobody_there_and_wrong_credentials_are_different_faults(own_server: Server) -> None:
    with own_server.client() as client:
        client.config_set("requirepass", "right")
    with pytest.raises(RedisRefused) as refused:
        probing.probe(own_server.url)
    assert refused.value.permanent
    own_server.kill()
    with pytest.raises(RedisUnavailable, match="REDIS_URL"):
        probing.probe(own_server.url)


def test_a_url_that_is_none_is_refused_with_a_sentence() -> None:
    with pytest.raises(RedisRefused, match="must be a URL like"):
        probing.probe("http://example.test/")


@pytest.mark.parametrize("url", ["redis:/:hunter2@h", ":hunter2@h", "redis://:hunter2/x@h"])
def test_what_is_said_of_a_malformed_url_holds_no_part_of_it(url: str) -> None:
    with pytest.raises(RedisRefused, match="must be a URL like") as caught:
        connection.connect(url)

    assert "hunter2" not in str(caught.value)
