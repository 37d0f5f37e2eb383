"""The TEXMEX formats: each vector is its dimension, int32, and its components: .fvecs, .bvecs and .ivecs.

As in Jegou, Douze and Schmid, "Product quantization for nearest neighbor search" (TPAMI 2011).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from annlib.vectors.base import VectorBlock, VectorFileError, VectorSource, check_dim
from annlib.vectors.files import InputFile
from annlib.vectors.rows import row_blocks

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

__all__ = ["TexmexSource"]

_COMPONENTS = {".fvecs": "<f4", ".bvecs": "u1", ".ivecs": "<i4"}


class TexmexSource(VectorSource):
    """A file of float32 (.fvecs, and any other ending), uint8 (.bvecs) or int32 (.ivecs)."""

    format = "fvecs"

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = InputFile(path)
        with self._file.open() as reader:
            dim = int.from_bytes(reader.read_exactly(4, "the first vector's dimension"), "little", signed=True)
        ending = Path(self._file.path.lower().removesuffix(".gz")).suffix
        self._row = np.dtype(
            [("dim", "<i4"), ("vector", _COMPONENTS.get(ending, "<f4"), (check_dim(self._file.path, dim, offset=0),))]
        )
        count = None if self._file.size is None else self._file.size // self._row.itemsize
        super().__init__(path, dim=dim, count=count)

    def blocks(self) -> Iterator[VectorBlock]:  # noqa: D102
        done = 0
        with self._file.open() as reader:
            for rows in row_blocks(reader, self._row, None):
                other = np.flatnonzero(rows["dim"] != self.dim)
                if other.size > 0:
                    row = done + int(other[0])
                    raise VectorFileError(
                        f"expected {self.dim} dimensions, as the first vector has, got {rows['dim'][other[0]]}",
                        path=self.path,
                        offset=row * self._row.itemsize,
                        row=row,
                    )
                yield VectorBlock(self._finite(rows["vector"], done))
                done += len(rows)
