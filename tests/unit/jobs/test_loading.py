from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobsup.errors import ArgumentError
from jobsup.jobs.loading import load


@pytest.fixture(autouse=True)
def _imports() -> Iterator[None]:
    path, modules = sys.path[:], set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_without_require_the_jobs_of_the_directory_are_imported_if_there_are_any(tmp_path: Path) -> None:
    load((), str(tmp_path))
    write(tmp_path / "jobs.py", "loaded = True")

    load(("",), str(tmp_path))

    assert sys.modules["jobs"].loaded
    assert sys.path[0] == str(tmp_path)


@pytest.mark.parametrize(
    ("entry", "module"),
    [
        ("shop.mail.jobs", "shop.mail.jobs"),
        ("./shop/mail/jobs.py", "shop.mail.jobs"),
        ("shop/mail", "shop.mail.jobs"),
        ("./shop", "shop"),
        ("shop", "shop"),
        ("plain", "jobs"),
        (".", "tasks"),
    ],
)
def test_an_entry_is_a_module_a_file_or_a_directory(tmp_path: Path, entry: str, module: str) -> None:
    for name in ("shop/__init__.py", "shop/mail/__init__.py", "shop/mail/jobs.py", "plain/jobs.py"):
        write(tmp_path / name)
    if entry == ".":
        write(tmp_path / "jobs.py")
        module = "jobs"

    load((entry,), str(tmp_path))

    assert module in sys.modules


def test_an_absolute_path_is_imported_under_its_packages_name(tmp_path: Path) -> None:
    write(tmp_path / "lib/pack/__init__.py")
    path = write(tmp_path / "lib/pack/work.py")

    load((str(path),), str(tmp_path))

    assert "pack.work" in sys.modules


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("no_such_module_of_ours", "which is neither in"),
        ("json.no_such", "which is neither in"),
        ("./missing.py", "does not exist"),
        ("./empty", "neither jobs.py nor __init__.py"),
        ("my-jobs", "no module, no .py file and no directory"),
        ("a/json.py", "but the module 'json' is"),
    ],
)
def test_an_entry_that_names_nothing_is_said_in_one_sentence(tmp_path: Path, entry: str, sentence: str) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "a/json.py")

    with pytest.raises(ArgumentError, match=sentence):
        load((entry,), str(tmp_path))


def test_what_the_application_raises_is_passed_on(tmp_path: Path) -> None:
    write(tmp_path / "broken.py", "import no_such_dependency")

    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"):
        load(("broken",), str(tmp_path))
