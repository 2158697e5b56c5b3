"""What a Redis URL may ask for beyond a place."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobsup.errors import RedisRefused
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
