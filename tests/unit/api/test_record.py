import json

import pytest

from jobsup.api.record import JobRecord

TIME = 1795462837.5


@pytest.mark.parametrize("value", [TIME, int(TIME * 1000), str(TIME)])
def test_a_time_is_seconds_whichever_generation_wrote_it(value: object) -> None:
    record = JobRecord(json.dumps({"class": "A", "args": [], "failed_at": value}).encode())

    assert record.time("failed_at") == TIME


def test_a_time_that_is_missing_is_none() -> None:
    assert JobRecord(b'{"class":"A","args":[]}').time("failed_at") is None


@pytest.mark.parametrize(
    "fields",
    [
        {"jid": 12, "class": None, "args": {"a": 1}, "queue": ["x"]},
        {"tags": "text", "enqueued_at": "yesterday", "created_at": [], "args": None},
        {"enqueued_at": True, "created_at": {}, "wrapped": 1, "display_class": []},
        {},
    ],
)
def test_fields_of_foreign_types_read_as_missing(fields: dict[str, object]) -> None:
    record = JobRecord(json.dumps(fields).encode())

    assert (record.jid, record.klass, record.queue, record.args) == ("", "", "", [])
    assert record.latency(1.8e9) >= 0.0


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"1", b"\xff\xfe", b'{"args":[NaN', b"[" * 5000])
def test_bytes_that_are_no_job_have_no_payload_and_keep_their_bytes(raw: bytes) -> None:
    record = JobRecord(raw)

    assert record.payload is None
    assert record.raw == raw
    assert record.jid == ""


def test_a_job_is_shown_by_the_name_that_people_know() -> None:
    wrapped = {"class": "Adapter", "wrapped": "Mailer"}

    assert JobRecord(json.dumps(wrapped).encode()).klass == "Mailer"
    assert JobRecord(json.dumps({**wrapped, "display_class": "Shown"}).encode()).klass == "Shown"


def test_its_representation_does_not_show_arguments() -> None:
    assert "hunter2" not in repr(JobRecord(b'{"class":"A","args":["hunter2"],"jid":"1"}'))
