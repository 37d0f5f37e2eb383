"""Parquet: vectors as one column of lists, or as one numeric column for each dimension; ids from a column."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from annlib.vectors.base import VectorBlock, VectorFileError, VectorSource, check_dim, rows_per_block

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from annlib.index import Index

__all__ = ["ParquetSource", "write_parquet"]


class ParquetSource(VectorSource):
    """A Parquet file, or a folder of them, which are read in the order of their names."""

    format = "parquet"
    count: int

    def __init__(
        self, path: str | os.PathLike[str], *, id_column: str | None = None, vector_column: str | None = None
    ) -> None:
        self._files = _files(Path(path))
        self._id_column = id_column
        with _opened(self._files[0]) as file:
            self._schema = file.schema_arrow
            self._columns = _vector_columns(str(self._files[0]), self._schema, id_column, vector_column)
            self._is_list = _is_list(self._schema.field(self._columns[0]).type)
            dim = self._list_length(file) if self._is_list else len(self._columns)
        count = 0
        for name in self._files:
            with _opened(name) as file:
                self._check_schema(name, file.schema_arrow)
                count += file.metadata.num_rows
        super().__init__(path, dim=check_dim(str(path), dim), count=count, has_ids=id_column is not None)

    def _list_length(self, file: pq.ParquetFile) -> int:
        kind = self._schema.field(self._columns[0]).type
        if pa.types.is_fixed_size_list(kind):
            return int(kind.list_size)
        first = next(file.iter_batches(batch_size=1, columns=self._columns), None)
        if first is None or len(first) == 0 or not first.column(0)[0].is_valid:
            raise VectorFileError(
                f"expected a list in column {self._columns[0]!r} to tell the dimension", path=str(self._files[0]), row=0
            )
        return len(first.column(0)[0])

    def _check_schema(self, name: Path, schema: pa.Schema) -> None:
        for column in [*self._columns, *([] if self._id_column is None else [self._id_column])]:
            expected = self._schema.field(column).type
            if column not in schema.names or schema.field(column).type != expected:
                raise VectorFileError(
                    f"expected column {column!r} of {expected}, as in {self._files[0].name}", path=str(name)
                )

    def blocks(self) -> Iterator[VectorBlock]:  # noqa: D102
        row = 0
        columns = [*self._columns, *([] if self._id_column is None else [self._id_column])]
        for name in self._files:
            with _opened(name) as file:
                for batch in file.iter_batches(batch_size=rows_per_block(4 * self.dim), columns=columns):
                    if len(batch) > 0:
                        vectors = self._lists(batch, row) if self._is_list else self._numbers(batch, row)
                        yield VectorBlock(self._finite(vectors, row), self._ids(batch, row))
                        row += len(batch)
        if row != self.count:
            raise VectorFileError(f"expected {self.count} rows, as the metadata promise, got {row}", path=self.path)

    def _lists(self, batch: pa.RecordBatch, first_row: int) -> NDArray[np.generic]:
        column = batch.column(batch.schema.names.index(self._columns[0]))
        self._refuse_null(self._columns[0], column, first_row)
        lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
        other = np.flatnonzero(lengths != self.dim)
        if other.size > 0:
            raise self.error_at_row(
                first_row + int(other[0]),
                f"expected {self.dim} numbers, as the first row has, got {lengths[other[0]]}",
            )
        values = column.flatten()
        if values.null_count > 0:
            at = int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0])
            raise self._null(self._columns[0], first_row + at // self.dim)
        return _to_numpy(values).reshape(-1, self.dim)

    def _numbers(self, batch: pa.RecordBatch, first_row: int) -> NDArray[np.generic]:
        columns = []
        for name in self._columns:
            column = batch.column(batch.schema.names.index(name))
            self._refuse_null(name, column, first_row)
            columns.append(_to_numpy(column))
        return np.stack(columns, axis=1)

    def _ids(self, batch: pa.RecordBatch, first_row: int) -> list[str] | NDArray[np.int64] | None:
        if self._id_column is None:
            return None
        column = batch.column(batch.schema.names.index(self._id_column))
        self._refuse_null(self._id_column, column, first_row)
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if pa.types.is_integer(column.type):
            return np.ascontiguousarray(column.cast(pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)
        try:
            ids: list[str] = column.to_pylist()
        except UnicodeDecodeError as error:
            raise self.error_at_row(first_row, f"expected ids in UTF-8 from here on: {error}") from None
        return ids

    def _refuse_null(self, name: str, column: pa.Array, first_row: int) -> None:
        if column.null_count > 0:
            at = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
            raise self._null(name, first_row + at)

    def _null(self, name: str, row: int) -> VectorFileError:
        return self.error_at_row(row, f"expected no null in column {name!r}", advice="Leave such rows out.")


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*.parquet") if not file.name.startswith((".", "_")))
    if not files:
        raise VectorFileError("expected a folder of Parquet files, found none in it", path=str(path))
    return files


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a file, and turn what pyarrow raises of its content into an error that names it."""
    with pa.OSFile(str(path)) as raw:  # an absent file is no bad one
        try:
            with pq.ParquetFile(raw, page_checksum_verification=True) as file:
                yield file
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            lines = str(error).splitlines() or [type(error).__name__]
            raise VectorFileError(f"not a Parquet file that can be read: {lines[0]}", path=str(path)) from None


