"""What every source of rows is: one interface, whatever the format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz import process

from pipeline.data.conditions import Column, Condition
from pipeline.errors import ConfigError, DataError, MissingInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pipeline.data.files import FileStamp


class FileSettings(Protocol):
    """What every section that names a file has."""

    @property
    def path(self) -> str:
        """A file, a folder, a glob, or ``sample://...``; ``{date}`` is the date of the run."""

    @property
    def format(self) -> str:
        """``auto``, ``parquet``, ``csv``, ``tsv`` or ``npz``."""


class Batch(NamedTuple):
    """Some rows of one file."""

    file: str
    rows: pa.RecordBatch


class Source(ABC):
    """Rows of one or more files with the same columns.

    Attributes
    ----------
    path
        The path as configured, with the date put in, for messages.
    rows_seen
        Rows of the files the last :meth:`batches` has gone through so far, whether or not they passed its condition.
    """

    #: Whether columns come as strings because the format knows no types.
    text: ClassVar[bool]

    def __init__(self, path: str) -> None:
        self.path = path
        self.rows_seen = 0

    @abstractmethod
    def stamps(self) -> list[FileStamp]:
        """What tells whether the input is still the same, sorted; empty where there is none."""

    @property
    @abstractmethod
    def schema(self) -> pa.Schema:
        """Columns of the first file; in a format without types these are guessed from its beginning.

        Raises
        ------
        MissingInputError
            If there is no file.
        """

    @abstractmethod
    def estimated_rows(self) -> int:
        """About how many rows there are, without reading them; 0 where there is no file."""

    @abstractmethod
    def batches(self, columns: Sequence[str], condition: Condition | None = None) -> Iterator[Batch]:
        """Read some columns, in the order of the files and of their rows.

        Parameters
        ----------
        columns
            Names, in the order wanted; one named twice is given once.
        condition
            Only rows for which it holds are given; it may look at other columns.

        Raises
        ------
        MissingInputError
            If there is no file, or a file lacks a column.
        DataError
            If a file is not what its format says.
        """


@contextmanager
def reading(file: Path, file_format: str) -> Iterator[None]:
    """Say of which file Arrow's errors are, and what it was read as."""
    try:
        yield
    except FileNotFoundError:
        raise MissingInputError(f"{file}: gone while it was read") from None
    except pa.ArrowNotImplementedError as error:
        raise ConfigError(f"{file}: the filter does not fit the columns: {error}") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{file}: cannot be read as {file_format}: {error}") from None


def typed_columns(schema: pa.Schema) -> dict[str, Column]:
    """The columns of a schema as conditions see them."""
    return {field.name: Column(field.type, pc.field(field.name)) for field in schema}


def require_columns(wanted: Iterable[str], columns: Iterable[str], file: str) -> None:
    """Raise MissingInputError if a file lacks a column, with those it has, the most similar first."""
    there = list(dict.fromkeys(columns))
    for name in wanted:
        if name not in there:
            ranked = process.extract(name, there, limit=None)
            known = ", ".join(column for column, _, _ in ranked) or "none"
            raise MissingInputError(f"{file}: there is no column {name!r}; there are: {known}")


def require_distinct(wanted: Iterable[str], columns: Sequence[str], file: str) -> None:
    """Raise DataError if a file has several columns of one of these names."""
    for name in wanted:
        if (count := list(columns).count(name)) > 1:
            raise DataError(f"{file}: expected one column {name!r}, got {count}")
