"""What operators read."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import jobsup
from jobsup.log import SENTENCES, Logger, sentence

FAILED = {"klass": "Mailer", "jid": "a1", "seconds": 0.25, "error": "ValueError: no", "queue": "mail"}


def lines(form: str = "text", level: str = "info") -> tuple[Logger, list[str]]:
    written: list[str] = []
    logger = Logger("mail", form=form, level=level, write=lambda line: written.append(line.decode()))  # type: ignore[arg-type]
    return logger, written


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
    assert set(emitted()) == set(SENTENCES)


def test_every_sentence_finds_its_facts() -> None:
    for name, calls in emitted().items():
        for facts in calls:
            if None not in facts:
                sentence(name, dict.fromkeys(facts, 1.0))
