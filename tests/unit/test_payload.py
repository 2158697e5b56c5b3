from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections import OrderedDict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import required
from jobsup.config.model import Capsule, Profile
from jobsup.errors import ArgumentError, MalformedPayload
from jobsup.payload import LIMITS, Limits, build, check_args, dumps, limits_of, loads, new_jid, read_stamp, stamp

GOLDEN = [json.loads(path.read_text()) for path in sorted(Path(__file__).parents[1].glob("golden/payloads-*.json"))]
RAWS = [
    (entry["raw"] if isinstance(entry, dict) else entry).encode()
    for version in GOLDEN
    for name, entry in version.items()
    if name != "source"
]

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
floats = st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | floats | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("raw", RAWS)
def test_what_sidekiq_wrote_is_written_again_byte_for_byte(raw: bytes) -> None:
    assert dumps(loads(raw)) == raw


@given(st.lists(values, max_size=5))
def test_what_passes_the_check_comes_back_exactly(args: list[Any]) -> None:
    check_args(args)

    back = loads(dumps({"class": "X", "args": args}))["args"]

    assert repr(back) == repr(args)  # repr tells 1 from 1.0 and True


@given(st.lists(floats, min_size=1, max_size=20))
def test_a_float_written_as_ruby_writes_it_reads_the_same(numbers: list[float]) -> None:
    assert json.loads(dumps({"n": numbers}))["n"] == numbers


@pytest.mark.ruby
@settings(max_examples=1)
@given(st.lists(floats, min_size=400, max_size=400))
def test_ruby_writes_the_same_floats(numbers: list[float]) -> None:
    required(shutil.which("ruby") is not None, "ruby")
    ours = dumps({"n": [*numbers, 1e15, 999999999999999.0, 9.9e-5, 1e-4, 5e-324, -1e20, 0.0, -0.0]})

    ruby = subprocess.run(
        ["ruby", "-rjson", "-e", "print JSON.generate(JSON.parse(STDIN.read))"],
        input=ours, capture_output=True, check=True,
    )  # fmt: skip

    assert ruby.stdout == ours


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (1e15, "1.0e+15"),
        (999999999999999.0, "999999999999999.0"),
        (1234567890123456.0, "1.234567890123456e+15"),
        (0.0001, "0.0001"),
        (0.000099, "9.9e-05"),
        (-1e-7, "-1.0e-07"),
        (5e-324, "5.0e-324"),
        (-0.0, "-0.0"),
        (2**70, str(2**70)),
    ],
)
def test_a_number_is_written_as_ruby_writes_it(number: float, written: str) -> None:
    assert dumps({"n": number}) == f'{{"n":{written}}}'.encode()


def test_integers_beyond_64_bits_stay_exact() -> None:
    assert loads(b'{"class":"X","args":[1180591620717411303424]}')["args"] == [2**70]


def test_text_is_written_raw_and_control_characters_escaped() -> None:
    assert dumps({"t": 'é/\x1f\n"\x7f'}) == '{"t":"é/\\u001f\\n\\"\x7f"}'.encode()


@pytest.mark.parametrize("beside", [1, 1e20])
def test_a_lone_surrogate_is_never_written(beside: float) -> None:
    with pytest.raises(ArgumentError, match="surrogate"):
        dumps({"t": "\ud800", "n": beside})


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"this is {no JSON", "not JSON"),
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'[{"class":"X"}]', "not a JSON object"),
        (b'"X"', "not a JSON object"),
        (b'{"args":[]}', '"class"'),
        (b'{"class":"","args":[]}', '"class"'),
        (b'{"class":7,"args":[]}', '"class"'),
        (b'{"class":"X","args":{"a":1}}', '"args"'),
        (b'{"class":"X","args":"a"}', '"args"'),
        (b'{"class":"X","args":[NaN]}', "not JSON"),
        (b'{"class":"X","args":[-Infinity]}', "not JSON"),
        (b'{"class":"X","args":[NaN,11111111111111111111]}', "NaN is not JSON"),
        (b'{"class":"X","args":[1e999,11111111111111111111]}', "not JSON"),
        (b'{"class":"X","args":["\\ud800"]}', "not JSON"),
        (b'{"class":"X","args":["\\ud800",11111111111111111111]}', "not JSON"),
        (b'{"class":"X","args":' + b"[" * 100 + b"]" * 100 + b"}", "levels deep"),
        (b"[" * 100_000, "levels deep"),
        (b"]" * 200 + b"[" * 50, "not JSON"),
        (b'{"class":"X","args":[' + b'{"a":' * 99 + b"1" + b"}" * 99 + b"]}", "levels deep"),
        (b'{"class":"X","args":[' + b"1" * 5000 + b"]}", "not JSON"),
    ],
)  # fmt: skip
def test_what_is_no_job_is_reported_with_the_bytes_that_were_found(raw: bytes, reason: str) -> None:
    with pytest.raises(MalformedPayload, match=reason) as caught:
        loads(raw)

    assert caught.value.raw == raw


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda t: t.encode("utf-8", "replace")))
def test_reading_garbage_raises_nothing_else(raw: bytes) -> None:
    with contextlib.suppress(MalformedPayload):
        loads(raw)


def test_a_hundred_levels_are_read_and_many_shallow_ones_too() -> None:
    deep = b'{"class":"X","args":' + b"[" * 99 + b"]" * 99 + b"}"
    wide = dumps({"class": "X", "args": [[]] * 500})

    assert loads(deep)["class"] == loads(wide)["class"] == "X"


