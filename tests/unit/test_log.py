"""What operators read."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import jobsup
from jobsup.log import SENTENCES, Logger, StandardError, sentence

FAILED = {"klass": "Mailer", "jid": "a1", "seconds": 0.25, "error": "ValueError: no", "queue": "mail"}


def lines(form: str = "text", level: str = "info") -> tuple[Logger, list[str]]:
    written: list[str] = []

    def write(line: bytes) -> bool:
        written.append(line.decode())
        return True

    return Logger("mail", form=form, level=level, write=write), written  # type: ignore[arg-type]


def test_a_sentence_is_made_from_facts() -> None:
    assert sentence("job.failed", FAILED) == "Mailer a1 failed after 0.250s: ValueError: no"


def test_a_line_says_when_how_serious_who_and_what() -> None:
    logger, written = lines()
    logger("job.failed", FAILED)

    (line,) = written
    assert line.endswith(f"Z WARNING mail pid={os.getpid()} Mailer a1 failed after 0.250s: ValueError: no\n")


def test_json_lines_carry_the_facts_one_by_one() -> None:
    logger, written = lines("json")
    logger("job.failed", FAILED)

    record = json.loads(written[0])
    assert (record["lvl"], record["role"], record["event"]) == ("warning", "mail", "job.failed")
    assert record["ctx"]["jid"] == "a1"


def test_what_is_below_the_level_is_not_written() -> None:
    logger, written = lines()
    logger("job.start", FAILED)

    assert written == []


@pytest.mark.parametrize("name", ["evil\n2026-11-23 INFO all is well", "evil\x1b[2J", "evil\r", "evil\x9b"])
def test_a_name_from_a_payload_cannot_write_a_line_or_steer_a_terminal(name: str) -> None:
    logger, written = lines()
    logger("job.failed", FAILED | {"klass": name})

    assert written[0].count("\n") == 1
    assert not set(written[0][:-1]) & {"\x1b", "\r", "\x9b"}


def test_a_log_reader_that_is_gone_or_does_not_read_harms_nobody() -> None:
    program = (
        "import sys, os\n"
        "from jobsup.log import Logger\n"
        "log = Logger('x')\n"
        "for _ in range(3000):\n"
        "    log('redis.warning', {'sentence': 'x' * 5000})\n"
        "os.write(1, b'alive')\n"
    )
    reader, writer = os.pipe()
    stuck = subprocess.run(
        [sys.executable, "-c", program], stderr=writer, stdout=subprocess.PIPE, timeout=30, check=True
    )
    os.close(reader)
    gone = subprocess.run(
        [sys.executable, "-c", program], stderr=writer, stdout=subprocess.PIPE, timeout=30, check=True
    )
    os.close(writer)

    assert (stuck.stdout, gone.stdout) == (b"alive", b"alive")


def test_a_process_whose_room_in_the_pipe_another_takes_after_the_look_does_not_wait() -> None:
    program = (
        "import os\n"
        "from jobsup.log import StandardError\n"
        "taker = StandardError()\n"
        "while taker.write(b'#' * 4096):\n"
        "    continue\n"
        "taker._has_room = lambda: True\n"
        "assert not taker.write(b'one more')\n"
    )
    reader, writer = os.pipe()
    try:
        subprocess.run([sys.executable, "-c", program], stderr=writer, timeout=20, check=True)
    finally:
        os.close(reader)
        os.close(writer)


def test_the_mode_of_a_shared_descriptor_is_left_alone() -> None:
    reader, writer = os.pipe()
    assert StandardError(writer).write(b"x\n")
    assert os.get_blocking(writer)
    os.close(reader)
    os.close(writer)


def test_after_lines_that_nobody_took_one_says_how_many_are_missing() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    taker = StandardError(writer)
    logger = Logger("x", write=taker.write)
    while taker.write(b"#" * 4095 + b"\n"):
        continue  # until it is full
    for n in range(3):
        logger("redis.warning", {"sentence": f"lost {n}"})
    with contextlib.suppress(BlockingIOError):
        while os.read(reader, 65_536):
            continue
    for n in range(2):
        logger("redis.warning", {"sentence": f"kept {n}"})

    told = os.read(reader, 65_536).decode().splitlines()
    assert [line.split(f"pid={os.getpid()} ")[1] for line in told] == [
        "3 lines of this process are missing above: the log had no room for them",
        "kept 0",
        "kept 1",
    ]
    os.close(reader)
    os.close(writer)


def test_a_line_that_was_taken_in_part_does_not_swallow_the_next(tmp_path: Path) -> None:
    program = (
        "import os, resource, sys\n"
        "from jobsup.log import Logger\n"
        "log = Logger('x')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))\n"
        "log('redis.warning', {'sentence': 'torn ' * 100})\n"
        "log('redis.warning', {'sentence': 'lost'})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "log('redis.warning', {'sentence': 'kept'})\n"
    )
    with (tmp_path / "log").open("ab") as log:
        subprocess.run([sys.executable, "-c", program], stderr=log, timeout=30, check=True)

    torn, lost, kept = (tmp_path / "log").read_text().splitlines()
    assert len(torn) == 100
    assert "2 lines of this process are missing above" in lost
    assert kept.endswith(" kept")


def emitted() -> dict[str, list[set[str]]]:
    """Every event that the source emits, with the names of its facts (None for ``**facts``)."""
    found: dict[str, list[set[str]]] = {}
    for path in Path(jobsup.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "emit"):
                continue
            if node.args and isinstance(node.args[0], ast.Constant):
                facts: set[Any] = {keyword.arg for keyword in node.keywords}
                found.setdefault(node.args[0].value, []).append(facts)
    return found


def test_every_event_has_a_sentence_and_every_sentence_an_event() -> None:
    of_the_log_itself = {"log.lost"}
    assert set(emitted()) | of_the_log_itself == set(SENTENCES)


def test_every_sentence_finds_its_facts() -> None:
    for name, calls in emitted().items():
        for facts in calls:
            if None not in facts:
                sentence(name, dict.fromkeys(facts, 1.0))
