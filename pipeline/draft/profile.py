"""What the columns of a data file hold, as its beginning shows."""

from __future__ import annotations

import datetime
import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config.sections import FileSettings
from pipeline.data.files import expand_date, find_files
from pipeline.data.sample import SCHEME
from pipeline.data.sources import open_source
from pipeline.data.timestamps import parse_iso
from pipeline.errors import ConfigError, DataError

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.config.sections import FileFormat, TimestampUnit
    from pipeline.data.source import Source

#: Rows that are looked at.
SAMPLE_ROWS: Final = 10_000
_EXAMPLES: Final = 3
_EXAMPLE_LETTERS: Final = 19
#: Times that events are likely to have, in seconds since 1970: from 1995 to 2100.
_LIKELY_SECONDS: Final = (788_918_400, 4_102_444_800)
_UNITS: Final[dict[TimestampUnit, int]] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_LINE_BYTES: Final = 1 << 16


@dataclass(frozen=True)
class ColumnProfile:
    """One column.

    Attributes
    ----------
    name, type
        As the file says; in a file of text, as its beginning suggests.
    examples
        A few different values.
    distinct
        How many different ones there are in the sample.
    nulls
        Rows of the sample without a value.
    is_id
        Whether the values can be ids: integers or strings.
    low, high
        Range of numbers; None for what is no number.
    is_time
        Whether the values are times, but for integers.
    unit
        Of integers, the unit in which they are likely times; None for none.
    """

    name: str
    type: str
    examples: tuple[str, ...]
    distinct: int
    nulls: int
    is_id: bool
    low: float | None
    high: float | None
    is_time: bool
    unit: TimestampUnit | None


@dataclass(frozen=True)
class DataProfile:
    """A data file, or several of the same columns.

    Attributes
    ----------
    path
        As given.
    format
        What to set where the file's ending does not tell; None where it does.
    columns
        The columns, in order.
    """

    path: str
    format: FileFormat | None
    columns: tuple[ColumnProfile, ...]

    def column(self, name: str) -> ColumnProfile:
        """A column by its name.

        Raises
        ------
        ConfigError
            If there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        known = ", ".join(column.name for column in self.columns)
        raise ConfigError(f"{self.path}: there is no column {name!r}", hint=f"The columns are {known}.")

    def open(self) -> Source:
        """The rows."""
        return open_source(FileSettings(path=self.path, format=self.format or "auto"), date=_today())


def profile_data(path: str) -> DataProfile:
    """Look at the beginning of a data file.

    Parameters
    ----------
    path
        A file, folder or glob of Parquet, CSV, TSV or ``.npz``, as in a configuration, or a table of the sample.

    Raises
    ------
    MissingInputError
        If there is no file.
    ConfigError
        If the format cannot be told.
    DataError
        If a file cannot be read, or has fewer than two columns or no rows.
    """
    file_format = _format(path)
    source = open_source(FileSettings(path=path, format=file_format or "auto"), date=_today())
    schema = source.schema
    if len(schema) < 2:
        raise DataError(
            f"{path}: expected a column of users and one of items, got {', '.join(schema.names) or 'no columns'}",
            hint="Columns are separated by commas in .csv and by tabs in .tsv, and the first line names them.",
        )
    batches = []
    rows = 0
    for batch in source.batches(schema.names):
        batches.append(batch.rows)
        rows += batch.rows.num_rows
        if rows >= SAMPLE_ROWS:
            break
    if not rows:
        raise DataError(f"{path}: there are no rows", hint="Give a file with interactions.")
    sample = pa.Table.from_batches(batches).slice(0, SAMPLE_ROWS)
    columns = tuple(_profile(field, sample.column(field.name), text=source.text) for field in schema)
    return DataProfile(path, file_format, columns)


def _profile(field: pa.Field, values: pa.ChunkedArray, *, text: bool) -> ColumnProfile:
    column = values.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if text and not pa.types.is_string(field.type):
        column = _as_guessed(column, field.type)
    known = column.drop_null()
    kind = column.type
    is_string = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    low, high = pc.min_max(known).as_py().values() if is_number else (None, None)
    distinct = known if pa.types.is_nested(kind) else known.unique()
    return ColumnProfile(
        name=field.name,
        type=str(kind),
        examples=tuple(str(value.as_py())[:_EXAMPLE_LETTERS] for value in distinct[:_EXAMPLES]),
        distinct=len(distinct),
        nulls=column.null_count,
        is_id=is_string or pa.types.is_integer(kind),
        low=None if low is None else float(low),
        high=None if high is None else float(high),
        is_time=pa.types.is_timestamp(kind) or pa.types.is_date(kind) or (is_string and _is_iso(known)),
        unit=_unit(low, high) if pa.types.is_integer(kind) else None,
    )


def _as_guessed(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """Text as the type that the file's beginning suggests, if all of it is."""
    try:
        return pc.utf8_trim_whitespace(column).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return column


def _is_iso(known: pa.Array) -> bool:
    if not len(known):
        return False
    _, readable = parse_iso(known.cast(pa.string()))
    return bool(readable.all())


def _unit(low: int | None, high: int | None) -> TimestampUnit | None:
    if low is None or high is None:
        return None
    earliest, latest = _LIKELY_SECONDS
    fitting = (
        unit for unit, per_second in _UNITS.items() if earliest * per_second <= low <= high < latest * per_second
    )
    return next(fitting, None)


def _format(path: str) -> FileFormat | None:
    """The format of files whose ending does not tell it, by the first line of the first; None where it does."""
    if path.startswith(SCHEME):
        return None
    files = [file.path for file in find_files(expand_date(path, _today()))]
    ending = "".join(suffix for suffix in files[0].suffixes[-2:] if suffix != ".gz").lower() if files else ""
    if not files or ending.endswith((".parquet", ".csv", ".tsv", ".npz")):
        return None
    line = _first_line(files[0])
    if line.startswith("PAR1"):
        return "parquet"
    if "\t" in line:
        return "tsv"
    if "," in line:
        return "csv"
    raise ConfigError(
        f"{path}: cannot tell the format of {files[0].name}: no tab or comma in its first line",
        hint="Give Parquet, CSV (commas), TSV (tabs) or a matrix of scipy.sparse.save_npz.",
    )


def _first_line(file: Path) -> str:
    opened = gzip.open if file.suffix.lower() == ".gz" else open
    try:
        with opened(file, "rb") as stream:
            line: bytes = stream.readline(_LINE_BYTES)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from None
    return line.decode(errors="replace")


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()
