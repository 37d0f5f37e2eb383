"""Rows of Parquet files, hive partitions among their columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs
import pyarrow.parquet as pq

from pipeline.data.files import FileStamp, InputFile, partition_types, require_files
from pipeline.data.source import Batch, Source, reading, require_columns, require_distinct, typed_columns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.data.conditions import Condition

_FORMAT = "Parquet"
_BATCH_ROWS = 1 << 20
#: Batches decoded ahead of the one in use; what bounds the memory of a scan, with the size of the row groups.
_READAHEAD = 2


class ParquetSource(Source):
    """One or more Parquet files.

    Row groups and partitions that a condition rules out are not read. A partition (``key=value`` folder) is a column
    of integers if all its values are written as integers would be, else of strings; where a file has a column of the
    same name, the file's is taken.
    """

    text = False

    def __init__(self, path: str, files: list[InputFile]) -> None:
        super().__init__(path)
        self._files = files
        self._partition_types = partition_types(files)

    def stamps(self) -> list[FileStamp]:
        """One for each file."""
        return [stamp for file in self._files if (stamp := file.stamp()) is not None]

    @property
    def schema(self) -> pa.Schema:
        """Columns of the first file, and its partitions."""
        require_files(self._files, self.path)
        with reading(self._files[0].path, _FORMAT):
            return self._with_partitions(self._files[0], self._fragment(self._files[0]).physical_schema)

    def estimated_rows(self) -> int:
        """Exactly how many rows there are, from the files' metadata."""
        total = 0
        for file in self._files:
            with reading(file.path, _FORMAT):
                total += pq.read_metadata(file.path).num_rows
        return total

    def batches(self, columns: Sequence[str], condition: Condition | None = None) -> Iterator[Batch]:
        """Read some columns, file by file."""
        require_files(self._files, self.path)
        self.rows_seen = 0
        needed = [*columns, *(condition.columns if condition else ())]
        for file in self._files:
            with reading(file.path, _FORMAT):
                fragment = self._fragment(file)
                schema = self._with_partitions(file, fragment.physical_schema)
                require_columns(needed, schema.names, str(file.path))
                require_distinct(needed, schema.names, str(file.path))
                scanner = fragment.scanner(
                    schema=schema,
                    columns=list(dict.fromkeys(columns)),
                    filter=condition.expression(typed_columns(schema)) if condition else None,
                    batch_size=_BATCH_ROWS,
                    batch_readahead=_READAHEAD,
                )
                rows_before = self.rows_seen
                for rows in scanner.to_batches():
                    self.rows_seen += rows.num_rows
                    if rows.num_rows:
                        yield Batch(str(file.path), rows)
                self.rows_seen = rows_before + fragment.metadata.num_rows  # with those the condition left out

    def _with_partitions(self, file: InputFile, schema: pa.Schema) -> pa.Schema:
        for name in file.partitions:
            if name not in schema.names:
                schema = schema.append(pa.field(name, self._partition_types[name]))
        return schema

    def _fragment(self, file: InputFile) -> ds.ParquetFileFragment:
        file_format = ds.ParquetFileFormat()
        filesystem = pyarrow.fs.LocalFileSystem()
        fragment = file_format.make_fragment(str(file.path), filesystem)
        values = {name: text for name, text in file.partitions.items() if name not in fragment.physical_schema.names}
        if not values:
            return fragment
        expression = pc.scalar(True)
        for name, text in values.items():
            value = None if text is None else pa.scalar(text).cast(self._partition_types[name])
            expression &= pc.field(name).is_null() if value is None else pc.field(name) == value
        return file_format.make_fragment(str(file.path), filesystem, partition_expression=expression)
