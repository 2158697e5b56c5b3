import re
from pathlib import Path

import pytest

from jobsup.config import redis_url
from jobsup.errors import ArgumentError


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.delenv("REDIS_PROVIDER", raising=False)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def test_the_flag_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://env/0")

    assert redis_url.resolve("redis://flag/0") == "redis://flag/0"
    assert redis_url.resolve(None) == "redis://env/0"


def test_redis_provider_names_the_variable_that_holds_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://env/0")
    monkeypatch.setenv("REDIS_PROVIDER", "REDISTOGO_URL")
    monkeypatch.setenv("REDISTOGO_URL", "redis://togo/0")

    assert redis_url.resolve() == "redis://togo/0"


def test_without_anything_it_is_this_host() -> None:
    assert redis_url.resolve() == "redis://127.0.0.1:6379/0"


def test_the_sentence_about_a_missing_server_tells_the_cure_and_not_the_password() -> None:
    sentence = redis_url.unanswered("redis://:hunter2@db:1/0", "refused")

    assert "REDIS_URL" in sentence
    assert "--embedded" in sentence
    assert "hunter2" not in sentence


def test_the_credential_of_the_service_beats_the_environment(tmp_path: Path) -> None:
    (tmp_path / "redis_url").write_text("rediss://:hunter2@credential:1/0\n")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "REDIS_URL": "redis://env/0"}

    found = redis_url.from_environment(environ)

    assert found == ("rediss://:hunter2@credential:1/0", "$CREDENTIALS_DIRECTORY/redis_url")


def test_a_service_with_other_credentials_has_the_environments_redis(tmp_path: Path) -> None:
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "REDIS_URL": "redis://env/0"}

    assert redis_url.from_environment(environ)[0] == "redis://env/0"


def test_a_credential_that_cannot_be_read_is_said_and_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "redis_url").write_bytes(b"\xff")

    with pytest.raises(ArgumentError, match=r"^\$CREDENTIALS_DIRECTORY/redis_url cannot be read: it is not text"):
        redis_url.from_environment({"CREDENTIALS_DIRECTORY": str(tmp_path)})


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://:hunter2@h", "must be a URL like"),
        ("redis://:hunter2@", "must be a URL like"),
        ("redis://:hunter2@h:hunter2/0", "must be a URL like"),
        ("redis://h?hunter2=hunter2", "an option after '\\?' that does not exist; known: db, username"),
        ("redis://h?decode_responses=1", "does not exist"),
        ("redis://h?ssl_ca_certs=hunter2", "has ssl_ca_certs, which needs TLS: begin it with rediss://"),
        ("rediss://h?ssl_cert_reqs=hunter2", "other than required, optional or none"),
        ("redis+sentinel://:hunter2@a,b", "must be like redis\\+sentinel://host:26379,host:26379/mymaster/0"),
        ("redis+sentinel://:hunter2@a,b:hunter2/m", "must be like"),
        ("redis+sentinel://:hunter2@a,,b/m", "must be like"),
        ("redis+sentinel://:hunter2@a/m/hunter2", "must be like"),
        ("redis+sentinel://a/m?ssl_ca_certs=hunter2", "needs TLS: begin it with rediss\\+sentinel://"),
        ("redis+sentinel://a/m?hunter2=1", "does not exist; known: .*sentinel_username, sentinel_password"),
        ("redis://a/0?sentinel_password=hunter2", "needs Sentinels: begin it with redis\\+sentinel://"),
    ],
)
def test_what_is_wrong_with_a_url_is_said_without_a_value_of_it(url: str, words: str) -> None:
    wrong = redis_url.fault(url)

    assert wrong is not None
    assert re.search(words, wrong)
    assert "hunter2" not in wrong


@pytest.mark.parametrize(
    "url",
    [
        "redis://u:p@h:1/0",
        "unix:///s.sock?db=1",
        "rediss://h?ssl_ca_certs=/ca.pem&ssl_check_hostname=false",
        "redis://[::1]/",
        "redis+sentinel://a:1,b/mymaster",
        "rediss+sentinel://u:p@[::1]:1,a,[::2]/mymaster/3?ssl_ca_certs=/ca.pem&sentinel_password=x",
    ],
)
def test_nothing_is_wrong_with_a_right_url(url: str) -> None:
    assert redis_url.fault(url) is None


def test_the_same_server_is_told_apart_from_the_way_to_get_in() -> None:
    old = redis_url.server("rediss://a:b@h:1/0?ssl_ca_certs=x")

    assert old == redis_url.server("rediss://c:d@h:1/0?ssl_ca_certs=y")
    assert len({old, *map(redis_url.server, ("rediss://h:1/1", "redis://h:1/0", "rediss://h:1/0?db=2"))}) == 4


def test_a_url_names_the_sentinels_and_what_to_do_with_the_primary_they_name() -> None:
    found = redis_url.sentinels(
        "rediss+sentinel://u:p%40@a:1,[::1],c/my%20master/2?sentinel_username=v&sentinel_password=q%26&ssl_ca_certs=x"
    )

    assert found == redis_url.Sentinels(
        hosts=(("a", 1), ("::1", 26379), ("c", 26379)),
        primary="my master",
        node="rediss://u:p%40@primary/2?ssl_ca_certs=x",
        username="v",
        password="q&",
    )
    assert "p%40" not in repr(found)
    assert "q&" not in repr(found)
    assert redis_url.sentinels("redis://a/0") is None


def test_other_passwords_lead_to_the_same_primary_another_name_does_not() -> None:
    old = redis_url.server("redis+sentinel://:a@h,i/m/0?sentinel_password=b")

    assert old == redis_url.server("redis+sentinel://:c@h,i/m/0?sentinel_password=d")
    assert old != redis_url.server("redis+sentinel://:a@h,i/n/0")
    assert old != redis_url.server("redis+sentinel://:a@h,j/m/0")
