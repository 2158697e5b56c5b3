"""Enqueueing after the commit, with the real SQLAlchemy and the real Django on SQLite."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import django
import pytest
import redis
from django.conf import settings
from django.db import connection, transaction
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from conftest import Server
from jobsup import client as client_module
from jobsup.client import Client
from jobsup.contrib import django as jobsup_django
from jobsup.contrib import sqlalchemy as jobsup_sqlalchemy
from jobsup.errors import ArgumentError, RedisUnavailable
from jobsup.middleware.chain import Chain

if not settings.configured:
    settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
    django.setup()


@pytest.fixture(autouse=True)
def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> Client:
    client = Client(server.url, middleware=Chain())
    monkeypatch.setattr(client_module, "_default", client)
    return client


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    engine = create_engine(f"sqlite:///{tmp_path}/db")
    with Session(engine) as session:
        session.execute(text("create table orders (id integer)"))
        session.commit()
        yield session
    engine.dispose()


def insert(session: Session) -> None:
    session.execute(text("insert into orders values (1)"))


def push(number: object) -> str | None:
    return client_module.default().push({"class": "X", "args": [number]})


def pushed(r: redis.Redis) -> list[object]:
    return [json.loads(raw)["args"][0] for raw in reversed(r.lrange("queue:default", 0, -1))]


class TestSQLAlchemy:
    def test_a_job_is_enqueued_by_the_commit_under_the_jid_that_was_known_before(
        self, session: Session, r: redis.Redis
    ) -> None:
        insert(session)
        with jobsup_sqlalchemy.after_commit(session):
            jid = push(1)

        assert jid
        assert pushed(r) == []
        session.commit()
        assert json.loads(r.lindex("queue:default", 0))["jid"] == jid
        session.commit()
        assert pushed(r) == [1]

    @pytest.mark.parametrize("end", ["rollback", "close"])
    def test_a_transaction_that_is_not_committed_enqueues_nothing(
        self, session: Session, r: redis.Redis, end: str
    ) -> None:
        insert(session)
        with jobsup_sqlalchemy.after_commit(session):
            push(1)

        getattr(session, end)()

        insert(session)
        session.commit()
        assert pushed(r) == []

    def test_outside_a_transaction_it_is_enqueued_at_once(self, session: Session, r: redis.Redis) -> None:
        with jobsup_sqlalchemy.after_commit(session):
            push(1)

        assert pushed(r) == [1]

    def test_a_savepoint_that_is_rolled_back_takes_its_jobs_with_it(self, session: Session, r: redis.Redis) -> None:
        with jobsup_sqlalchemy.after_commit(session):
            insert(session)
            push("before")
            savepoint = session.begin_nested()
            push("rolled back")
            with session.begin_nested():
                push("inside what is rolled back")
            savepoint.rollback()
            with session.begin_nested():
                push("released")
            push("after")

        assert pushed(r) == []
        session.commit()
        assert pushed(r) == ["before", "released", "after"]

    def test_a_rollback_of_everything_takes_the_released_savepoints_too(self, session: Session, r: redis.Redis) -> None:
        insert(session)
        with jobsup_sqlalchemy.after_commit(session), session.begin_nested():
            push(1)

        session.rollback()

        assert pushed(r) == []

    def test_a_scoped_session_will_do(self, session: Session, r: redis.Redis) -> None:
        registry = scoped_session(sessionmaker(session.get_bind()))
        registry.execute(text("insert into orders values (1)"))
        with jobsup_sqlalchemy.after_commit(registry):
            push(1)
        assert pushed(r) == []
        registry.commit()

        assert pushed(r) == [1]
        registry.remove()

    def test_a_push_that_fails_after_the_commit_is_raised_and_the_session_stays_usable(
        self, session: Session, r: redis.Redis
    ) -> None:
        insert(session)
        nowhere = Client("redis://127.0.0.1:1/0", middleware=Chain())
        with jobsup_sqlalchemy.after_commit(session):
            nowhere.push({"class": "X", "args": ["lost"]})
            push("kept")

        with pytest.raises(RedisUnavailable):
            session.commit()

        assert pushed(r) == ["kept"]
        assert session.scalar(text("select count(*) from orders")) == 1

    def test_with_reliable_push_the_commit_succeeds_while_redis_is_away(
        self, session: Session, own_server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        patient = Client(own_server.url, middleware=Chain(), reliable_push=True)
        monkeypatch.setattr(client_module, "_default", patient)
        own_server.kill()
        insert(session)
        with jobsup_sqlalchemy.after_commit(session):
            push(1)
        session.commit()
        assert patient.waiting == 1

        own_server.start()
        patient.flush()

        with own_server.client() as r:
            assert pushed(r) == [1]


class TestDjango:
    def test_a_job_is_enqueued_by_the_commit_under_the_jid_that_was_known_before(self, r: redis.Redis) -> None:
        with transaction.atomic():
            with jobsup_django.after_commit():
                jid = push(1)
            assert jid
            assert pushed(r) == []

        assert json.loads(r.lindex("queue:default", 0))["jid"] == jid

    def test_a_transaction_that_is_rolled_back_enqueues_nothing(self, r: redis.Redis) -> None:
        @jobsup_django.after_commit()
        def order() -> None:
            push(1)
            transaction.set_rollback(True)

        with transaction.atomic():
            order()

        assert pushed(r) == []

    def test_outside_a_transaction_it_is_enqueued_at_once(self, r: redis.Redis) -> None:
        assert connection.get_autocommit()
        with jobsup_django.after_commit():
            push(1)

        assert pushed(r) == [1]

    def test_a_savepoint_that_is_rolled_back_takes_its_jobs_with_it(self, r: redis.Redis) -> None:
        with transaction.atomic(), jobsup_django.after_commit():
            push("before")
            with transaction.atomic():
                push("rolled back")
                transaction.set_rollback(True)
            push("after")

        assert pushed(r) == ["before", "after"]


def test_a_job_that_cannot_be_stored_is_refused_where_it_is_enqueued_not_at_the_commit(session: Session) -> None:
    insert(session)
    with jobsup_sqlalchemy.after_commit(session), pytest.raises(ArgumentError, match=r"args\[0\] is a set"):
        push({1})


def test_a_bulk_waits_as_well(session: Session, r: redis.Redis) -> None:
    insert(session)
    with jobsup_sqlalchemy.after_commit(session):
        jids = client_module.default().push_bulk({"class": "X", "args": [[1], [2], [3]]}, batch_size=2)
    assert len(set(jids)) == 3
    assert pushed(r) == []
    session.commit()

    assert pushed(r) == [1, 2, 3]
