"""One YAML file as a flat mapping of keys, each with the line it stands on."""

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from jobsup.config import erb
from jobsup.config.problem import shown

MAX_BYTES = 1_000_000
"""A configuration file larger than this is a mistake (a log, a device)."""


class DocumentError(ValueError):
    """The file cannot be used.  The message is one sentence; *line* counts from 1, 0 if unknown."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Entry:
    """One key's value; for a mapping, ``inner`` holds its keys, so that a section knows its lines too."""

    value: Any
    line: int
    inner: dict[str, "Entry"] | None = None


class _Loader(yaml.SafeLoader):
    """Safe YAML, plus Ruby's symbols: ``:name`` reads as ``name``."""

    def check_value(self) -> bool:
        return not self._at_symbol() and super().check_value()

    def check_plain(self) -> bool:
        return self._at_symbol() or super().check_plain()

    def _at_symbol(self) -> bool:
        # Within brackets PyYAML takes every ":" for a separator, so "[:low, 2]" would not parse; Ruby
        # does not.  After a quote or a word it is one: {"a":1} is still a mapping.
        before: str = self.buffer[self.pointer - 1 : self.pointer]
        symbol = self.peek() == ":" and (self.peek(1).isalpha() or self.peek(1) == "_")
        return bool(self.flow_level and symbol and before in " \t\n[{,")

    def construct_symbol(self, node: yaml.ScalarNode) -> str:
        value: str = self.construct_scalar(node)
        if node.style is None and len(value) > 1 and value.startswith(":"):
            return value[1:].strip("\"'")
        return value


class _Lines:
    """The lines of the source, by places in what ERB made of it.

    Not by YAML's own count of lines: it also ends one at a lone carriage return and at some characters of Unicode.
    """

    def __init__(self, rendered: erb.Rendered) -> None:
        self._ends = [end.start() for end in re.finditer("\n", rendered.text)]
        self._source = rendered.lines

    def at(self, mark: Any) -> int:
        return self._source[bisect_left(self._ends, mark.index)]


_Loader.add_constructor("tag:yaml.org,2002:str", _Loader.construct_symbol)


def parse(source: str, environ: Mapping[str, str]) -> dict[str, Entry]:
    """Run *source* through ERB, then safe YAML.  An empty file is an empty mapping.

    Raises:
        DocumentError: other Ruby, malformed YAML, a key given twice, or something that is not a mapping.
    """
    try:
        rendered = erb.render(source, environ)
    except erb.ErbError as error:
        raise DocumentError(error.line, str(error)) from error
    lines = _Lines(rendered)
    loader: _Loader | None = None
    try:
        loader = _Loader(rendered.text)
        root = loader.get_single_node()
        if root is None or (isinstance(root, yaml.ScalarNode) and not root.value):
            return {}
        if not isinstance(root, yaml.MappingNode):
            raise DocumentError(lines.at(root.start_mark), "must hold 'key: value' lines")
        _refuse_repeated(root, lines, depth=2)
        return dict(_entries(loader, root, lines, depth=1))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = lines.at(mark) if mark else 0
        raise DocumentError(line, f"is not valid YAML: {_without_values(error.problem)}") from error
    except yaml.YAMLError as error:
        raise DocumentError(0, "is not valid YAML: it holds a character that YAML does not allow") from error
    except RecursionError as error:
        raise DocumentError(0, "is nested too deeply") from error
    except ValueError as error:
        if isinstance(error, DocumentError):
            raise
        raise DocumentError(0, "is not valid YAML: it holds a number or date that does not exist") from error
    finally:
        if loader is not None:
            loader.dispose()


def _refuse_repeated(node: yaml.MappingNode, lines: _Lines, depth: int) -> None:
    """YAML wants keys to be unique; PyYAML lets the last one win, and nobody sees that the first does nothing.

    Runs before anything is merged, since what ``<<`` brings may be repeated, and to a fixed *depth*: aliases multiply.
    """
    first: dict[str, int] = {}
    for key_node, value_node in node.value:
        line = lines.at(key_node.start_mark)
        if isinstance(key_node, yaml.ScalarNode) and key_node.value != "<<":
            key = key_node.value.removeprefix(":")
            if key in first:
                raise DocumentError(line, f"the key {shown(key)} stands on line {first[key]} already; keep one of them")
            first[key] = line
        if depth and isinstance(value_node, yaml.MappingNode):
            _refuse_repeated(value_node, lines, depth - 1)


def _entries(loader: _Loader, node: yaml.MappingNode, lines: _Lines, depth: int) -> Iterator[tuple[str, Entry]]:
    loader.flatten_mapping(node)  # resolves << and puts what it merges first: what is written here wins
    for key_node, value_node in node.value:
        key = str(loader.construct_object(key_node, deep=True))
        value = loader.construct_object(value_node, deep=True)
        inner = None
        if depth and isinstance(value_node, yaml.MappingNode):
            inner = dict(_entries(loader, value_node, lines, depth - 1))
        yield key, Entry(value, lines.at(key_node.start_mark), inner)


def _without_values(problem: str | None) -> str:
    """YAML's words without quoted pieces of the file: ERB may have put a secret there."""
    return re.sub(r"'(?!<)[^']{2,}'", "'…'", problem or "it cannot be read")
