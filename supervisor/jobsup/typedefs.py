"""Names for shapes that many modules share."""

from typing import TypeAlias

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"
"""A value that JSON carries exactly."""

Identity: TypeAlias = str
"""``host:pid:nonce``: one worker process, for ever."""
