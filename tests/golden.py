"""The shapes of what real Sidekiq 6.4.1, 7.3.10 and 8.1.7 write, to hold our own records against."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Literal

Version = Literal["6.4.1", "7.3.10", "8.1.7"]
VERSIONS: tuple[Version, ...] = ("6.4.1", "7.3.10", "8.1.7")

_TYPES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "float",
    str: "string",
    list: "array",
    dict: "object",
}


@cache
def golden(version: Version) -> dict[str, Any]:
    """Shape name -> key -> JSON type; ``record_fields`` and ``work_key`` are plain names."""
    path = Path(__file__).with_name("golden") / f"sidekiq-{version}.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def differences(record: dict[str, Any], shape: dict[str, str]) -> list[str]:
    """What a reader of *shape* would miss in *record*.  More keys than the shape has are allowed."""
    found = []
    for key, wanted in shape.items():
        if key not in record:
            found.append(f"{key} is missing")
        elif _TYPES[type(record[key])] not in wanted.split(" or "):
            found.append(f"{key} is {_TYPES[type(record[key])]}, not {wanted}")
    return found
