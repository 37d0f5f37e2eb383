"""The configuration that a study ends with: the original, with the settings that were found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tomlkit
from tomlkit.items import Table

from pipeline.config.loading import apply_override
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

#: How the file begins: only a file that does is ever written over.
FIRST_LINE = "# Written by cfpipe tune"


def check_output(output: Path, config: Path) -> None:
    """Check that a file may be written.

    Raises
    ------
    ConfigError
        If it is the configuration itself, or a file that somebody else has written, or its folder is not there.
    """
    if output.exists() and config.exists() and output.samefile(config):
        raise ConfigError(f"--output {output}: expected another file than the configuration")
    if not output.parent.is_dir():
        raise ConfigError(f"--output {output}: expected a folder {output.parent}, and there is none")
    if output.is_dir() or (output.exists() and not output.read_text("utf-8", "replace").startswith(FIRST_LINE)):
        raise ConfigError(f"--output {output}: exists, and is no file of cfpipe tune", hint="Give another path.")


def tuned_toml(
    original: str,
    overrides: Iterable[str],
    sections: Mapping[str, Mapping[str, Any]],
    header: Sequence[str],
) -> str:
    """The original with its sections ``[factorize]`` and ``[weighting]`` replaced, and nothing else changed.

    Parameters
    ----------
    original
        TOML.
    overrides
        ``--set`` of the command: part of what was tuned, and so of what is written.
    sections
        What takes the place of each section, every key.
    header
        Lines of a comment at the top, which says how the settings were found.
    """
    document = tomlkit.parse(_without_header(original))
    for override in overrides:
        apply_override(document, override)
    for name, values in sections.items():
        if name not in document:
            document.add(tomlkit.nl())
            document.add(name, tomlkit.table())
        table = document[name]
        if not isinstance(table, Table):  # an inline or dotted table, which takes no lines
            table = tomlkit.table()
            document[name] = table
        for key in [key for key in table if key not in values]:
            del table[key]
        for key, value in values.items():
            if key not in table or table[key] != value:
                table[key] = value
    comment = "\n".join([FIRST_LINE + header[0], *(f"# {line}" for line in header[1:])])
    return f"{comment}\n\n{tomlkit.dumps(document).lstrip()}"


def _without_header(text: str) -> str:
    """A configuration without the comment of an earlier tuning."""
    if not text.startswith(FIRST_LINE):
        return text
    _, _, rest = text.partition("\n\n")
    return rest
