"""What is wrong with a configuration, as people read it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


def describe(error: ValidationError, prefix: str = "") -> list[str]:
    """One line for each thing that is wrong, with the path of its key.

    Parts of a path in angle brackets are names of kinds (:mod:`pipeline.config.entities`), which no file has.
    """
    lines = []
    for detail in error.errors(include_url=False):
        path = ".".join([prefix] * bool(prefix) + [str(part) for part in detail["loc"] if not _is_kind(part)])
        message = detail["msg"].removeprefix("Value error, ")
        if detail["type"] == "extra_forbidden":
            message = "unknown key"
        elif detail["type"] == "missing":
            message = "missing"
        elif not isinstance(detail["input"], Mapping | list | tuple):
            message = f"{message}, got {detail['input']!r}"
        lines.append(f"{path}: {message}" if path else message)
    return lines


def _is_kind(part: int | str) -> bool:
    return isinstance(part, str) and part.startswith("<")
