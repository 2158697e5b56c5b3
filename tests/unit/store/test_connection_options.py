"""What a Redis URL may ask for beyond a place."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from conftest import Server
from jobsup.errors import RedisRefused
from jobsup.store import scripts
from jobsup.store.connection import connect


def test_a_certificate_that_is_not_there_is_named_before_anything_connects(tmp_path: Path) -> None:
    with pytest.raises(RedisRefused, match=f"ssl_ca_certs of the Redis URL names {tmp_path}/ca.pem, which cannot") as e:
        connect(f"rediss://:hunter2@h/0?ssl_ca_certs={tmp_path}/ca.pem")

    assert e.value.permanent
    assert "hunter2" not in str(e.value)


def test_a_value_that_an_option_cannot_have_is_refused_without_being_shown() -> None:
    with pytest.raises(RedisRefused, match="has an option after '\\?' with a value that it cannot have") as caught:
        connect("redis://h/0?socket_timeout=hunter2")

    assert "hunter2" not in str(caught.value)


def test_certificates_and_names_are_checked_unless_the_url_says_otherwise() -> None:
    checked = connect("rediss://h/0").connection_pool.connection_kwargs
    loose = connect("rediss://h/0?ssl_check_hostname=false").connection_pool.connection_kwargs

    assert checked["ssl_check_hostname"] is True
    assert checked.get("ssl_cert_reqs", "required") == "required"
    assert loose["ssl_check_hostname"] is False


def test_sentinels_are_asked_with_tls_and_a_password_of_their_own() -> None:
    client = connect("rediss+sentinel://u:p@a,b:1/mymaster/2?ssl_check_hostname=false&sentinel_password=q")
    pool = client.connection_pool
    asked = [sentinel.connection_pool.connection_kwargs for sentinel in pool.sentinel_manager.sentinels]

    node = pool.connection_kwargs
    assert (node["username"], node["password"], node["db"]) == ("u", "p", 2)
    assert issubclass(pool.connection_class, redis.SSLConnection)
    assert [(one["host"], one["port"]) for one in asked] == [("a", 26379), ("b", 1)]
    for one in asked:
        assert one["password"] == "q"
        assert one["username"] is None
        assert one["db"] == 0
    for one in (node, *asked):
        assert one["ssl_check_hostname"] is False
        assert one["socket_timeout"] is not None


def test_a_connection_to_a_demoted_server_is_not_used_again(own_server: Server) -> None:
    client = connect(own_server.url)
    run = scripts.runner(client)
    scripts.leave(run, "none", wire=8, queues=[])
    with own_server.client() as other:
        other.replicaof("127.0.0.1", 1)
        before = other.info("stats")["total_connections_received"]

        for _ in range(2):
            with pytest.raises(RedisRefused, match="it is a read-only replica"):
                scripts.leave(run, "none", wire=8, queues=[])

        # The first time on the old connection, which nobody but us has closed; then on a new one.
        assert other.info("stats")["total_connections_received"] == before + 1
