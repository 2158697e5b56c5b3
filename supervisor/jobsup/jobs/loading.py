"""Importing the application: what ``require`` names, and nothing a payload could choose."""

import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from jobsup.errors import ArgumentError


def load(require: Sequence[str], base: str) -> None:
    """Import every entry of *require*; with none, ``jobs.py`` of *base* if there is one.

    An entry is a module (``myapp.jobs``), a file (``./jobs.py``) or a directory, whose ``jobs.py`` or else
    ``__init__.py`` is imported.  Paths are relative to *base*, which becomes the first entry of ``sys.path``.
    What the application raises while it is imported is passed on as it is.

    Raises:
        ArgumentError: an entry names nothing that can be imported.
    """
    base = os.path.abspath(base)
    _look_first_in(base)
    entries = [entry for entry in require if entry]
    if not entries and os.path.isfile(os.path.join(base, "jobs.py")):
        entries = ["./jobs.py"]
    for entry in entries:
        path = os.path.join(base, entry)
        if entry.endswith(".py"):
            _import_file(path)
        elif os.path.isdir(path) and (os.sep in entry or not _is_package(path)):
            _import_file(_of_directory(path))
        else:
            _import_module(entry)


def _look_first_in(directory: str) -> None:
    if directory in sys.path:
        sys.path.remove(directory)
    sys.path.insert(0, directory)


def _of_directory(directory: str) -> str:
    choices = [os.path.join(directory, name) for name in ("jobs.py", "__init__.py")]
    for path in choices:
        if os.path.isfile(path):
            return path
    raise ArgumentError(f"require names the directory {directory}, which has neither jobs.py nor __init__.py")


def _is_package(directory: str) -> bool:
    return os.path.isfile(os.path.join(directory, "__init__.py"))


def _import_module(name: str) -> ModuleType:
    if not all(part.isidentifier() for part in name.split(".")):
        raise ArgumentError(f"require names {name!r}, which is no module, no .py file and no directory")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # Only the module itself: what the application fails to import is for its own traceback to say.
        if error.name and (name == error.name or name.startswith(error.name + ".")):
            raise ArgumentError(
                f"require names the module {name!r}, which is neither in {sys.path[0]} nor on sys.path"
            ) from None
        raise


def _import_file(path: str) -> None:
    """Import *path* under the name it has on ``sys.path``, so that nothing is imported twice."""
    path = os.path.normpath(path)
    if not os.path.isfile(path):
        raise ArgumentError(f"require names the file {path}, which does not exist")
    directory, stem = os.path.split(path.removesuffix(".py"))
    names = [] if stem == "__init__" else [stem]
    while _is_package(directory):
        directory, package = os.path.split(directory)
        names.insert(0, package)
    if directory not in sys.path:
        sys.path.insert(1, directory)
    module = _import_module(".".join(names))
    found = module.__file__ or ""
    if not (os.path.exists(found) and os.path.samefile(found, path)):
        raise ArgumentError(
            f"require names the file {path}, but the module {module.__name__!r} is {found or 'built in'}; rename one"
        )
