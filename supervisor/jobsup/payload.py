"""The wire format: one job is one JSON object, byte for byte what Sidekiq would write.

The bytes matter because Sidekiq finds the members of its sets by their text, and its API writes a parsed job
again to find it: a text that Ruby would have written differently stays, and the job exists twice.

Source of fields, order, number formats and limits: what Sidekiq 6.4, 7.3 and 8.1 were seen to write and read.
"""

import json
import math
import re
import secrets
import sys
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import accumulate
from json.encoder import encode_basestring
from typing import Any

import orjson

from jobsup.config.model import Profile
from jobsup.errors import ArgumentError, MalformedPayload

MAX_DEPTH = 100
"""Levels of lists and objects that Ruby's JSON reads, the job's own object included."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is read of one payload, at most: beyond that its text is not parsed at all.

    Redis holds texts of up to 512 MB, of which a parser makes up to thirty times as much memory.

    Attributes:
        bytes: of the text.
        depth: levels of lists and objects, the job's own object included.
        elements: values and keys, as far as commas and brackets tell.
    """

    bytes: int = 16 * 1024 * 1024
    depth: int = MAX_DEPTH
    elements: int = 1_000_000


LIMITS = Limits()
WIDEST = Limits(sys.maxsize, 250, sys.maxsize)
"""For a job that was read before, under the limits of its profile.  No profile can have more depth."""


def limits_of(profiles: Iterable[Profile]) -> Limits:
    """What the most generous of *profiles* reads."""
    chosen = tuple(profiles)
    return Limits(
        max(profile.max_payload_bytes for profile in chosen),
        max(profile.max_payload_depth for profile in chosen),
        max(profile.max_payload_elements for profile in chosen),
    )