def test_the_most_generous_profile_decides_and_the_defaults_are_those_of_every_reader() -> None:
    capsules = (Capsule("default", 1, (("default", 0),)),)
    plain, wide = Profile("a", 1, capsules), Profile("b", 1, capsules, max_payload_depth=250, max_payload_bytes=2048)

    assert limits_of((plain,)) == LIMITS
    assert limits_of((plain, wide)) == Limits(depth=250)


def test_brackets_in_strings_are_no_levels_and_commas_there_no_elements() -> None:
    text = '["' * 60 + "," * 200
    raw = dumps({"class": "X", "args": [text, "\\", text]})

    assert loads(raw, Limits(elements=100))["args"] == [text, "\\", text]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"class":"X","args":[""]}' + b" " * 1000, "larger than 1024 bytes"),
        (b'{"class":"X","args":[[[1]]]}', "more than 3 levels deep"),
        (b'{"class":"X","args":[' + b"0," * 100 + b"0]}", "more than 100 elements"),
        (b'{"class":"X","args":[' + b"[]," * 99 + b"0]}", "more than 100 elements"),
        (b'{"class":"X","args":["' + b'\\"' * 200 + b'",' + b"0," * 100 + b"0]}", "more than 100 elements"),
    ],
)
def test_what_is_beyond_the_limits_is_not_read(raw: bytes, reason: str) -> None:
    with pytest.raises(MalformedPayload, match=reason):
        loads(raw, Limits(1024, 3, 100))


@pytest.mark.parametrize(
    "raw",
    [b"[" * 2**23, b"[" * 2**22 + b"]" * 2**22, b'"' + b'\\"' * 2**22, b"]" * 2**22 + b"[" * 2**22, b"[]," * 2**21],
    ids=["open", "nested", "escaped quotes without an end", "closed before opened", "many"],
)
@pytest.mark.parametrize("start", [b"", b"1" * 20])
def test_megabytes_of_brackets_are_refused_without_recursion_and_without_delay(raw: bytes, start: bytes) -> None:
    begun = time.process_time()
    with pytest.raises(MalformedPayload):
        loads(start + raw)

    assert time.process_time() - begun < 5


@pytest.mark.parametrize("raw", [b'{"class":"X"}', b'{"class":"X","args":null,"bid":"b"}'])
def test_missing_arguments_and_jid_are_tolerated_and_unknown_keys_kept(raw: bytes) -> None:
    assert dumps(loads(raw)) == raw


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ([1, {"when": datetime(2030, 1, 1, tzinfo=UTC)}], r'args\[1\]\["when"\] is a datetime\.datetime; .*isoformat'),
        ([(1, 2)], r"args\[0\] is a tuple; .*a list"),
        ([Decimal("1.5")], r"args\[0\] is a decimal\.Decimal; .*its str"),
        ([{"a": [OrderedDict()]}], r'args\[0\]\["a"\]\[0\] is a collections\.OrderedDict'),
        ([float("nan")], r"args\[0\] is nan"),
        ([[float("-inf")]], r"args\[0\]\[0\] is -inf"),
        ([{1: 2}], r"args\[0\] has the key 1, a int; keys must be str"),
        (["\ud800"], r"args\[0\] holds a lone surrogate at character 0"),
        ([{"\ud800": 1}], r"a key of args\[0\] holds a lone surrogate"),
        ([1 << 14_000], r"args\[0\] has more digits"),
        ([b"x"], r"args\[0\] is a bytes; .*base64"),
    ],
)  # fmt: skip
def test_an_argument_that_json_would_change_is_refused_by_its_path(args: list[Any], sentence: str) -> None:
    with pytest.raises(ArgumentError, match=sentence):
        check_args(args)


def test_arguments_may_be_as_deep_as_ruby_reads_and_no_deeper() -> None:
    args: list[Any] = []
    for _ in range(98):
        args = [args]
    check_args(args)
    assert loads(dumps({"class": "X", "args": args}))

    with pytest.raises(ArgumentError, match="too deep"):
        check_args([args])


def test_arguments_that_hold_themselves_are_refused() -> None:
    args: list[Any] = []
    args.append(args)

    with pytest.raises(ArgumentError, match="too deep"):
        check_args(args)
    args.append(args)
    with pytest.raises(ArgumentError, match="too deep"):
        check_args(args)


def test_timestamps_are_milliseconds_since_8_and_float_seconds_before() -> None:
    assert (stamp(1.5, 8), stamp(1.5, 7), stamp(1, 6)) == (1500, 1.5, 1.0)
    assert isinstance(stamp(1, 6), float)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (1795462983166, 1795462983.166),
        (1795462983.166, 1795462983.166),
        (1795462983, 1795462983.0),
        (1795462983166.0, 1795462983.166),
        ("1795462983.166", 1795462983.166),
        ("1795462983166", 1795462983.166),
        ("2026-11-23T19:43:03Z", 1795462983.0),
        ("2026-11-23T19:43:03", 1795462983.0),
        *((nothing, 0.0) for nothing in (None, "", "soon", True, [], {}, "nan", "inf", 10**400)),
    ],
)
def test_a_timestamp_is_read_as_whoever_wrote_it_meant_it(written: object, seconds: float) -> None:
    assert read_stamp(written) == pytest.approx(seconds, abs=1e-6)


def test_a_new_job_has_sidekiqs_keys_in_sidekiqs_order() -> None:
    job = build({"class": "X", "args": [], "queue": "q"}, now=1.5, wire=8)

    assert list(job) == ["retry", "queue", "class", "args", "jid", "created_at"]
    assert (job["retry"], job["queue"], job["created_at"]) == (True, "q", 1500)


def test_a_jid_is_24_hexadecimal_digits() -> None:
    assert len(new_jid()) == 24
    assert int(new_jid(), 16) >= 0
    assert new_jid() != new_jid()