def _vector_columns(path: str, schema: pa.Schema, id_column: str | None, vector_column: str | None) -> list[str]:
    """Choose the column of lists, or the columns of numbers."""
    for name in (id_column, vector_column):
        if name is not None and schema.names.count(name) != 1:
            raise VectorFileError(
                f"expected one column {name!r}, got the columns {', '.join(schema.names)}",
                path=path,
                advice="Name one of these columns.",
            )
    if id_column is not None and not _is_id(schema.field(id_column).type):
        raise VectorFileError(
            f"expected integers or strings in column {id_column!r}, got {schema.field(id_column).type}",
            path=path,
            advice="Name a column of ids.",
        )
    if vector_column is not None:
        if not _is_list(schema.field(vector_column).type):
            raise VectorFileError(
                f"expected lists of numbers in column {vector_column!r}, got {schema.field(vector_column).type}",
                path=path,
                advice="Name a column of lists, or none where each dimension is a column.",
            )
        return [vector_column]
    lists = [field.name for field in schema if _is_list(field.type)]
    if len(lists) > 1:
        raise VectorFileError(
            f"expected one column of lists, got {', '.join(lists)}", path=path, advice="Name the column of the vectors."
        )
    return lists or _number_columns(path, schema, id_column)


def _number_columns(path: str, schema: pa.Schema, id_column: str | None) -> list[str]:
    fields = [field for field in schema if _is_number(field.type) and field.name != id_column]
    if not fields:
        found = ", ".join(f"{field.name} of {field.type}" for field in schema)
        raise VectorFileError(
            f"expected a column of lists or columns of numbers, got {found or 'none'}",
            path=path,
            advice="Write the vectors as a column of lists of numbers.",
        )
    integers = [field.name for field in fields if pa.types.is_integer(field.type)]
    if id_column is None and 0 < len(integers) < len(fields):
        raise VectorFileError(
            f"expected columns of one kind as dimensions, got integers in {', '.join(integers[:5])} beside others",
            path=path,
            advice="Name the column of ids, or leave out what is no dimension.",
        )
    return [field.name for field in fields]


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _is_list(kind: pa.DataType) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(is_list and _is_number(kind.value_type))


def _is_id(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_id(kind.value_type)
    return bool(pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _to_numpy(column: pa.Array) -> NDArray[np.generic]:
    array: NDArray[Any] = column.to_numpy(zero_copy_only=False)
    return array


def write_parquet(index: Index, path: str | os.PathLike[str]) -> None:
    """Write the items of an index: ``id`` where it has ids, ``name`` where it has names, and ``vector``."""
    fields = []
    if index.info["id_type"] != "rows":
        fields.append(pa.field("id", pa.string() if index.info["id_type"] == "strings" else pa.int64(), nullable=False))
    if index.info["has_names"]:
        fields.append(pa.field("name", pa.string(), nullable=False))
    fields.append(pa.field("vector", pa.list_(pa.float32(), index.dim), nullable=False))
    schema = pa.schema(fields)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        step = rows_per_block(4 * index.dim)
        for first in range(0, len(index), step):
            rows = np.arange(first, min(first + step, len(index)))
            vectors = pa.FixedSizeListArray.from_arrays(pa.array(index.vectors[rows].ravel()), index.dim)
            columns = {"id": index.ids_of(rows), "name": index.names_of(rows), "vector": vectors}
            arrays = [pa.array(columns[field.name], type=field.type) for field in fields]
            writer.write_table(pa.table(arrays, schema=schema))
