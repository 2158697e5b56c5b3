"""What the architecture promises about itself."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import jobsup
from jobsup.exits import Exit

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "supervisor" / "jobsup"
MODULES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted((PACKAGE / "store" / "lua").glob("*.lua"))


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "tool",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        ["mypy"],
        ["lint-imports", "--no-cache"],
    ],
    ids=["ruff check", "ruff format", "mypy strict", "import-linter"],
)
def test_the_linters_are_content(tool: list[str]) -> None:
    name, *arguments = tool
    done = run(str(Path(sys.executable).parent / name), *arguments)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_fits_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 420


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.stem)
def test_every_lua_script_has_a_contract_and_one_typed_door(path: Path) -> None:
    functions = [
        node
        for module in sorted((PACKAGE / "store").glob("*.py"))
        for node in ast.parse(module.read_text()).body
        if isinstance(node, ast.FunctionDef)
    ]
    doors = [function.name for function in functions if f"('{path.stem}'," in ast.unparse(function)]

    assert path.read_text().startswith(f"-- {path.stem}: ")
    assert len(doors) == 1, doors


def test_no_public_name_is_shadowed_by_a_submodule() -> None:
    submodules = {path.stem for path in PACKAGE.iterdir()}

    assert not submodules & set(jobsup.__all__)


@pytest.mark.parametrize("name", jobsup.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(jobsup, name) is not None


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("jobsup.assembly", {"jobsup.worker", "jobsup.jobs", "jobsup.client", "jobsup.store", "redis"}),
        ("jobsup.parent.supervisor", {"redis", "yaml", "click", "rich", "orjson", "psutil", "jobsup.store"}),
        ("jobsup.cli.main", {"yaml", "rich", "redis", "jobsup.worker"}),
        ("jobsup", {"redis", "orjson", "jobsup.jobs", "jobsup.client"}),
        ("jobsup.jobs.base", {"jobsup.worker", "jobsup.parent", "jobsup.cli", "click", "rich", "yaml", "psutil"}),
    ],
)
def test_a_module_loads_nothing_that_its_process_does_not_need(module: str, forbidden: set[str]) -> None:
    done = run(sys.executable, "-c", f"import sys, {module}; print(*sys.modules)")

    assert done.returncode == 0, done.stderr
    assert not forbidden & set(done.stdout.split())


def test_the_exit_codes_of_the_readme_are_the_ones_of_the_code() -> None:
    table = re.findall(r"^\| (\d+) \| `(\w+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)

    assert {(int(code), name) for code, name in table} == {(int(code), code.name) for code in Exit}


def test_nothing_at_the_top_but_what_belongs_there() -> None:
    tracked = run("git", "ls-files").stdout.split()
    top = {name.split("/")[0] for name in tracked}

    assert top <= {
        *("pyproject.toml", "supervisor", "configs", "tests", "systemd", "README.md"),
        *("docs", "benchmarks", ".ci", "CHANGELOG.md", "LICENSE", ".gitignore"),
    }
