"""Sparse matrices: built by counting sort, kept as memory-mapped files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix

from pipeline.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

Rows = NDArray[np.int32]

_PARTS = ("indptr", "indices", "data")


def sum_pairs(
    rows: Rows, columns: Rows, weights: NDArray[np.float32 | np.float64] | None, shape: tuple[int, int]
) -> csr_matrix:
    """Sum the weights of each pair of row and column.

    Two stable counting sorts, by column and then by row, in place of a comparison sort; the sums are made in float64
    in the order of the input, and rounded once.

    Parameters
    ----------
    rows, columns
        int32, of the same length.
    weights
        float32 or float64, above zero; None for ones.

    Returns
    -------
    CSR, float32, with sorted indices and without duplicates.

    Raises
    ------
    DataError
        If a sum is beyond float32.
    """
    values = np.ones(len(rows), np.float64) if weights is None else weights.astype(np.float64)
    by_column = coo_matrix((values, (columns, rows)), shape=shape[::-1])
    del values
    by_column.has_canonical_format = True  # not so, but keeps SciPy from sorting and summing before both sorts are done
    matrix = by_column.tocsr().T.tocsr()
    del by_column
    matrix.sum_duplicates()
    if matrix.nnz and matrix.data.max() > np.finfo(np.float32).max:
        raise DataError(f"expected sums of weights within float32, got {matrix.data.max():g} for one user and item")
    return canonical(csr_matrix((matrix.data.astype(np.float32), matrix.indices, matrix.indptr), shape=shape))


def binary_pairs(rows: Rows, columns: Rows, shape: tuple[int, int]) -> csr_matrix:
    """CSR, float32, that is 1 at each pair of row and column, however often it occurs."""
    matrix = sum_pairs(rows, columns, None, shape)
    matrix.data[:] = 1
    return matrix


def canonical(matrix: csr_matrix) -> csr_matrix:
    """Mark a matrix as sorted and free of duplicates, so that SciPy never looks."""
    matrix.has_sorted_indices = True
    matrix.has_canonical_format = True
    return matrix


def row_numbers(matrix: csr_matrix) -> Rows:
    """The row of every stored value, int32, shape ``(nnz,)``."""
    return np.repeat(np.arange(matrix.shape[0], dtype=np.int32), np.diff(matrix.indptr))


def save_csr(folder: Path, matrix: csr_matrix) -> None:
    """Write a matrix into a new folder, one ``.npy`` file for each of its arrays."""
    folder.mkdir(parents=True)
    for name in _PARTS:
        save_array(folder / f"{name}.npy", getattr(matrix, name))
    save_array(folder / "shape.npy", np.array(matrix.shape, np.int64))


def open_csr(folder: Path) -> csr_matrix:
    """Map a matrix that :func:`save_csr` wrote; constant time, nothing is read before it is used."""
    indptr, indices, data = (open_array(folder / f"{name}.npy") for name in _PARTS)
    with (folder / "shape.npy").open("rb") as file:
        n_rows, n_columns = np.load(file, allow_pickle=False).tolist()
    return canonical(csr_matrix((data, indices, indptr), shape=(n_rows, n_columns), copy=False))


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write one array as ``.npy``."""
    with path.open("xb") as file:
        np.save(file, np.ascontiguousarray(array), allow_pickle=False)


def open_array(path: Path) -> NDArray[Any]:
    """Map one array; it can be written to, which changes the copy in memory and never the file.

    Compiled code, ``implicit`` among it, asks for buffers that can be written to even where it only reads.
    """
    mapped: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    return mapped
