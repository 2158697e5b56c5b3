import pytest

from jobsup.config import redis_url


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    monkeypatch.delenv("REDIS_PROVIDER", raising=False)


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