_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""A string in a JSON text.  The end is optional, and nothing is tried twice: linear for any text."""
_STEPS = bytes.maketrans(b"[{]}", b"\1\1\xff\xff")
"""As signed bytes: one level down for a bracket that opens, one up for one that closes."""
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
_DIGITS = bytes(ord("0" if chr(code) in "0123456789" else " ") for code in range(256))
_WIDE_INTEGER = b"0" * 19
"""Found in the digits of every text with an integer that orjson would read as a float (and of some others)."""
_NUMBERS = bytes(
    ord("0" if chr(code) in "0123456789.-" else "," if chr(code) in "[:," else "e" if code == ord("e") else " ")
    for code in range(256)
)
_EXPONENT = re.compile(rb",0+e")
_LONG = b"0" * 16
_WIDEST = 2**63
_INTEGER_BITS = 14_000
"""Python converts integers of up to 4300 digits from and to text: 14,284 bits."""
_MILLISECONDS_FROM = 1e11
"""As seconds the year 5138, as milliseconds 1973: what is larger is milliseconds."""


def dumps(obj: dict[str, Any]) -> bytes:
    """*obj* as Ruby writes it: compact, keys in their order, non-ASCII as it is.

    *obj* was read by ``loads`` or passed ``check_args``: orjson would write a datetime or NaN as something
    else.

    Raises:
        ArgumentError: it cannot be written (a foreign type, a lone surrogate).
    """
    try:
        raw = orjson.dumps(obj)
    except TypeError:  # an integer beyond 64 bits, or nothing JSON can hold: the slow way tells
        return _write(obj)
    return _write(obj) if _odd(raw) else raw


def _odd(raw: bytes) -> bool:
    """Whether *raw* may hold a number that orjson and Ruby write differently.

    Every job passes here.  Looking for bytes in a text without its details takes half as long as one pattern for
    the text itself.
    """
    numbers = raw.translate(_NUMBERS)
    return _LONG in numbers or b"0.0000" in raw or _EXPONENT.search(numbers) is not None


def loads(raw: bytes, limits: Limits = LIMITS) -> dict[str, Any]:
    """The job in *raw*, with every key it has; ``jid`` and ``args`` may be missing, ``args`` may be None.

    Raises:
        MalformedPayload: *raw* is not a job, or beyond *limits*.
    """
    _refuse_excess(raw, limits)
    try:
        job = _read(raw)
    except (ValueError, RecursionError, ArgumentError) as error:
        raise MalformedPayload(f"not JSON: {error}", raw) from None
    if not isinstance(job, dict):
        raise MalformedPayload("not a JSON object", raw)
    if not isinstance(job.get("class"), str) or not job["class"]:
        raise MalformedPayload('"class" is not the name of a job', raw)
    if not isinstance(job.get("args"), list | None):
        raise MalformedPayload('"args" is not an array', raw)
    return job


def _refuse_excess(raw: bytes, limits: Limits) -> None:
    """Judge the text before any parser sees it.  Counting is cheap, and most texts need no more than one count."""
    if len(raw) > limits.bytes:
        raise MalformedPayload(f"larger than {limits.bytes} bytes (max_payload_bytes)", raw)
    brackets = raw.count(b"[") + raw.count(b"{")
    many = len(raw) > limits.elements and brackets + raw.count(b",") > limits.elements
    if brackets <= limits.depth and not many:
        return
    bare = _STRING.sub(b"", raw)
    if many and bare.count(b",") + bare.count(b"[") + bare.count(b"{") > limits.elements:
        raise MalformedPayload(f"more than {limits.elements} elements (max_payload_elements)", raw)
    if max(accumulate(array("b", bare.translate(_STEPS, _NO_BRACKET))), default=0) > limits.depth:
        raise MalformedPayload(f"more than {limits.depth} levels deep (max_payload_depth)", raw)


def dumps_value(value: object) -> bytes:
    """Any value that passed ``check_args``, as ``dumps`` writes it inside a job."""
    return dumps({"": value})[len(b'{"":') : -1]


def loads_value(raw: bytes) -> Any:
    """Any value.

    Raises:
        MalformedPayload: *raw* is not JSON, or beyond what is read of one payload.
    """
    _refuse_excess(raw, LIMITS)
    try:
        return _read(raw)
    except (ValueError, RecursionError, ArgumentError) as error:
        raise MalformedPayload(f"not JSON: {error}", raw) from None


def build(item: dict[str, Any], *, now: float, wire: int) -> dict[str, Any]:
    """A new job from *item* (at least ``class`` and ``args``), its keys in Sidekiq's order.

    First ``retry`` and ``queue``, then what *item* has in its own order, then ``jid`` and ``created_at``.
    Who pushes it to a queue appends ``enqueued_at``.
    """
    job = {"retry": True, "queue": "default"} | item
    job.setdefault("jid", new_jid())
    job.setdefault("created_at", stamp(now, wire))
    return job


def new_jid() -> str:
    """24 hexadecimal digits."""
    return secrets.token_hex(12)


def new_jids(count: int) -> list[str]:
    """*count* of them, with one call of the system."""
    digits = secrets.token_hex(12 * count)
    return [digits[at : at + 24] for at in range(0, 24 * count, 24)]


def stamp(now: float, wire: int) -> int | float:
    """Unix seconds *now* as a job's timestamps are written: milliseconds since 8, float seconds before."""
    return int(now * 1000) if wire >= 8 else float(now)


def read_stamp(value: object) -> float:
    """Unix seconds from a timestamp as any client wrote it; 0.0 when it cannot be told.

    Sidekiq 8 writes integer milliseconds and older ones float seconds; other clients write integer seconds,
    numbers in strings, or ISO 8601.
    """
    try:
        match value:
            case bool():
                return 0.0
            case int() | float():
                seconds = float(value)
            case str():
                seconds = _read_text_stamp(value)
            case _:
                return 0.0
    except (ValueError, OverflowError):
        return 0.0
    if not math.isfinite(seconds):
        return 0.0
    return seconds / 1000 if seconds >= _MILLISECONDS_FROM else seconds


def enqueued(job: Mapping[str, Any]) -> float:
    """Unix seconds at which *job* came into its queue; 0.0 when it does not say."""
    return read_stamp(job.get("enqueued_at")) or read_stamp(job.get("created_at"))


def check_args(args: object, where: str = "args") -> None:
    """Refuse everything that would come back from JSON as something else; *where* names *args* in messages.

    Exactly None, bool, int, float, str, list and dict with str keys; no subclasses, no NaN or infinity, no
    lone surrogates, no more levels than Ruby reads.

    Raises:
        ArgumentError: naming the path of the first offender.
    """
    if not is_plain(args, depth=2):
        _check(args, where, depth=2)


