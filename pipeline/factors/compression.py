"""Factors compressed to fewer dimensions, and what folds into the wide ones taken to the narrow ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from pipeline.factors.approximation import best_items, closest, half_step, linear_map
from pipeline.factors.base import Factors, Vectors, effective_threads

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

#: State that compressed factors keep beside that of the wide ones: the wide vectors, the maps that take them to the
#: narrow ones, shape ``(wide, narrow)``, and what takes the narrow vectors of items back, shape ``(narrow, wide)``.
_PREFIX = "wide."
_WIDE_USERS = f"{_PREFIX}user_factors"
_WIDE_ITEMS = f"{_PREFIX}item_factors"
_OF_USERS = f"{_PREFIX}of_users"
_OF_ITEMS = f"{_PREFIX}of_items"
_BACK = f"{_PREFIX}back"

#: As many of a user's best items have scores that are to be met best: about as many as a list has.
_TOP = 100


def compress(wide: Factors, seen: csr_matrix, factors: int, emphasis: float, *, num_threads: int) -> Factors:
    """Factors of fewer dimensions that rank as the wide ones do.

    The start is the closest approximation of all scores. What a list shows are the highest of the items not seen, so
    that one sweep of weighted least squares over users, items, and users again then lets errors in these count more:
    the vectors are fitted to the wide ones as a student to its teacher (Tang & Wang, KDD 2018).

    What folds into the wide vectors is taken to the narrow ones by the linear maps that come closest to the fit's.

    Parameters
    ----------
    wide
        Vectors of d dimensions, and their state.
    seen
        The interactions of the fit, shape ``(n_users, n_items)``.
    factors
        Dimensions that are wanted, at most d.
    emphasis
        How much more errors in the scores of each user's best unseen items count; 0 for the closest approximation.
    num_threads
        Number of threads, 0 for all cores.

    Returns
    -------
    Factors of ``factors`` columns. Their state has the wide vectors in it: fold-in starts from them.
    """
    with threadpool_limits(effective_threads(num_threads), user_api="blas"):
        users, items = closest(wide.user_factors, wide.item_factors, factors)
    if emphasis:
        top = best_items(wide.user_factors, wide.item_factors, seen, _TOP, num_threads)
        top_users = top.T.tocsr()
        of_users, of_items = (wide.user_factors, wide.item_factors), (wide.item_factors, wide.user_factors)
        users = half_step(*of_users, items, top, emphasis, num_threads)
        items = half_step(*of_items, users, top_users, emphasis, num_threads)
        users = half_step(*of_users, items, top, emphasis, num_threads)
    with threadpool_limits(effective_threads(num_threads), user_api="blas"):
        own = {
            _WIDE_USERS: wide.user_factors,
            _WIDE_ITEMS: wide.item_factors,
            _OF_USERS: linear_map(wide.user_factors, users),
            _OF_ITEMS: linear_map(wide.item_factors, items),
            _BACK: linear_map(items, wide.item_factors),
        }
    return Factors(users, items, {**wide.state, **own})


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
    """The wide vector that scores the wide fold-in of a user as ``narrow``, shape ``(narrow,)``, scores the narrow."""
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
