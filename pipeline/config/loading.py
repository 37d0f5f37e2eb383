"""From a TOML file, overrides and environment variables to a validated configuration."""

from __future__ import annotations

import functools
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.config.document import Config
from pipeline.config.messages import describe
from pipeline.errors import ConfigError, MissingInputError


def load_config(path: str | os.PathLike[str], overrides: Iterable[str] = ()) -> Config:
    """Read and validate a configuration.

    Parameters
    ----------
    path
        A TOML file.
    overrides
        Settings that replace those of the file, as ``section.key=value`` with a TOML value; a value that is not TOML
        is taken as a string. ``tables.NAME.key`` addresses a table by its name.

    Raises
    ------
    MissingInputError
        If there is no such file.
    ConfigError
        If it is not one the pipeline can honour; the message names each key that is wrong.
    """
    file = Path(path)
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise MissingInputError(f"configuration not found: {file}", hint="Give the path of a TOML file.") from None
    except IsADirectoryError:
        raise ConfigError(f"{file}: expected a TOML file, got a folder") from None
    return _load(str(file), content, tuple(overrides), tuple(sorted(os.environ.items())))


@functools.lru_cache(maxsize=64)
def _load(file: str, content: bytes, overrides: tuple[str, ...], environment: tuple[tuple[str, str], ...]) -> Config:
    """Validate the content of a file; Luigi's tasks ask for the same one many times."""
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        byte = content[error.start]
        raise ConfigError(f"{file}: expected UTF-8, got byte {byte:#04x} at {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not TOML: {error}") from None
    for override in overrides:
        apply_override(document, override)
    return parse_config(document, environment=dict(environment), source=file)


def parse_config(
    document: Mapping[str, Any], *, environment: Mapping[str, str] = os.environ, source: str = "configuration"
) -> Config:
    """Validate a configuration that is already a mapping; see :func:`load_config`."""
    expanded = _expand_variables(document, (), environment)
    try:
        return Config.model_validate(expanded)
    except ValidationError as error:
        lines = describe(error)
    raise ConfigError(f"{source}: " + (lines[0] if len(lines) == 1 else "\n  ".join(["", *lines])))


_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def _expand_variables(value: Any, path: tuple[str, ...], environment: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _expand_variables(item, (*path, str(key)), environment) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand_variables(item, (*path, str(place)), environment) for place, item in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name not in environment:
            raise ConfigError(f"{'.'.join(path)}: environment variable {name} is not set", hint=f"export {name}=...")
        return environment[name]

    return _VARIABLE.sub(replace, value)


def apply_override(document: dict[str, Any], override: str) -> None:
    """Replace a setting of a document that is not validated yet; see :func:`load_config`."""
    key, equals, text = override.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts) or len(parts) < 2:
        raise ConfigError(f"override {override!r}: expected section.key=value, such as factorize.factors=128")
    target: Any = document
    for depth, part in enumerate(parts[:-1]):
        if isinstance(target, list):
            target = _named(target, part, override)
            continue
        target = target.setdefault(part, {})
        if not isinstance(target, dict | list):
            raise ConfigError(f"override {override!r}: {'.'.join(parts[: depth + 1])} is not a section")
    if not isinstance(target, dict):
        raise ConfigError(f"override {override!r}: expected {parts[0]}.NAME.key=value")
    target[parts[-1]] = _toml_value(text.strip())


def _named(tables: list[Any], name: str, override: str) -> dict[str, Any]:
    for table in tables:
        if isinstance(table, dict) and table.get("name") == name:
            return table
    known = ", ".join(str(table.get("name")) for table in tables if isinstance(table, dict)) or "none"
    raise ConfigError(f"override {override!r}: no table is named {name!r}; expected one of {known}")


def _toml_value(text: str) -> Any:
    try:
        document = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return document["value"] if len(document) == 1 else text
