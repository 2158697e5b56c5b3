"""The same facts found another way, so that a mistake of the jobs cannot confirm itself.

| | jobs | here |
|---|---|---|
| which modules | walking directories | Python's own path finder |
| functions, classes | the syntax tree | keywords among the tokens |
| size, lines | the content | the file's entry, iterating the file |
| compressed size | file by file | all at once |
"""

import hashlib
import lzma
import pkgutil
import tokenize
from collections.abc import Iterator
from pathlib import Path

from jobsup.contrib.demo.stdlib import ROOT, TESTS, ModuleFacts, PackageFacts


def modules(root: Path = ROOT) -> dict[str, Path]:
    """Every module with source, as the import system finds it."""
    return dict(_below(root, ""))


def _below(directory: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    for found in pkgutil.iter_modules([str(directory)]):
        # Asks the finder of this directory alone; nothing is imported.
        spec = found.module_finder.find_spec(found.name, None)
        if spec is None or not (spec.origin or "").endswith(".py") or (found.ispkg and found.name in TESTS):
            continue
        yield prefix + found.name, Path(str(spec.origin))
        if found.ispkg:
            yield from _below(directory / found.name, f"{prefix}{found.name}.")


def measure(path: Path) -> ModuleFacts:
    """The facts of the module in this file."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        lines = sum(1 for _ in file)
        file.seek(0)
        keywords = [token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.NAME]
    return ModuleFacts(
        size=path.stat().st_size,
        lines=lines,
        functions=keywords.count("def"),
        classes=keywords.count("class"),
        sha256=sha256,
    )


def compress(paths: list[Path]) -> PackageFacts:
    """The facts of a package that consists of these files."""
    content = b"".join(path.read_bytes() for path in sorted(paths))
    return PackageFacts(sum(path.stat().st_size for path in paths), len(lzma.compress(content, preset=6)))


def everything(root: Path = ROOT) -> tuple[dict[str, ModuleFacts], dict[str, PackageFacts]]:
    """The facts of all modules and of all packages, by name."""
    found = modules(root)
    return {name: measure(path) for name, path in found.items()}, {
        name: compress([other for other in found.values() if other.parent == path.parent])
        for name, path in found.items()
        if path.name == "__init__.py"
    }
