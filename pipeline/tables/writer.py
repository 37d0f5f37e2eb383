"""The rows of a table as Parquet files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.tables.schema import LISTS_COLUMN, is_nested

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from pipeline.tables.neighbors import Lists

#: Rows of a row group: written whenever twice as many are at hand, so that only a small table has smaller ones.
ROW_GROUP_ROWS = 500_000
#: Rows of a file, about; another part is begun beyond.
PART_ROWS = 20 * ROW_GROUP_ROWS
#: What the column ``source`` says of rows that fill short lists.
POPULAR = "popular"


@dataclass
class TableWriter:
    """Writes lists of neighbours as Parquet files of bounded row groups; a context manager.

    Attributes
    ----------
    folder
        Where ``part-00000.parquet`` and so on go.
    rows, sources, short_lists
        Counts of what was written: entries of lists, which in long form are the rows of the files, sources with at
        least one, lists shorter than asked for.
    row_group_rows, part_rows
        Entries of a row group, and of a file, about.
    """

    folder: Path
    schema: pa.Schema
    source_ids: pa.Array
    target_ids: pa.Array
    k: int
    row_group_rows: int = ROW_GROUP_ROWS
    part_rows: int = PART_ROWS
    rows: int = 0
    sources: int = 0
    short_lists: int = 0
    parts: list[Path] = field(default_factory=list)
    _pending: list[pa.RecordBatch] = field(default_factory=list)
    _pending_rows: int = 0
    _file: pq.ParquetWriter | None = None
    _file_rows: int = 0

    def __post_init__(self) -> None:
        if is_nested(self.schema):  # whose rows are lists
            self.row_group_rows = max(1, self.row_group_rows // self.k)
            self.part_rows = max(1, self.part_rows // self.k)

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush(everything=True)
            if not self.parts:
                self._open_part()  # a table without rows is a file without rows, with the columns it would have
        self._close_part()

    def add(self, lists: Lists) -> None:
        """Append the rows of some lists; sources must come in ascending order."""
        batch = self._rows_of(lists)
        self._pending.append(batch)
        self._pending_rows += batch.num_rows
        if self._pending_rows >= 2 * self.row_group_rows:
            self._flush(everything=False)

    def _rows_of(self, lists: Lists) -> pa.RecordBatch:
        valid = lists.target_rows >= 0
        lengths = valid.sum(axis=1)
        self.sources += int(np.count_nonzero(lengths))
        self.short_lists += int(np.count_nonzero(lengths < self.k))
        n = int(lengths.sum())
        self.rows += n
        relevance = pa.nulls(n, pa.float32())
        if lists.relevance is not None:
            own = lists.relevance[valid]
            relevance = pa.array(own, mask=np.isnan(own))
        source = pa.nulls(n, pa.string())
        if lists.popular is not None:
            source = pa.DictionaryArray.from_arrays(
                pa.array(np.zeros(n, np.int8), mask=~lists.popular[valid]), [POPULAR]
            ).cast(pa.string())
        entries = {
            "item_id": self.target_ids.take(pa.array(lists.target_rows[valid])),
            "score": pa.array(lists.scores[valid]),
            "relevance": relevance,
            "source": source,
        }
        if is_nested(self.schema):
            return self._nested(lists.source_rows, lengths, entries)
        ranks = np.broadcast_to(np.arange(1, valid.shape[1] + 1, dtype=np.int32), valid.shape)
        entries["rank"] = pa.array(ranks[valid])
        keys = self.source_ids.take(pa.array(np.repeat(lists.source_rows, lengths)))
        return pa.RecordBatch.from_arrays(
            [keys, *(entries[name] for name in self.schema.names[1:])], schema=self.schema
        )

    def _nested(
        self, source_rows: NDArray[np.int64], lengths: NDArray[np.int64], entries: dict[str, pa.Array]
    ) -> pa.RecordBatch:
        """A row for each list that has entries."""
        kind = self.schema.field(1).type
        fields = list(kind.value_type)
        structs = pa.StructArray.from_arrays([entries[field.name] for field in fields], fields=fields)
        there = lengths > 0
        offsets = pa.array(np.r_[0, np.cumsum(lengths[there])], pa.int32())
        keys = self.source_ids.take(pa.array(source_rows[there]))
        return pa.RecordBatch.from_arrays(
            [keys, pa.ListArray.from_arrays(offsets, structs, type=kind)], schema=self.schema
        )

    def _flush(self, *, everything: bool) -> None:
        table = pa.Table.from_batches(self._pending, schema=self.schema)
        while table.num_rows >= 2 * self.row_group_rows:
            self._write_group(table.slice(0, self.row_group_rows))
            table = table.slice(self.row_group_rows)
        if everything and table.num_rows:
            self._write_group(table)
            table = table.slice(table.num_rows)
        self._pending = table.to_batches()
        self._pending_rows = table.num_rows

    def _write_group(self, group: pa.Table) -> None:
        if self._file is not None and self._file_rows + group.num_rows > self.part_rows:
            self._close_part()
        if self._file is None:
            self._open_part()
        assert self._file is not None  # noqa: S101 - for the type checker
        self._file.write_table(group, row_group_size=group.num_rows)
        self._file_rows += group.num_rows

    def _open_part(self) -> None:
        path = self.folder / f"part-{len(self.parts):05d}.parquet"
        self.parts.append(path)
        self._file_rows = 0
        within = f"{LISTS_COLUMN}.list.element." if is_nested(self.schema) else ""
        self._file = pq.ParquetWriter(
            path,
            self.schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=[self.schema.names[0], f"{within}item_id", "rank"],
            column_encoding={f"{within}score": "BYTE_STREAM_SPLIT"},
        )

    def _close_part(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
