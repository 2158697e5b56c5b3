"""YAML that remembers its lines, for files that are not ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml


class Map(dict[Any, Any]):
    """A mapping; ``line`` is where it begins, ``lines`` where each key stands."""

    line = 0
    lines: dict[Any, int]

    def at(self, *keys: str) -> int:
        """The line of the first of *keys* that is there, else its own."""
        return next((self.lines[key] for key in keys if key in self.lines), self.line)


class _Loader(yaml.SafeLoader):
    def _map(self, node: yaml.MappingNode) -> Iterator[Map]:
        found = Map()
        found.line, found.lines = node.start_mark.line + 1, {}
        yield found
        found.update(self.construct_mapping(node))  # resolves "<<" in the node first
        found.lines = {key.value: key.start_mark.line + 1 for key, _ in node.value}


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader._map)


def documents(text: str) -> list[Any]:
    """Every document that is not empty.

    Raises:
        ValueError: it is not YAML; the message is one sentence's end.
    """
    try:
        return [found for found in yaml.load_all(text, _Loader) if found]
    except (yaml.YAMLError, RecursionError, ValueError) as problem:
        mark = getattr(problem, "problem_mark", None)
        raise ValueError("is not valid YAML" + (f", line {mark.line + 1}" if mark else "")) from problem


def get(value: Any, *path: str) -> Any:
    """What lies at *path* in nested mappings, else None."""
    for key in path:
        if not isinstance(value, Map):
            return None
        value = value.get(key)
    return value


def maps(value: Any) -> list[Map]:
    """The mappings of a list; none when it is no list."""
    return [item for item in value if isinstance(item, Map)] if isinstance(value, list) else []


def words(value: Any) -> list[str]:
    """A list of scalars as texts; empty when it is no list."""
    return [str(item) for item in value] if isinstance(value, list) else []
