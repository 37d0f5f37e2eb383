"""Vectors of fewer dimensions whose scores come closest to those of wider ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipeline.factors.base import Factors, Vectors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

#: State that compressed factors keep beside that of the wide ones: the wide vectors, what takes them to the narrow
#: ones, shape ``(wide, narrow)``, and what takes the narrow vectors of items back, shape ``(narrow, wide)``.
_PREFIX = "wide."
_WIDE_USERS = f"{_PREFIX}user_factors"
_WIDE_ITEMS = f"{_PREFIX}item_factors"
_OF_USERS = f"{_PREFIX}of_users"
_OF_ITEMS = f"{_PREFIX}of_items"
_BACK = f"{_PREFIX}back"

#: Directions with a smaller share of the squared length than this are noise of float32, and divide nothing.
_NEGLIGIBLE = 1e-10
_ROWS = 1 << 14


def compress(wide: Factors, factors: int, spectrum_power: float) -> Factors:
    """The vectors in ``factors`` dimensions whose scores of all users and items are closest to those of ``wide``.

    The matrix of all scores X Y' has a singular value decomposition that needs no more than the Gram matrices of both
    sides: with ``(X'X)^1/2 (Y'Y)^1/2 = P S Q'`` it is ``X (X'X)^-1/2 P S Q' (Y'Y)^-1/2 Y'``. The leading dimensions are
    the best approximation of any such number, by least squares (Eckart & Young 1936).

    Both sides stay linear maps of the wide vectors, and so what folds into these folds into the narrow ones.

    Parameters
    ----------
    wide
        Vectors of d dimensions, and their state.
    factors
        Dimensions that are wanted, at most d.
    spectrum_power
        Dimensions of users are weighed by ``s_1 (s / s_1) ** spectrum_power``; 1 is the closest approximation.

    Returns
    -------
    Factors of ``factors`` columns. Their state has the wide vectors in it: fold-in starts from them.
    """
    user_root, user_inverse = _roots(gram(wide.user_factors))
    item_root, item_inverse = _roots(gram(wide.item_factors))
    left, values, right = np.linalg.svd(user_root @ item_root)
    weights = values[0] * (values[:factors] / (values[0] or 1.0)) ** spectrum_power
    of_users = (user_inverse @ left[:, :factors] * weights).astype(np.float32)
    of_items = (item_inverse @ right[:factors].T).astype(np.float32)
    # The narrow vectors of items are orthonormal, so that least squares on them is their transpose.
    back = (item_root @ right[:factors].T).T.astype(np.float32)
    state = {
        _WIDE_USERS: wide.user_factors,
        _WIDE_ITEMS: wide.item_factors,
        _OF_USERS: of_users,
        _OF_ITEMS: of_items,
        _BACK: back,
    }
    return Factors(wide.user_factors @ of_users, wide.item_factors @ of_items, {**wide.state, **state})


def widened(compressed: Factors) -> Factors:
    """The factors that :func:`compress` was given."""
    state = {name: values for name, values in compressed.state.items() if not name.startswith(_PREFIX)}
    return Factors(compressed.state[_WIDE_USERS], compressed.state[_WIDE_ITEMS], state)


def narrow_users(wide: Vectors, compressed: Factors) -> Vectors:
    """Vectors of users, shape ``(m, wide)``, in the dimensions of the compressed ones."""
    return wide @ compressed.state[_OF_USERS]


def narrow_items(wide: Vectors, compressed: Factors) -> Vectors:
    """Vectors of items, shape ``(m, wide)``, in the dimensions of the compressed ones."""
    return wide @ compressed.state[_OF_ITEMS]


def widened_items(narrow: Vectors, compressed: Factors) -> Vectors:
    """What the narrow vectors of items, shape ``(m, narrow)``, keep of the wide ones: by least squares over the fit."""
    return narrow @ compressed.state[_BACK]


def widened_target(narrow: Vectors, compressed: Factors) -> Vectors:
    """The wide vector that scores every wide vector of a user as ``narrow``, shape ``(narrow,)``, scores its own."""
    return compressed.state[_OF_USERS] @ narrow


def with_other_items(compressed: Factors, wide: Factors, item_factors: Vectors) -> Factors:
    """The compressed factors with others in the place of the items.

    Parameters
    ----------
    compressed
        What :func:`compress` returned.
    wide
        The wide factors with the others in the place of the items.
    item_factors
        The narrow vectors of the others.
    """
    own = {name: values for name, values in compressed.state.items() if name.startswith(_PREFIX)}
    state: Mapping[str, NDArray[np.float32]] = {**wide.state, **own, _WIDE_ITEMS: wide.item_factors}
    return replace(compressed, item_factors=item_factors, state=state)


def gram(vectors: Vectors) -> NDArray[np.float64]:
    """``V'V`` in float64, shape ``(d, d)``, without a copy of V in float64."""
    total = np.zeros((vectors.shape[1], vectors.shape[1]))
    for start in range(0, len(vectors), _ROWS):
        block = vectors[start : start + _ROWS].astype(np.float64)
        total += block.T @ block
    return total


def _roots(matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The square root of a Gram matrix, and that of its pseudo-inverse."""
    squares, directions = np.linalg.eigh(matrix)
    kept = squares > _NEGLIGIBLE * max(squares[-1], 0.0)
    lengths = np.sqrt(squares, where=kept, out=np.zeros_like(squares))
    inverses = np.divide(1.0, lengths, where=kept, out=np.zeros_like(squares))
    return (directions * lengths) @ directions.T, (directions * inverses) @ directions.T
