"""NumPy's .npy: a matrix of real numbers, in C or in Fortran order, of format versions 1 to 3."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

import numpy as np

from annlib.vectors.base import VectorBlock, VectorFileError, VectorSource, check_dim, rows_per_block
from annlib.vectors.files import InputFile
from annlib.vectors.rows import check_size, row_blocks

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from annlib.vectors.files import ByteReader

__all__ = ["NpySource"]

MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 1 << 16
_REAL = re.compile(r"[<>|=][fiub][0-9]{1,2}")


class NpySource(VectorSource):
    """A .npy file."""

    format = "npy"
    count: int

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = InputFile(path)
        with self._file.open() as reader:
            self._dtype, self._fortran, (count, dim) = _read_header(reader)
            self._start = reader.offset
        super().__init__(path, dim=check_dim(self._file.path, dim, offset=0), count=count)
        row_bytes = dim * self._dtype.itemsize
        check_size(self.path, self._file.size, start=self._start, row_bytes=row_bytes, count=count)
        if self._fortran and self._file.compressed:
            raise VectorFileError(
                "expected rows one after another in a compressed file, got columns (Fortran order)",
                path=self.path,
                advice="Decompress the file first.",
            )

    def blocks(self) -> Iterator[VectorBlock]:  # noqa: D102
        done = 0
        for rows in self._columnwise() if self._fortran else self._rowwise():
            yield VectorBlock(self._finite(rows, done))
            done += len(rows)

    def _rowwise(self) -> Iterator[NDArray[np.generic]]:
        with self._file.open() as reader:
            reader.read(self._start)
            row = np.dtype([("vector", self._dtype, (self.dim,))])
            for rows in row_blocks(reader, row, self.count):
                yield rows["vector"]

    def _columnwise(self) -> Iterator[NDArray[np.generic]]:
        if self.count == 0:
            return
        shape = (self.count, self.dim)
        matrix = np.memmap(self.path, dtype=self._dtype, mode="r", offset=self._start, shape=shape, order="F")
        step = rows_per_block(self.dim * self._dtype.itemsize)
        for first in range(0, self.count, step):
            yield matrix[first : first + step]


def _read_header(reader: ByteReader) -> tuple[np.dtype[np.generic], bool, tuple[int, int]]:
    magic = reader.read(len(MAGIC) + 2)
    if magic[: len(MAGIC)] != MAGIC or len(magic) < len(MAGIC) + 2:
        raise VectorFileError(f"expected a .npy file, which starts with {MAGIC!r}, got {magic!r}", path=reader.path)
    version = magic[len(MAGIC)]
    if version not in (1, 2, 3):
        raise VectorFileError(f"expected format version 1, 2 or 3, got {version}", path=reader.path, offset=len(MAGIC))
    length = int.from_bytes(reader.read_exactly(2 if version == 1 else 4, "the header's length"), "little")
    if length > _LONGEST_HEADER:
        raise reader.error(f"expected a header of up to {_LONGEST_HEADER} bytes, got {length}")
    start = reader.offset
    text = reader.read_exactly(length, "header")
    try:
        return _parse_header(text.decode("utf-8" if version == 3 else "latin-1"))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        raise VectorFileError(f"bad header: {error}", path=reader.path, offset=start) from None


def _parse_header(text: str) -> tuple[np.dtype[np.generic], bool, tuple[int, int]]:
    header = ast.literal_eval(text.strip())
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise ValueError("expected a dictionary of descr, fortran_order and shape")
    descr, fortran, shape = header["descr"], header["fortran_order"], header["shape"]
    if not isinstance(descr, str) or not _REAL.fullmatch(descr):
        raise ValueError(f"expected real numbers, got dtype {descr!r}")
    if not isinstance(fortran, bool):
        raise ValueError(f"expected fortran_order True or False, got {fortran!r}")
    if not isinstance(shape, tuple) or len(shape) != 2 or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"expected a shape (n, d), got {shape!r}")
    return np.dtype(descr), fortran, (shape[0], shape[1])
