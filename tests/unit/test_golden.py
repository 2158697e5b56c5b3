import pytest

from golden import VERSIONS, Version, differences, golden


@pytest.mark.parametrize("version", VERSIONS)
def test_every_recorded_version_has_every_shape(version: Version) -> None:
    shapes = {
        "record_fields",
        "info",
        "work_key",
        "work",
        "job",
        "scheduled",
        "retry_first",
        "retry_again",
        "dead",
    }

    assert set(golden(version)) == shapes


def test_a_missing_key_and_a_wrong_type_are_told_and_an_additional_key_is_not() -> None:
    shape = {"pid": "integer", "tag": "string", "retry": "boolean or integer"}

    assert differences({"pid": True, "retry": 3, "more": 1}, shape) == [
        "pid is boolean, not integer",
        "tag is missing",
    ]


def test_the_generations_differ_in_how_they_write_times() -> None:
    assert golden("7.3.10")["job"]["enqueued_at"] == "float"
    assert golden("8.1.7")["job"]["enqueued_at"] == "integer"
