"""What every format of vectors gives: a source with a dimension, a count and blocks; and the error that all raise."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from annlib._native import MAX_DIM
from annlib.errors import AnnlibError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from annlib.metric import Metric

__all__ = ["VectorBlock", "VectorFileError", "VectorSource"]

BLOCK_BYTES = 16 << 20
"""About how many bytes of a file become one block, at most."""


_ADVICE = "Take the file from its source again, or name its format if it is another than was found."


class VectorFileError(AnnlibError):
    """A file of vectors is damaged, or is not what its format says.

    Parameters
    ----------
    message
        What was expected and what came.
    path
        The file.
    line
        Where in a text file, counted from 1.
    offset
        Where in a binary file, in bytes (of the content, where the file is compressed).
    row
        Which vector, counted from 0.
    advice
        What to do about it, as one sentence, where something better is known than to get the file again.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str,
        line: int | None = None,
        offset: int | None = None,
        row: int | None = None,
        advice: str | None = None,
    ) -> None:
        self.message = message
        self.path = path
        self.line = line
        self.offset = offset
        self.row = row
        self.advice = _ADVICE if advice is None else advice
        places = (("line", line), ("byte", offset), ("row", row))
        place = ", ".join(f"{name} {number}" for name, number in places if number is not None)
        super().__init__(": ".join(part for part in (path, place, message) if part))

    def __reduce__(self) -> tuple[object, ...]:
        return _vector_file_error, (self.message, self.path, self.line, self.offset, self.row, self.advice)


def _vector_file_error(
    message: str, path: str, line: int | None, offset: int | None, row: int | None, advice: str | None
) -> VectorFileError:
    return VectorFileError(message, path=path, line=line, offset=offset, row=row, advice=advice)


@dataclass(frozen=True)
class VectorBlock:
    """Some consecutive vectors of a source.

    Parameters
    ----------
    vectors
        Float32, shape ``(b, d)``, finite, C-contiguous.
    ids
        ``b`` words, or int64 ids; None where the row numbers are the ids.
    """

    vectors: NDArray[np.float32]
    ids: list[str] | NDArray[np.int64] | None = None


class VectorSource(ABC):
    """A file of vectors, opened: its size is known, its vectors are read when asked for.

    Attributes
    ----------
    path : str
    format : str
        One of :data:`annlib.vectors.FORMATS`.
    dim : int
        Dimensions of the vectors.
    count : int or None
        How many vectors there are; None where only reading them tells.
    has_ids : bool
        Whether the blocks come with ids.
    metric : Metric or None
        The metric that the file says is meant for its vectors, where it says one.
    """

    format: str
    metric: Metric | None = None

    def __init__(self, path: str | os.PathLike[str], *, dim: int, count: int | None, has_ids: bool = False) -> None:
        self.path = os.fspath(path)
        self.dim = dim
        self.count = count
        self.has_ids = has_ids

    @abstractmethod
    def blocks(self) -> Iterator[VectorBlock]:
        """Read the vectors from the first to the last; may be called again.

        Raises
        ------
        VectorFileError
            The file is not what its format says.
        OSError
            The file cannot be read.
        """

    def place(self, row: int) -> str:
        """Name the place of a vector as the format counts: its row, or its line."""
        return f"row {row}"

    def error_at_row(self, row: int, message: str, *, advice: str | None = None) -> VectorFileError:
        """Return an error about one vector, naming its place as the format counts."""
        return VectorFileError(message, path=self.path, row=row, advice=advice)

    def __repr__(self) -> str:
        count = "?" if self.count is None else self.count
        return f"{type(self).__name__}({self.path!r}, {count} x {self.dim})"

    def _finite(self, vectors: NDArray[np.generic], first_row: int) -> NDArray[np.float32]:
        """Convert vectors to float32, or raise for the first that is not finite."""
        with np.errstate(over="ignore", invalid="ignore"):
            converted = np.ascontiguousarray(vectors, dtype=np.float32)
        row = first_non_finite(converted)
        if row is None:
            return converted
        column = int(np.flatnonzero(~np.isfinite(converted[row]))[0])
        value = vectors[row, column]
        expected = "numbers within the range of float32" if np.isfinite(value) else "finite numbers"
        raise self.error_at_row(
            first_row + row,
            f"expected {expected}, got {value} in dimension {column}",
            advice="Every number must be finite in float32: repair the vector, or leave it out.",
        )


def first_non_finite(vectors: NDArray[np.float32]) -> int | None:
    """Return the first row that has a NaN or an infinity, None if all are finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        # One pass without temporaries: NaN and infinity survive in a sum of squares.
        if np.isfinite(np.einsum("ij,ij->", vectors, vectors)):
            return None
    rows = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    return int(rows[0]) if rows.size > 0 else None  # none where only the sum was too large


def rows_per_block(row_bytes: int) -> int:
    """Return how many rows of a file make one block."""
    return max(1, BLOCK_BYTES // row_bytes)


def check_dim(path: str, dim: int, *, offset: int | None = None, line: int | None = None) -> int:
    """Return a dimension that an index can have, or raise."""
    if not 1 <= dim <= MAX_DIM:
        raise VectorFileError(
            f"expected vectors of 1 to {MAX_DIM} dimensions, got {dim}", path=path, offset=offset, line=line
        )
    return dim
