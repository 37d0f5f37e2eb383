"""Vectors of few dimensions whose scores come close to those of wider ones, over all pairs or at the top of lists."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

import annlib
from pipeline.factors.base import effective_threads
from pipeline.factors.gram import gram

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.factors.base import Vectors

#: Directions with a smaller share of the squared length than this are noise of float32, and divide nothing.
_NEGLIGIBLE = 1e-10
#: Of the mean of the squared lengths, what is added to each: a vector that few see stays where the others hold it.
_RIDGE = 1e-3
_ROWS = 1 << 14
#: Rows that a thread takes at a time.
_TOGETHER = 64


def closest(users: Vectors, items: Vectors, factors: int) -> tuple[Vectors, Vectors]:
    """The vectors of ``factors`` dimensions whose scores differ least from ``users @ items.T``, by least squares.

    They are the leading part of the singular value decomposition of the scores (Eckart & Young 1936), which needs no
    more than the Gram matrices of both sides: with ``(X'X)^1/2 (Y'Y)^1/2 = P S Q'`` it is
    ``X (X'X)^-1/2 P  S  (Y (Y'Y)^-1/2 Q)'``.

    Parameters
    ----------
    users
        X, shape ``(n_users, d)``.
    items
        Y, shape ``(n_items, d)``.
    factors
        Dimensions that are wanted, at most d.

    Returns
    -------
    Vectors of the users and of the items, float32; the latter's dimensions are orthonormal.
    """
    user_root, user_inverse = _roots(gram(users))
    item_root, item_inverse = _roots(gram(items))
    left, values, right = np.linalg.svd(user_root @ item_root)
    of_users = user_inverse @ left[:, :factors] * values[:factors]
    of_items = item_inverse @ right[:factors].T
    return users @ of_users.astype(np.float32), items @ of_items.astype(np.float32)


def best_items(users: Vectors, items: Vectors, seen: csr_matrix, k: int, num_threads: int) -> csr_matrix:
    """The k items that score highest for each user among those not seen: ones, shape ``(n_users, n_items)``."""
    index = annlib.Index.build(np.ascontiguousarray(items), metric="inner_product", num_threads=num_threads)
    rows, _ = index.search_rows(np.ascontiguousarray(users), k, exclude=seen, num_threads=num_threads)
    found = rows >= 0
    indptr = np.concatenate([[0], np.cumsum(found.sum(axis=1))])
    mask = csr_matrix((np.ones(int(indptr[-1]), np.float32), rows[found], indptr), shape=(len(users), len(items)))
    mask.sort_indices()
    return mask


def half_step(
    wide_rows: Vectors, wide_fixed: Vectors, fixed: Vectors, top: csr_matrix, emphasis: float, num_threads: int
) -> Vectors:
    """Vectors of one side whose scores are closest to the wide ones, those of the other side held fixed.

    Row r minimizes ``sum_j (1 + emphasis t_rj) (b_r . c_j - x_r . y_j)^2`` with a little ridge, where t is 1 for the
    pairs of ``top`` and 0 for all others: weighted least squares as in ALS, towards scores that are known for all
    pairs, and so with one matrix for all of them (Hu, Koren & Volinsky, ICDM 2008).

    Parameters
    ----------
    wide_rows
        b, shape ``(m, d)``.
    wide_fixed
        c, shape ``(n, d)``.
    fixed
        y, shape ``(n, factors)``.
    top
        Pairs whose scores are to be met best, CSR, shape ``(m, n)``.
    emphasis
        How much more these count.
    num_threads
        Number of threads, 0 for all cores; the same bytes at any.

    Returns
    -------
    x, float32, shape ``(m, factors)``; zeros where y is nothing but zeros.
    """
    squares = gram(fixed)
    if not squares.any():
        return np.zeros((len(wide_rows), fixed.shape[1]), np.float32)
    ridge = _RIDGE * np.trace(squares) / len(squares)
    shared = (squares + ridge * np.eye(len(squares))).astype(np.float32)
    vectors = np.zeros((len(wide_rows), fixed.shape[1]), np.float32)

    def solve(start: int) -> None:
        chunk = wide_rows[start : start + _TOGETHER]
        for row, (wide_row, aim) in enumerate(zip(chunk, chunk @ crossed, strict=True), start):
            columns = top.indices[top.indptr[row] : top.indptr[row + 1]]
            weighed = np.float32(emphasis) * fixed[columns]
            matrix = shared + weighed.T @ fixed[columns]
            vectors[row] = np.linalg.solve(matrix, aim + (wide_fixed[columns] @ wide_row) @ weighed)

    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(effective_threads(num_threads)) as threads:
        crossed = wide_fixed.T @ fixed
        list(threads.map(solve, range(0, len(wide_rows), _TOGETHER)))
    return vectors


def linear_map(inputs: Vectors, outputs: Vectors) -> NDArray[np.float32]:
    """The matrix M for which ``inputs @ M`` is closest to ``outputs``, by least squares."""
    _, inverse = _roots(gram(inputs))
    crossed = np.zeros((inputs.shape[1], outputs.shape[1]))
    for start in range(0, len(inputs), _ROWS):
        crossed += inputs[start : start + _ROWS].astype(np.float64).T @ outputs[start : start + _ROWS]
    return (inverse @ (inverse @ crossed)).astype(np.float32)


def _roots(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The square root of a Gram matrix, and that of its pseudo-inverse."""
    squares, directions = np.linalg.eigh(matrix)
    kept = squares > _NEGLIGIBLE * max(squares[-1], 0.0)
    lengths = np.sqrt(squares, where=kept, out=np.zeros_like(squares))
    inverses = np.divide(1.0, lengths, where=kept, out=np.zeros_like(squares))
    return (directions * lengths) @ directions.T, (directions * inverses) @ directions.T
