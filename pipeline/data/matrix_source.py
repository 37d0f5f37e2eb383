"""Entries of sparse matrices that SciPy has saved, as rows."""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING

import pyarrow as pa
from scipy import sparse

from pipeline.data.files import FileStamp, InputFile, require_files
from pipeline.data.source import Batch, Source, require_columns, typed_columns
from pipeline.errors import DataError, MissingInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.data.conditions import Condition

_SCHEMA = pa.schema([("row", pa.int64()), ("column", pa.int64()), ("value", pa.float64())])
_BATCH_ROWS = 1 << 20


class MatrixSource(Source):
    """One or more ``.npz`` files of :func:`scipy.sparse.save_npz`, each read whole.

    Columns are ``row``, ``column`` and ``value``, of every stored entry: the ids of a matrix are its rows and columns.
    """

    text = False

    def __init__(self, path: str, files: list[InputFile]) -> None:
        super().__init__(path)
        self._files = files

    def stamps(self) -> list[FileStamp]:
        """One for each file."""
        return [stamp for file in self._files if (stamp := file.stamp()) is not None]

    @property
    def schema(self) -> pa.Schema:
        """Row, column and value."""
        require_files(self._files, self.path)
        return _SCHEMA

    def estimated_rows(self) -> int:
        """Exactly how many entries are stored."""
        return sum(_load(file.path).nnz for file in self._files)

    def batches(self, columns: Sequence[str], condition: Condition | None = None) -> Iterator[Batch]:
        """Give the entries, matrix by matrix, in the order they are stored in."""
        require_files(self._files, self.path)
        require_columns([*columns, *(condition.columns if condition else ())], _SCHEMA.names, self.path)
        self.rows_seen = 0
        wanted = list(dict.fromkeys(columns))
        for file in self._files:
            matrix = _load(file.path)
            self.rows_seen += matrix.nnz
            for start in range(0, matrix.nnz, _BATCH_ROWS):
                rows = slice(start, start + _BATCH_ROWS)
                entries = (matrix.row[rows], matrix.col[rows], matrix.data[rows])
                table = pa.table(
                    [
                        pa.array(part.astype(kind.to_pandas_dtype()), kind)
                        for part, kind in zip(entries, _SCHEMA.types, strict=True)
                    ],
                    schema=_SCHEMA,
                )
                if condition is not None:
                    table = table.filter(condition.expression(typed_columns(_SCHEMA)))
                for batch in table.select(wanted).to_batches():
                    yield Batch(str(file.path), batch)


def _load(path: Path) -> sparse.coo_array:
    try:
        with path.open("rb") as file:  # opened here, to be closed whatever is in it
            matrix = sparse.coo_array(sparse.load_npz(file))
    except FileNotFoundError:
        raise MissingInputError(f"{path}: gone while it was read") from None
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: cannot be read as a matrix that scipy.sparse.save_npz wrote: {error}") from None
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiub":
        raise DataError(f"{path}: expected a matrix of real numbers, got {matrix.ndim} dimensions of {matrix.dtype}")
    return matrix
