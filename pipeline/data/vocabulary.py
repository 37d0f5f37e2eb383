"""The ids of one entity type, sorted and numbered, with their names."""

from __future__ import annotations

import bisect
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.data.ids import INTEGER, STRING, integer_of_text, same_type

if TYPE_CHECKING:
    import os

    import numpy as np
    from numpy.typing import NDArray


class Vocabulary:
    """Ids of one entity type; the row of an id is its place in the sorted order.

    Parameters
    ----------
    ids
        int64 or string, distinct, ascending (strings by their UTF-8 bytes), without nulls.
    names
        Strings, one for each id, null where there is no name; None where the entity type has no names at all.
    """

    def __init__(self, ids: pa.Array, names: pa.Array | None = None) -> None:
        if ids.type not in (INTEGER, STRING):
            raise TypeError(f"ids: expected int64 or string, got {ids.type}")
        if names is not None and (names.type != STRING or len(names) != len(ids)):
            raise ValueError(f"names: expected {len(ids)} strings, got {len(names)} of type {names.type}")
        self.ids = ids
        self.names = names

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, ids: pa.Array) -> NDArray[np.int32]:
        """Rows of ids, int32; -1 for null and for ids that are not in the vocabulary.

        Parameters
        ----------
        ids
            Of the type of the vocabulary's ids; see :func:`pipeline.data.ids.ids_like`.
        """
        if ids.type != self.ids.type:
            raise TypeError(f"ids: expected {self.ids.type}, got {ids.type}")
        found = pc.fill_null(pc.index_in(ids, value_set=self.ids, skip_nulls=True), -1)
        rows: NDArray[np.int32] = found.to_numpy(zero_copy_only=False)
        return rows

    def row(self, id: int | str) -> int:  # noqa: A002
        """Row of one id, -1 if it is not in the vocabulary (which an id of the other type never is)."""
        if not same_type(id, self.ids.type):
            return -1
        key = _sort_key(id)
        row = bisect.bisect_left(range(len(self)), key, key=lambda row: _sort_key(self.ids[row].as_py()))
        return row if row < len(self) and self.ids[row].as_py() == id else -1

    def parse(self, text: str) -> int | str:
        """Take text, as from a command line, for an id of this vocabulary's type; it stays text if it cannot be one."""
        if self.ids.type == STRING:
            return text
        integer = integer_of_text(text)
        return text if integer is None else integer

    def id(self, row: int) -> int | str:
        """Id of a row."""
        value: int | str = self.ids[int(row)].as_py()
        return value

    def name(self, row: int) -> str:
        """Name of a row; the text of its id where there is none."""
        name = None if self.names is None else self.names[int(row)].as_py()
        return str(self.id(row)) if name is None else str(name)

    def display_names(self) -> pa.Array:
        """Names of all rows as strings, the texts of their ids where there are none."""
        texts = self.ids.cast(STRING)
        return texts if self.names is None else pc.coalesce(self.names, texts)

    def take(self, rows: NDArray[np.integer]) -> Vocabulary:
        """The vocabulary of some rows only, which must ascend."""
        indices = pa.array(rows)
        return Vocabulary(self.ids.take(indices), None if self.names is None else self.names.take(indices))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write columns ``id`` and, if there are names, ``name`` as Parquet; the same content gives the same bytes."""
        columns = {"id": self.ids} if self.names is None else {"id": self.ids, "name": self.names}
        pq.write_table(pa.table(columns), path, compression="zstd", row_group_size=1 << 20)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Vocabulary:
        """Read what :meth:`save` wrote."""
        table = pq.ParquetFile(Path(path)).read().combine_chunks()
        columns = {name: _one_chunk(table.column(name)) for name in table.column_names}
        return cls(columns["id"], columns.get("name"))


def _one_chunk(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.array([], column.type)])


def _sort_key(id: int | str) -> int | bytes:  # noqa: A002
    return id.encode() if isinstance(id, str) else int(id)
