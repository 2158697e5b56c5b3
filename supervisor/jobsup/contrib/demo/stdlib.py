"""The workload: the Python standard library as it is installed here, found and measured but never imported."""

import ast
import hashlib
import lzma
import os
import sysconfig
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(sysconfig.get_path("stdlib"))

TESTS = frozenset({"test", "tests", "idle_test"})
"""Packages left out: distributions ship them or not, and some of their files are broken on purpose."""


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """What one module is: bytes, lines, functions (methods included), classes, hexadecimal SHA-256."""

    size: int
    lines: int
    functions: int
    classes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class PackageFacts:
    """The source of a package's own modules in bytes, before and after compression with xz."""

    size: int
    compressed: int


def modules(root: Path = ROOT) -> list[str]:
    """The dotted names of all modules that have source; a package is named like its ``__init__.py``."""
    names = set()
    for directory, children, files in os.walk(root):
        path = Path(directory).relative_to(root)
        children[:] = sorted(
            name for name in children if name not in TESTS and (root / path / name / "__init__.py").is_file()
        )
        for file in files:
            stem, suffix = os.path.splitext(file)
            if suffix == ".py" and "." not in stem and (root / path / file).is_file():
                names.add(".".join([*path.parts, stem]).removesuffix(".__init__"))
    return sorted(names)


def packages(root: Path = ROOT) -> list[str]:
    """Those of the modules that are packages."""
    return [name for name in modules(root) if (root / _path(name) / "__init__.py").is_file()]


def source(module: str, root: Path = ROOT) -> Path:
    """The file of *module*.

    Raises:
        ValueError: *module* is no dotted name, or the library has no such module.
    """
    package, plain = root / _path(module) / "__init__.py", root / f"{_path(module)}.py"
    for path in (package, plain):
        if path.is_file():
            return path
    raise ValueError(f"the standard library has no module {module!r}")


def sources(package: str, root: Path = ROOT) -> list[Path]:
    """The files of a package's own modules, without those of the packages in it.  Raises as ``source``."""
    return sorted(path for path in source(package, root).parent.glob("*.py") if "." not in path.stem)


def measure(content: bytes) -> ModuleFacts:
    """The facts of a module with this source.

    Raises:
        SyntaxError: it is not Python.
    """
    nodes = list(ast.walk(ast.parse(content)))
    return ModuleFacts(
        size=len(content),
        lines=len(content.splitlines()),
        functions=sum(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in nodes),
        classes=sum(isinstance(node, ast.ClassDef) for node in nodes),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def compressor() -> lzma.LZMACompressor:
    """How packages are compressed."""
    return lzma.LZMACompressor(preset=6)


def _path(module: str) -> str:
    # The name comes from a payload, which anybody may have written: it must not lead out of the library.
    parts = module.split(".")
    if not all(parts) or os.sep in module or "\0" in module:
        raise ValueError(f"{module[:200]!r} is not the name of a module")
    return os.path.join(*parts)
