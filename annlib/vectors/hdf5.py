"""HDF5 as ann-benchmarks writes it: datasets ``train``, ``test`` and more, and an attribute ``distance``."""

from __future__ import annotations

import math
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from annlib.vectors.base import VectorBlock, VectorFileError, VectorSource, check_dim, rows_per_block

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from annlib.metric import Metric

__all__ = ["Hdf5Source"]

_METRICS: dict[str, Metric] = {
    "angular": "cosine",
    "cosine": "cosine",
    "euclidean": "euclidean",
    "hamming": "hamming",
    "dot": "inner_product",
    "ip": "inner_product",
}


class Hdf5Source(VectorSource):
    """A dataset of an HDF5 file."""

    format = "hdf5"
    count: int

    def __init__(self, path: str | os.PathLike[str], *, dataset: str | None = None) -> None:
        self._dataset = "train" if dataset is None else dataset
        with _opened(Path(path)) as file:
            matrix = self._matrix(str(path), file)
            count, dim = matrix.shape
            self.metric = _METRICS.get(str(file.attrs.get("distance", "")))
        super().__init__(path, dim=check_dim(str(path), dim), count=count)

    def _matrix(self, path: str, file: Any) -> Any:
        found = file.get(self._dataset)
        if not isinstance(found, h5py.Dataset):
            names = [name for name, item in file.items() if isinstance(item, h5py.Dataset)]
            raise VectorFileError(
                f"expected a dataset {self._dataset!r}, got {', '.join(names) or 'none'}",
                path=path,
                advice="Name one of the file's datasets.",
            )
        if found.ndim != 2 or found.dtype.kind not in "fiub":
            raise VectorFileError(
                f"expected dataset {self._dataset!r} to hold real numbers of shape (n, d), "
                f"got {found.dtype} of shape {found.shape}",
                path=path,
                advice="Name a dataset of dense vectors.",
            )
        if not _is_whole(found):
            raise VectorFileError(
                f"dataset {self._dataset!r} of shape {found.shape} was not written to its end", path=path
            )
        return found

    def blocks(self) -> Iterator[VectorBlock]:  # noqa: D102
        with _opened(Path(self.path)) as file:
            matrix = self._matrix(self.path, file)
            step = rows_per_block(self.dim * matrix.dtype.itemsize)
            for first in range(0, self.count, step):
                yield VectorBlock(self._finite(matrix[first : first + step], first))


def _is_whole(dataset: Any) -> bool:
    """Whether all of a dataset is in the file: HDF5 reads zeros where it is not."""
    if dataset.is_virtual or dataset.external:
        return True
    if dataset.chunks is None:
        return bool(dataset.id.get_storage_size() == dataset.nbytes)
    chunks = math.prod(-(-size // chunk) for size, chunk in zip(dataset.shape, dataset.chunks, strict=True))
    return bool(dataset.id.get_num_chunks() == chunks)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file, and turn what HDF5 says of its content into an error that names it."""
    with path.open("rb") as raw:
        try:
            with h5py.File(raw, "r") as file:
                yield file
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            lines = str(error).splitlines() or [type(error).__name__]
            raise VectorFileError(f"not an HDF5 file that can be read: {lines[0]}", path=str(path)) from None
