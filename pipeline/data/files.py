"""Which files a configured path means: a file, a folder, a glob, with the hive partitions of each."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

import pyarrow as pa

from pipeline.errors import ConfigError, DataError, MissingInputError

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping

#: Value of a hive partition that stands for null.
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"

_FORMATS = {".parquet": "parquet", ".csv": "csv", ".tsv": "tsv", ".npz": "npz"}
#: Endings of compressed text, after that of the format.
COMPRESSIONS = (".gz", ".bz2", ".zst")
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
_PARTITION = re.compile(r"^([^=]+)=(.*)$")


class FileStamp(NamedTuple):
    """What tells whether an input is still the same: where, how long, and when last changed."""

    path: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class InputFile:
    """One file of an input.

    Attributes
    ----------
    path
        Where it is.
    name
        Its path below the fixed part of the configured path, with forward slashes.
    partitions
        Hive partitions (``key=value`` folders) on the way to it, as text; None for null.
    """

    path: Path
    name: str
    partitions: Mapping[str, str | None] = field(default_factory=dict)

    def stamp(self) -> FileStamp | None:
        """Size and time of last change; None if the file is gone."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        return FileStamp(self.name, status.st_size, status.st_mtime_ns)


def expand_date(path: str, date: datetime.date) -> str:
    """Put the run's date where a path says ``{date}``; any format of a date works, as ``{date:%Y/%m/%d}``."""
    try:
        return path.format(date=date)
    except (LookupError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"path {path!r}: expected no braces but {{date}}, got {error}",
            hint="Write {{ and }} for braces that are part of the path.",
        ) from None


def find_files(path: str) -> list[InputFile]:
    """Find the files a path means.

    Parameters
    ----------
    path
        A file; a folder, whose files are taken at any depth; or a glob, in which ``**`` is any depth. Below a folder
        or glob, files and folders whose names start with ``.`` or ``_`` are passed over, as in other readers.

    Returns
    -------
    The files sorted by name; empty where there are none.
    """
    if _is_file(Path(path)):
        found, base = [Path(path)], Path(path).parent
    elif _is_folder(Path(path)):
        base = Path(path)
        found = _files_below(base)
    else:
        base = _fixed_part(path)
        # Not Path.glob, whose patterns must be relative.
        matches = [Path(match) for match in glob.glob(path, recursive=True)]  # noqa: PTH207
        found = [match for match in matches if not _is_folder(match)]
        found += [file for match in matches if _is_folder(match) for file in _files_below(match)]
    names = {file: file.relative_to(base).as_posix() for file in found}
    files = [
        InputFile(file, name, _partitions(file))
        for file, name in names.items()
        if _is_file(file) and (file == Path(path) or not _is_hidden(name))
    ]
    return sorted(files, key=lambda file: file.name)


def choose_format(files: list[InputFile], path: str) -> str:
    """Tell the format of files by their endings; a compression's ending after the format's is fine for text.

    Raises
    ------
    ConfigError
        If an ending is unknown, or the endings differ.
    """
    formats = {file.name: _format_of(file.path) for file in files}
    for name, file_format in formats.items():
        if file_format is None:
            raise ConfigError(
                f"{path}: cannot tell the format of {name}: expected one of the endings {', '.join(_FORMATS)}",
                hint='Set format = "parquet", "csv", "tsv" or "npz", or give a glob that leaves the file out.',
            )
    distinct = sorted({str(file_format) for file_format in formats.values()})
    if len(distinct) > 1:
        raise ConfigError(
            f"{path}: expected files of one format, got {' and '.join(distinct)}",
            hint="Give a glob that matches one format, such as *.parquet.",
        )
    return distinct[0]


def partition_types(files: list[InputFile]) -> dict[str, pa.DataType]:
    """Types of hive partitions: integers if all values of one are written as integers would be, else strings."""
    values: dict[str, set[str]] = {}
    for file in files:
        for name, text in file.partitions.items():
            values.setdefault(name, set()).update(() if text is None else (text,))
    return {
        name: pa.int64() if texts and all(_INTEGER.fullmatch(text) for text in texts) else pa.string()
        for name, texts in values.items()
    }


def require_files(files: list[InputFile], path: str) -> None:
    """Raise MissingInputError if there are none."""
    if files:
        return
    if _is_folder(Path(path)):
        raise MissingInputError(f"no files in the folder {path}")
    if glob.has_magic(path):
        raise MissingInputError(f"no file matches {path}")
    parent = Path(path).parent
    reason = "" if _is_folder(parent) else f" (there is no folder {parent} either)"
    raise MissingInputError(f"no such file or folder: {path}{reason}")


def require_unchanged(before: object, after: object) -> None:
    """Raise DataError if the stamps of the inputs are not those that were taken before they were read."""
    if before != after:
        raise DataError("an input changed while it was being read", hint="Run again once nothing writes to the inputs.")


def _is_file(path: Path) -> bool:
    """Whether a file can be seen there; what may not be looked at is not there."""
    try:
        return path.is_file()
    except OSError:
        return False


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _files_below(folder: Path) -> list[Path]:
    """Files of a folder at any depth, hidden ones too; links to folders are followed."""
    return [Path(below, name) for below, _, names in os.walk(folder, followlinks=True) for name in names]


def _format_of(path: Path) -> str | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return _FORMATS.get(suffixes[-1]) if suffixes else None


def _fixed_part(pattern: str) -> Path:
    """The longest leading folder without wildcards."""
    parts = Path(pattern).parts
    wild = next((position for position, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    return Path(*parts[:wild])


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "_")) for part in name.split("/"))


def _partitions(file: Path) -> dict[str, str | None]:
    matches = [match for part in file.parts[:-1] if (match := _PARTITION.match(part))]
    return {unquote(m[1]): None if m[2] == NULL_PARTITION else unquote(m[2]) for m in matches}
