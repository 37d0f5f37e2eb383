"""Okapi BM25 over a user-item matrix: users are the documents, items the terms, weights the counts of terms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix


def bm25(
    user_items: csr_matrix,
    *,
    lengths: NDArray[np.float64],
    average_length: float,
    item_degrees: NDArray[np.int64],
    n_users: int,
    k1: float,
    b: float,
) -> NDArray[np.float64]:
    """Confidences ``w (k1 + 1) / (k1 (1 - b + b L_u / L) + w) idf_i`` with ``idf_i = ln(N / (1 + n_i))``.

    (Robertson & Zaragoza, Foundations and Trends in Information Retrieval 2009.) As
    ``implicit.nearest_neighbours.bm25_weight`` of the matrix, but for items that all users have, or all but one: their
    idf would be zero or less, and is ``ln(N / (N - 1))`` instead, the least that any other item can have.

    Parameters
    ----------
    user_items
        Weights above zero, CSR, shape ``(m, n_items)``.
    lengths
        float64, shape ``(m,)``: sum of the weights L_u of each user.
    average_length
        Mean L of the lengths of all users of the fit.
    item_degrees
        int64, shape ``(n_items,)``: the users n_i of each item.
    n_users
        Users N of the fit.
    k1
        How far a higher weight counts for more: confidences approach ``(k1 + 1) idf_i``.
    b
        How much the weights of users with long histories are discounted, 0 to 1.

    Returns
    -------
    float64, shape ``(nnz,)``: of the stored entries.
    """
    discount = k1 * ((1.0 - b) + b * lengths / average_length)
    values: NDArray[Any] = user_items.data.astype(np.float64)
    values *= (k1 + 1.0) / (np.repeat(discount, np.diff(user_items.indptr)) + values)
    values *= _inverse_document_frequency(item_degrees, n_users)[user_items.indices]
    return values


def _inverse_document_frequency(item_degrees: NDArray[np.int64], n_users: int) -> NDArray[np.float64]:
    least = np.log1p(1.0 / max(n_users - 1, 1))
    idf: NDArray[np.float64] = np.maximum(np.log(n_users) - np.log1p(item_degrees), least)
    return idf
