"""Rows of CSV and TSV files, every column as text.

A file of text has no types, and a guess from its first block is wrong for the rest often enough. All columns are read
as strings, and who reads them says what they are. Only a condition (``where``) goes by a guess from the beginning of
the file; a later value that does not fit it is an error.

CSV is that of RFC 4180: quotes around fields, doubled inside. TSV has no quotes at all, so that names may hold them.
An empty field is null (in CSV ``""`` is an empty string); nothing else is, not even ``NA`` or ``null``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from pipeline.data.conditions import Column, Condition
from pipeline.data.files import COMPRESSIONS, FileStamp, InputFile, partition_types, require_files
from pipeline.data.source import Batch, Source, reading, require_columns, require_distinct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FORMAT = "delimited text in UTF-8"
_BLOCK_BYTES = 16 << 20
#: What types are guessed from, and lengths of lines.
_GUESS_BYTES = 1 << 20


class TextSource(Source):
    """One or more files of delimited text, each with a header line; UTF-8, compressed as their endings say."""

    text = True

    def __init__(self, path: str, files: list[InputFile], *, delimiter: str) -> None:
        super().__init__(path)
        self._files = files
        self._partition_types = partition_types(files)
        quoted = delimiter == ","
        self._parse = pyarrow.csv.ParseOptions(
            delimiter=delimiter,
            quote_char='"' if quoted else False,
            double_quote=quoted,
            newlines_in_values=quoted,
        )

    def stamps(self) -> list[FileStamp]:
        """One for each file."""
        return [stamp for file in self._files if (stamp := file.stamp()) is not None]

    @property
    def schema(self) -> pa.Schema:
        """Columns of the first file with the types its beginning suggests, and its partitions."""
        require_files(self._files, self.path)
        with reading(self._files[0].path, _FORMAT):
            return self._guess(self._files[0])

    def estimated_rows(self) -> int:
        """Bytes over the mean length of a line in the first megabyte."""
        total = 0
        for file in self._files:
            with reading(file.path, _FORMAT):
                total += _estimate_rows(file)
        return total

    def batches(self, columns: Sequence[str], condition: Condition | None = None) -> Iterator[Batch]:
        """Read some columns as strings, file by file."""
        require_files(self._files, self.path)
        self.rows_seen = 0
        wanted = list(dict.fromkeys(columns))
        needed = list(dict.fromkeys([*wanted, *(condition.columns if condition else ())]))
        for file in self._files:
            with reading(file.path, _FORMAT):
                guess = self._guess(file)
                require_columns(needed, guess.names, str(file.path))
                require_distinct(needed, guess.names, str(file.path))
                expression = condition.expression(_casts(guess)) if condition else None
                for rows in self._read(file, needed):
                    self.rows_seen += rows.num_rows
                    if expression is not None:
                        rows = rows.filter(expression)
                    for part in rows.select(wanted).to_batches():
                        yield Batch(str(file.path), part)

    def _guess(self, file: InputFile) -> pa.Schema:
        with self._open(file, _GUESS_BYTES, []) as reader:
            schema = reader.schema
        for name in file.partitions:
            if name not in schema.names:
                schema = schema.append(pa.field(name, self._partition_types[name]))
        return schema

    def _read(self, file: InputFile, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Blocks of a file with the partitions among its columns; all are strings."""
        with self._open(file, _GUESS_BYTES, []) as reader:
            own = [name for name in columns if name in reader.schema.names]
        with self._open(file, _BLOCK_BYTES, own) as reader:
            for batch in reader:
                rows = pa.Table.from_batches([batch])
                for name in columns:
                    if name not in own:
                        value = pa.scalar(file.partitions[name], pa.string())
                        rows = rows.append_column(name, pa.repeat(value, rows.num_rows))
                yield rows

    def _open(self, file: InputFile, block_bytes: int, columns: list[str]) -> pyarrow.csv.CSVStreamingReader:
        """Open a file; the columns named are strings, and the only ones if there are any."""
        return pyarrow.csv.open_csv(
            file.path,
            read_options=pyarrow.csv.ReadOptions(block_size=block_bytes),
            parse_options=self._parse,
            convert_options=pyarrow.csv.ConvertOptions(
                include_columns=columns,
                column_types=dict.fromkeys(columns, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )


def _casts(guess: pa.Schema) -> dict[str, Column]:
    """The columns of a condition: of the types guessed, cast from the strings that are read."""
    columns = {}
    for field in guess:
        values = pc.field(field.name)
        if field.type in (pa.string(), pa.null()):
            columns[field.name] = Column(pa.string(), values)
        else:
            columns[field.name] = Column(field.type, pc.utf8_trim_whitespace(values).cast(field.type))
    return columns


def _estimate_rows(file: InputFile) -> int:
    size = file.path.stat().st_size
    with pa.OSFile(str(file.path)) as raw:
        compression = pa.Codec.detect(str(file.path)).name if _is_compressed(file) else None
        stream = raw if compression is None else pa.CompressedInputStream(raw, compression)
        beginning = stream.read(_GUESS_BYTES)
        read = raw.tell()
    lines = beginning.count(b"\n")
    return max(0, round(lines * size / read) - 1) if read else 0


def _is_compressed(file: InputFile) -> bool:
    return file.path.suffix.lower() in COMPRESSIONS