def is_plain(value: Any, depth: int = 1) -> bool:
    """Whether *value*, a payload or a part of one, holds nothing that ``check_args`` could refuse.

    Quick, and False for much that is right as well: only the check, which can name the place, may judge that.
    """
    kind = type(value)
    if kind is str:
        return bool(value.isascii())
    if kind is int:
        return bool(-_WIDEST < value < _WIDEST)
    if kind is list:
        children = value
    elif kind is dict:
        if not all(type(key) is str and key.isascii() for key in value):
            return False
        children = value.values()
    else:
        return value is None or kind is bool or (kind is float and math.isfinite(value))
    if depth > MAX_DEPTH:
        return False
    # Lazily, so that it ends at the first that is not: what holds itself twice would else be followed down every way.
    return all(is_plain(inner, depth + 1) for inner in children)


def _check(value: object, where: str, depth: int) -> None:
    kind = type(value)
    if kind is str:
        _check_text(value, where)  # type: ignore[arg-type]
    elif kind is float:
        if not math.isfinite(value):  # type: ignore[arg-type]
            raise ArgumentError(f"{where} is {value}, which JSON does not have; pass null or a string")
    elif kind is list or kind is dict:
        if depth > MAX_DEPTH:
            raise ArgumentError(f"{where[:200]} is nested too deep; a job holds at most {MAX_DEPTH} levels")
        for name, inner in _children(value, where):
            _check(inner, where + name, depth + 1)
    elif kind is int:
        if value.bit_length() > _INTEGER_BITS:  # type: ignore[attr-defined]
            raise ArgumentError(f"{where} has more digits than Python reads back; pass a string")
    elif value is not None and kind is not bool:
        raise ArgumentError(
            f"{where} is a {_named(kind)}; pass only None, bool, int, float, str, list and dict{_cure(kind)}"
        )


def _children(value: object, where: str) -> Iterable[tuple[str, object]]:
    if type(value) is list:
        for index, inner in enumerate(value):
            yield f"[{index}]", inner
    elif type(value) is dict:
        for key, inner in value.items():
            if type(key) is not str:
                raise ArgumentError(f"{where} has the key {key!r}, a {_named(type(key))}; keys must be str")
            _check_text(key, f"a key of {where}")
            yield f"[{json.dumps(key, ensure_ascii=False)}]", inner


def _check_text(text: str, where: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ArgumentError(f"{where} holds a lone surrogate at character {error.start}; it is no text") from None


def _named(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _cure(kind: type) -> str:
    cures = {
        "tuple": "a list",
        "datetime.datetime": "its isoformat() or timestamp()",
        "datetime.date": "its isoformat()",
        "decimal.Decimal": "its str()",
        "uuid.UUID": "its str()",
        "set": "a sorted list",
        "bytes": "base64 text",
    }
    cure = cures.get(_named(kind))
    return f", here {cure}" if cure else ""


def _read(raw: bytes) -> object:
    if _WIDE_INTEGER not in raw.translate(_DIGITS):
        return orjson.loads(raw)
    # orjson reads integers beyond 64 bits as floats; json keeps them, but also takes what is not JSON.  What
    # cannot be written again (a lone surrogate, a float out of range) is refused as orjson would.
    value = json.loads(raw.decode(), parse_constant=_refuse_constant)
    _write(value)
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _write(value: object) -> bytes:
    text = "".join(_fragments(value))
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ArgumentError("a string holds a lone surrogate; it is no text") from None


def _fragments(value: object) -> Iterable[str]:
    match value:
        case None:
            yield "null"
        case bool():
            yield "true" if value else "false"
        case str():
            yield encode_basestring(value)
        case int():
            yield str(value)
        case float():
            yield _ruby_float(value)
        case list():
            yield "["
            for index, inner in enumerate(value):
                yield "," if index else ""
                yield from _fragments(inner)
            yield "]"
        case dict():
            yield "{"
            for index, (key, inner) in enumerate(value.items()):
                yield f"{',' if index else ''}{encode_basestring(key)}:"
                yield from _fragments(inner)
            yield "}"
        case _:
            raise ArgumentError(f"a {_named(type(value))} cannot be written as JSON")


def _ruby_float(value: float) -> str:
    """As Ruby's JSON was seen to write it: with an exponent below 0.0001 and from 10**15."""
    if not math.isfinite(value):
        raise ArgumentError(f"{value} cannot be written as JSON")
    if value == 0 or 1e-4 <= abs(value) < 1e15:
        return repr(value)
    negative, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    first, *rest = map(str, digits)
    power = len(rest) + int(exponent)
    return f"{'-' if negative else ''}{first}.{''.join(rest) or '0'}e{power:+03d}"


def _read_text_stamp(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
