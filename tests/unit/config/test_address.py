"""Where the probes are answered."""

from pathlib import Path

import pytest

from jobsup.config import address
from jobsup.config.flags import Flags
from jobsup.config.resolve import resolve


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("127.0.0.1:7433", ("127.0.0.1", 7433)),
        ("0.0.0.0:1", ("0.0.0.0", 1)),
        ("[::]:65535", ("::", 65535)),
        ("[0:0::1]:80", ("::1", 80)),
    ],
)
def test_an_address_is_an_ip_and_a_port(text: str, read: tuple[str, int]) -> None:
    assert address.parse(text) == read


@pytest.mark.parametrize(
    "text", ["", "7433", ":7433", "localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536",
             "1.2.3.4:٣", "::1:80", "[::1]", "[127.0.0.1]:80", "http://127.0.0.1:80", "127.0.0.1:" + "9" * 5000],
)  # fmt: skip
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  callers write the sentence
        address.parse(text)


def test_the_flag_is_stronger_than_the_file_and_files_must_agree(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("require: app\nhealth: 127.0.0.1:1\n")
    (tmp_path / "b.yml").write_text("require: app\nhealth: 127.0.0.1:2\n")

    both = resolve(Flags(config=("a.yml", "b.yml")), {}, str(tmp_path))
    flagged = resolve(Flags(config=("a.yml", "b.yml"), health="[::]:3"), {}, str(tmp_path))
    wrong = resolve(Flags(config=("a.yml",), health="here"), {}, str(tmp_path))

    assert [str(p) for p in both.problems] == [
        "b.yml:2: health is 127.0.0.1:2, but 127.0.0.1:1 in a.yml:2; one supervisor has one address"
    ]
    assert flagged.config is not None
    assert flagged.config.health == "[::]:3"
    assert [str(p) for p in wrong.problems] == [
        "flag --health: health must be an IP address and a port (127.0.0.1:7433, [::]:7433), is 'here'"
    ]
