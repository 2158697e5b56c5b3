"""What is fed, and what must hold of whatever comes in.

A target raises when its promise is broken; errors of ours that say that an input is wrong are what it is to do.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from benchmarks.fuzz import inputs
from jobsup import log, payload
from jobsup.api.processes import Process, Work
from jobsup.api.record import JobRecord
from jobsup.api.sets import requeued
from jobsup.config import redis_url
from jobsup.config.flags import Flags
from jobsup.config.model import masked
from jobsup.config.resolve import resolve
from jobsup.errors import ArgumentError, MalformedPayload, MalformedState
from jobsup.jobs.retry_policy import after_failure
from jobsup.parent.control import Control
from jobsup.store import crashes, deaths, iteration
from jobsup.store.reading import ProcessReply, WorkReply
from jobsup.store.stats import number
from jobsup.unix import ctlsock, link

SECRET = "hunter2"


@dataclass(frozen=True, slots=True)
class Target:
    """One reader: what it is fed with, and the check that raises."""

    feed: SearchStrategy[Any]
    check: Callable[[Any], None]


def configuration(source: str) -> None:
    """Every file is read, or refused in sentences that show no password."""
    with open(_PROFILE, "w", encoding="utf-8", errors="surrogatepass") as file:
        file.write(source)
    found = resolve(Flags(config=("profile.yml",)), {"X": "4"}, _DIRECTORY)
    assert found.config is not None or any(problem.level == "error" for problem in found.problems)
    for problem in found.problems:
        sentence = log.printable(str(problem))
        assert 0 < len(sentence) < 2000, sentence
        assert "Traceback" not in sentence
    if found.config is not None:
        json.dumps(found.config.dump())
        assert SECRET not in repr(found.config)


def url(text: str) -> None:
    """A URL is right, or wrong in words without its password; shown, it is masked."""
    wrong = redis_url.fault(text)
    assert SECRET not in (wrong or "")
    masked(text)
    if wrong is None:
        redis_url.server(text)
        shown = redis_url.unanswered(text, "refused")
        # User, host and path are shown on purpose.
        assert not re.search(f":{SECRET}@|={SECRET}", shown)


def read_payload(raw: bytes) -> None:
    """Bytes are a job that can be written again, or no job; and never deeper than agreed."""
    try:
        job = payload.loads(raw)
    except MalformedPayload as error:
        assert error.raw == raw
        return
    assert len(raw) <= payload.LIMITS.bytes
    assert payload.loads(payload.dumps(job)).keys() == job.keys()
    for key in ("created_at", "enqueued_at", "failed_at", "at"):
        assert payload.read_stamp(job.get(key)) < float("inf")


def push(args: Any) -> None:
    """Arguments come back as they went in, or are refused."""
    try:
        payload.check_args(args)
    except ArgumentError as error:
        assert "\n" not in log.printable(str(error))
        return
    assert repr(payload.loads(payload.dumps({"class": "X", "args": [args]}))["args"]) == repr([args])


class _Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def failure(given: tuple[bytes, str, int]) -> None:
    """Whatever a payload says of retries and earlier errors, its failure is judged, and what is kept is a job."""
    raw, words, wire = given
    error: Exception = _Mute() if words == "\x00" else ValueError(words)
    try:
        payload.loads(raw)
    except MalformedPayload:
        return
    decision = after_failure(raw, queue="q", error=error, options=None, max_retries=25, wire=wire, now=1.8e9)
    payload.loads(decision.payload, payload.WIDEST)
    assert -1e18 < getattr(decision, "when", 0.0) < 1e18


def records(given: tuple[bytes, bytes, list[bytes | None]]) -> None:
    """People can look at whatever lies in Redis."""
    raw, other, fields = given
    client = cast(Any, None)
    for record in (JobRecord(raw), Work(client, WorkReply("h:1:n", "t", other))):
        repr(record)
        assert isinstance(record.jid + record.klass + record.queue, str)
        assert isinstance(record.args, list)
        assert record.latency(1.8e9) >= 0
        if record.payload is not None:
            queue, moved = requeued(record.payload, 1.8e9)
            assert queue
            payload.loads(moved, payload.WIDEST)
    process = Process(client, ProcessReply("h:1:n", raw, *fields))
    repr(process)
    assert isinstance(process.hostname, str)
    assert isinstance(process.queues + process.labels, list)
    number(raw)
    crashes._read(other)
    deaths._read(other)


def iteration_state(fields: list[bytes | None]) -> None:
    """What says where an iterable job stands can be read and written again, or is refused in one sentence."""
    try:
        state = iteration._state("j", *fields)
    except MalformedState as error:
        assert len(log.printable(str(error))) < 2000
        return
    assert 0 <= state.runtime < float("inf")
    assert state.executions >= 0
    payload.dumps_value(state.cursor)


def control(request: bytes) -> None:
    """One line is answered with one line, anything else with silence; nobody is waited for."""
    ours, theirs = socket.socketpair()
    with ours:
        connection = ctlsock.Connection(theirs, lambda asked: Control._answer(_CONTROL, asked))
        ours.setblocking(False)
        for start in range(0, len(request), 4096):
            with contextlib.suppress(BlockingIOError):
                ours.send(request[start : start + 4096])
            if connection.readable():
                break
        with contextlib.suppress(OSError):
            answer = ours.recv(65_536)
            assert answer.endswith(b"\n")
            assert isinstance(json.loads(answer)["ok"], bool)
        connection.close()


def conversation(chunks: list[bytes]) -> None:
    """A link gives messages, or says that the other side does not speak its language."""
    ours, theirs = link.pair()
    reader = link.Link(theirs, blocking=False)
    ours.setblocking(False)
    try:
        for chunk in chunks:
            for start in range(0, len(chunk), 65_536):
                with contextlib.suppress(BlockingIOError):
                    ours.send(chunk[start : start + 65_536])
                for message, fds in reader.receive():
                    assert isinstance(message["op"], str)
                    assert fds == []
    except ValueError:
        pass
    finally:
        reader.close()
        ours.close()


class _Supervisor:
    """Says yes to everything."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return {"status": dict, "why": lambda jid, ask: None}.get(name, lambda *_: None)


_HOME = tempfile.TemporaryDirectory(prefix="jobsup-fuzz-")
_DIRECTORY = _HOME.name
_PROFILE = os.path.join(_DIRECTORY, "profile.yml")
_CONTROL = cast(Any, SimpleNamespace(_supervisor=_Supervisor(), _commands={"stop": lambda: None}))
_state = st.tuples(
    *(st.none() | st.sampled_from([b"0", b"1.5", b"1e308", b"1e999", b"-1", b"nan"]) | inputs.texts for _ in range(4))
).map(list)
_fields = st.lists(st.none() | st.binary(max_size=20) | inputs.values.map(inputs.encoded), min_size=6, max_size=6)

TARGETS = {
    "configuration": Target(inputs.profiles, configuration),
    "url": Target(inputs.urls, url),
    "payload": Target(inputs.texts, read_payload),
    "push": Target(inputs.values, push),
    "failure": Target(st.tuples(inputs.texts, inputs.text, st.sampled_from([6, 7, 8])), failure),
    "records": Target(st.tuples(inputs.texts, inputs.texts, _fields), records),
    "iteration": Target(_state, iteration_state),
    "control": Target(inputs.requests, control),
    "link": Target(inputs.messages, conversation),
}
