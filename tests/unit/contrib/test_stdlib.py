"""The workload is found, measured and named; a payload cannot lead out of it."""

from pathlib import Path

import pytest

from jobsup.contrib.demo import recount, stdlib

TRICKY = b'''"""def class"""
import os\r
class A:
    class B: pass
    async def f(self): return lambda: [x for x in ()]
    @staticmethod
    def g(): "def h(): pass"
if 0:
    def unreachable(): pass  # class'''


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "plain.py": TRICKY,
        "no-identifier.py": b"x = 1\n",
        "notes.txt": b"def",
        "pkg/__init__.py": b"",
        "pkg/inner.py": b"def f():\n    pass\n",
        "pkg/sub/__init__.py": b"y = 2\n",
        "pkg/tests/__init__.py": b"def broken(:",
        "test/__init__.py": b"def broken(:",
        "no_package/stray.py": b"z = 3\n",
    }
    for name, content in files.items():
        path = tmp_path / "lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "secret.py").write_text("password = 1")
    return tmp_path / "lib"


def test_modules_are_what_can_be_imported_except_tests(root: Path) -> None:
    assert stdlib.modules(root) == ["no-identifier", "pkg", "pkg.inner", "pkg.sub", "plain"]
    assert stdlib.packages(root) == ["pkg", "pkg.sub"]


def test_a_package_is_its_own_modules_without_those_of_packages_in_it(root: Path) -> None:
    assert stdlib.sources("pkg", root) == [root / "pkg" / "__init__.py", root / "pkg" / "inner.py"]


@pytest.mark.parametrize("name", ["..secret", "../secret", "/etc/passwd", ".", "", "plain.", "a\0b", "absent"])
def test_a_name_that_is_no_module_of_the_library_is_refused(root: Path, name: str) -> None:
    with pytest.raises(ValueError, match="module"):
        stdlib.source(name, root)


def test_functions_and_classes_are_counted_wherever_they_are_defined_and_nowhere_else() -> None:
    facts = stdlib.measure(TRICKY)

    assert (facts.functions, facts.classes, facts.lines, facts.size) == (3, 2, 9, len(TRICKY))


def test_the_recount_finds_the_same_another_way(root: Path) -> None:
    modules, packages = recount.everything(root)

    assert modules == {n: stdlib.measure(stdlib.source(n, root).read_bytes()) for n in stdlib.modules(root)}
    assert list(packages) == stdlib.packages(root)
    assert packages["pkg"].size == len(b"def f():\n    pass\n")


def test_the_recount_and_the_jobs_agree_on_every_module_of_this_python() -> None:
    assert sorted(recount.modules()) == stdlib.modules()
    assert len(stdlib.modules()) > 300


def test_every_module_found_in_this_python_has_its_source() -> None:
    assert all(stdlib.source(name).is_file() for name in stdlib.modules())
    with pytest.raises(ValueError, match=r"no module 'json\.nothing'"):
        stdlib.source("json.nothing")
