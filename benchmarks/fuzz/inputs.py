"""Strategies: what a stranger, a typing error or a broken writer may hand us."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from jobsup.config.schema import CAPSULE_KEYS, KEYS, SIDEKIQ_ONLY

HOSTILE = [
    b"",
    b"[" * 300,
    b"[" * 200_000,
    b"{" * 2000,
    b'{"a":' * 1500,
    b"[]," * 3000,
    b'"' + b'\\"' * 3000,
    b"1" * 5000,
    b"-1e999999",
    b"1e-999999",
    b"NaN",
    b"-Infinity",
    b"9" * 25,
    b'"\\ud800"',
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\r\n",
    b"\x1b[2J",
]
"""Fragments that have hurt parsers."""

_ODD_TEXTS = ["", "\x00", "\x1b[2J", "é", "\ud800", "a" * 5000, "%s{}", "2026-01-01T00:00:00Z"]
_ODD_INTEGERS = [0, -1, 2**31, 2**53, 2**63, 2**64, 2**70, 10**400]
_ODD_FLOATS = [1e308, -1e308, 5e-324, float("nan"), float("inf")]

text = st.text(max_size=30) | st.sampled_from(_ODD_TEXTS)
numbers = st.integers() | st.floats() | st.sampled_from(_ODD_INTEGERS) | st.sampled_from(_ODD_FLOATS)
scalars = st.none() | st.booleans() | numbers | text
values: SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text, inner, max_size=5), max_leaves=15
)
"""Whatever JSON and Python's JSON can say."""

JOB_KEYS = [
    *("class", "args", "jid", "queue", "retry", "retry_count", "retry_for", "retry_queue", "dead", "backtrace", "tags"),
    *("created_at", "enqueued_at", "failed_at", "retried_at", "at", "wrapped", "display_class", "error_message"),
    *("error_class", "error_backtrace", "max_interruptions", "bid", "cattr", "locale"),
]


def encoded(value: Any) -> bytes:
    """As JSON, with everything that Python's writer lets through: NaN, lone surrogates, giant integers."""
    return json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")


_odd_jobs = st.dictionaries(st.sampled_from(JOB_KEYS) | text, values, max_size=8)
jobs: SearchStrategy[dict[str, Any]] = st.builds(
    lambda odd, args: {"class": "X", "args": args, "jid": "j"} | odd, _odd_jobs, st.lists(values, max_size=4)
)
"""Payloads whose every field may be anything."""


@st.composite
def damaged(draw: st.DrawFn, whole: SearchStrategy[bytes]) -> bytes:
    """A text of *whole* as it is, or with some of its bytes cut, doubled or replaced by something hostile."""
    raw = draw(whole)
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(raw)))
        end = draw(st.integers(start, min(len(raw), start + 20)))
        instead = draw(st.binary(max_size=8) | st.sampled_from(HOSTILE) | st.just(raw[start:end] * 2))
        raw = raw[:start] + instead + raw[end:]
    return raw


texts = damaged(jobs.map(encoded)) | damaged(values.map(encoded)) | st.binary(max_size=200)
"""Bytes where a job is expected."""

_keys = st.sampled_from([*KEYS, *CAPSULE_KEYS, *sorted(SIDEKIQ_ONLY), "production", ":queues", "que", "redis_url"])
_YAML = [
    ": ",
    "\n",
    "  ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "|\n ",
    ">\n",
    "&a ",
    "*a",
    "<<: *a",
    "# ",
    "---\n",
    "...",
    "? ",
]
_MORE_YAML = [
    "%YAML 9",
    "'",
    '"',
    "\t",
    "\x00",
    "a: &a [*a]\n",
    "&x [&y [*x, *y]]",
    "[" * 200,
    "{a: " * 200,
    "- " * 200,
]
_TYPES = [
    "2026-01-01",
    "!!binary x",
    "!!set {a}",
    "<<: [1]",
    "!!python/object:os.system x",
    "1e9",
    "0x10",
    "1_000",
    "~",
]
_ERB = ["<%= ENV['X'] %>", '<%= ENV.fetch("X", 3) %>', "<%= 1 + 1 %>", "<%", "%>", "<%= "]
_WORDS = ["default", "[a, 2]", "yes", "auto", "redis://:hunter2@h:1/0"]
_scraps = st.sampled_from(_YAML + _MORE_YAML + _TYPES + _ERB + _WORDS)
_lines = st.builds(
    lambda key, value: f"{key}: {value}\n",
    _keys | text,
    st.one_of(values.map(lambda value: json.dumps(value, default=str)), _scraps, text),
)
profiles = st.lists(_lines | _scraps | text, max_size=12).map("".join)
"""Configuration files, from nearly right to anything."""

_URL = [
    "redis",
    "rediss",
    "+sentinel",
    "unix",
    "http",
    "://",
    ":",
    "/",
    "@",
    "?",
    "&",
    "=",
    "#",
    "[",
    "]",
    "::1",
    "h",
    "6379",
    "-1",
]
_MORE_URL = ["99999", "hunter2", "%zz", "%40", "ssl_ca_certs", "db", "password=hunter2", "\u2100", " ", "\n", ""]
urls = st.lists(st.sampled_from(_URL + _MORE_URL) | st.text(max_size=5), max_size=10).map("".join)
"""Redis URLs, from nearly right to anything."""

requests = damaged(
    st.fixed_dictionaries({"command": st.sampled_from(["status", "stop", "reload", "why", "cancel", "x"]) | values})
    .flatmap(lambda head: st.dictionaries(st.sampled_from(["jid", "ask"]) | text, values).map(lambda rest: rest | head))
    .map(lambda request: encoded(request) + b"\n")
)
"""What somebody sends to the control socket."""

_messages = st.builds(
    lambda rest, op: encoded(rest | {"op": op}) + b"\n",
    st.dictionaries(st.just("fds") | text, values, max_size=4),
    text | values,
)
messages = st.lists(damaged(_messages), max_size=4)
"""What comes over a link, in pieces."""
