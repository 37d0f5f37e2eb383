"""The rows of a table, in long form whatever the form of its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.tables.schema import LISTS_COLUMN, is_nested, long_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

#: Rows of a batch, about.
BATCH_ROWS = 1 << 16


@dataclass(frozen=True)
class RowGroup:
    """A row group of a table's file.

    Attributes
    ----------
    path
        The Parquet file.
    number
        Its number there.
    rows
        Its rows in long form.
    """

    path: Path
    number: int
    rows: int

    def batches(self, batch_rows: int = BATCH_ROWS, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Read it in long form, about so many rows at a time: the key and these columns, or all."""
        with pq.ParquetFile(self.path) as file:
            in_file = file.metadata.row_group(self.number).num_rows
            size = max(1, batch_rows * in_file // max(self.rows, 1))
            nested = is_nested(file.schema_arrow)
            wanted = None if columns is None else [file.schema_arrow.names[0], *columns]
            only = None if nested else wanted
            for batch in file.iter_batches(size, row_groups=[self.number], columns=only, use_threads=False):
                rows = long_form(batch)
                yield rows if wanted is None else rows.select(wanted)


def row_groups(parts: Sequence[Path]) -> Iterator[RowGroup]:
    """The row groups of a table's files, in order."""
    for path in parts:
        with pq.ParquetFile(path) as file:
            metadata = file.metadata
            for number in range(metadata.num_row_groups):
                # Of ``item_id``: there is one in every row of the long form, and one for every entry of a list.
                yield RowGroup(path, number, metadata.row_group(number).column(1).num_values)


def read_long(
    folder: Path, batch_rows: int = BATCH_ROWS, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Read a table's folder in long form, about so many rows at a time, in order: the key and these columns, or all."""
    for group in row_groups(sorted(folder.glob("part-*.parquet"))):
        yield from group.batches(batch_rows, columns)


def schema_of(part: Path) -> pa.Schema:
    """The columns of a table's file in long form."""
    schema = pq.read_schema(part).remove_metadata()
    if not is_nested(schema):
        return schema
    element = schema.field(LISTS_COLUMN).type.value_type
    return long_schema(schema.names[0], schema.field(0).type, element.field("item_id").type)


def long_form(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Rows of a table as one row for each entry; what is in that form already is given back."""
    if not is_nested(batch.schema):
        return batch
    lists = batch.column(LISTS_COLUMN)
    parents = pc.list_parent_indices(lists).to_numpy()
    starts = np.flatnonzero(np.r_[True, parents[1:] != parents[:-1]]) if len(parents) else parents
    lengths = np.diff(np.r_[starts, len(parents)])
    ranks = np.arange(1, len(parents) + 1) - np.repeat(starts, lengths)
    structs = lists.flatten()
    keys = batch.column(0).take(pa.array(parents))
    schema = long_schema(batch.schema.names[0], keys.type, structs.type.field("item_id").type)
    known = {name: structs.field(name) for name in structs.type.names}
    columns = {**known, schema.names[0]: keys, "rank": pa.array(ranks, pa.int32())}
    return pa.RecordBatch.from_arrays(
        [columns.get(field.name, pa.nulls(len(keys), field.type)) for field in schema], schema=schema
    )
