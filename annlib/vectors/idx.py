"""The idx format of MNIST: a big-endian header of type and shape, then the numbers. An image becomes one vector."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from annlib.vectors.base import VectorBlock, VectorFileError, VectorSource, check_dim
from annlib.vectors.files import InputFile
from annlib.vectors.rows import check_size, row_blocks

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from annlib.vectors.files import ByteReader

__all__ = ["IdxSource"]

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


class IdxSource(VectorSource):
    """An idx file of images, or of anything else of two or more dimensions; all but the first are flattened."""

    format = "idx"
    count: int

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = InputFile(path)
        with self._file.open() as reader:
            dtype, shape = _read_header(reader)
            self._start = reader.offset
        super().__init__(path, dim=check_dim(self._file.path, math.prod(shape[1:]), offset=4), count=shape[0])
        self._row = np.dtype([("vector", dtype, (self.dim,))])
        check_size(self.path, self._file.size, start=self._start, row_bytes=self._row.itemsize, count=self.count)

    def blocks(self) -> Iterator[VectorBlock]:  # noqa: D102
        done = 0
        with self._file.open() as reader:
            reader.read(self._start)
            for rows in row_blocks(reader, self._row, self.count):
                yield VectorBlock(self._finite(rows["vector"], done))
                done += len(rows)


def _read_header(reader: ByteReader) -> tuple[str, tuple[int, ...]]:
    magic = reader.read_exactly(4, "the magic number")
    if magic[2:] == b"\0\0" and magic[1] in _TYPES:
        raise VectorFileError(
            f"expected the magic number in big-endian order, got {magic!r}: little-endian", path=reader.path, offset=0
        )
    if magic[:2] != b"\0\0" or magic[2] not in _TYPES:
        raise VectorFileError(
            f"expected an idx file, which starts with two zeros and a type, got {magic!r}", path=reader.path, offset=0
        )
    if magic[3] < 2:
        raise VectorFileError(
            f"expected at least 2 dimensions, one vector each of the first, got {magic[3]}",
            path=reader.path,
            offset=3,
            advice="Give the file of the images, not that of their labels.",
        )
    sizes = reader.read_exactly(4 * magic[3], "the shape")
    return _TYPES[magic[2]], tuple(np.frombuffer(sizes, dtype=">u4").tolist())
