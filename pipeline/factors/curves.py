"""What a fit minimizes, pass by pass, on a sample of its users: the training curve that a report shows.

A sample keeps the cost at a small part of a pass. The sums are NumPy's in one order, so that equal fits have equal
curves to the byte, at any number of threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from pipeline.factors.base import Vectors

#: Users and interactions looked at, at most.
_USERS: Final = 2_000
_PAIRS: Final = 50_000


class Loss(Protocol):
    """A measure of vectors while they are fitted; less is better."""

    #: What it is, for people.
    measure: str

    def __call__(self, user_factors: Vectors, item_factors: Vectors) -> float:
        """The loss of the vectors of all users and items."""


class SquaredLoss:
    """Mean weighted squared error of a user over all items, penalty left out: what ALS minimizes, but for that.

    ``sum_i c_ui (p_ui - x_u . y_i)^2``, by the trick of section 4 of Hu, Koren & Volinsky (ICDM 2008): what is not
    observed is summed up in ``Y' Y``.

    Parameters
    ----------
    user_items
        Confidences, shape ``(n_users, n_items)``.
    alpha
        What they are multiplied by.
    """

    measure: str = "mean weighted squared error of a user"

    def __init__(self, user_items: csr_matrix, alpha: float) -> None:
        with_items = np.flatnonzero(np.diff(user_items.indptr))
        self._users = _evenly(with_items, _USERS)
        self._rows = user_items[self._users]
        self._alpha = alpha

    def __call__(self, user_factors: Vectors, item_factors: Vectors) -> float:
        """The loss of these vectors."""
        users = user_factors[self._users].astype(np.float64)
        gram = (item_factors.T @ item_factors).astype(np.float64)
        unobserved = np.einsum("ui,ij,uj->u", users, gram, users, optimize=True).sum()
        observed = 0.0
        for number, user in enumerate(users):
            own = slice(self._rows.indptr[number], self._rows.indptr[number + 1])
            scores = item_factors[self._rows.indices[own]].astype(np.float64) @ user
            confidences = self._alpha * self._rows.data[own].astype(np.float64)
            observed += float((confidences * (1.0 - scores) ** 2 - scores**2).sum())
        return float((unobserved + observed) / len(users))


class RankingLoss:
    """Mean ``-ln sigmoid(s_ui - s_uj)`` of interactions i and items j that the user does not have: what BPR minimizes.

    For a model of probabilities it is no more than a view of how well the one is told from the other.

    Parameters
    ----------
    user_items
        Interactions, shape ``(n_users, n_items)``.
    """

    measure: str = "mean -ln sigmoid of the lead of an item over one not interacted with"

    def __init__(self, user_items: csr_matrix) -> None:
        chosen = _evenly(np.arange(user_items.nnz), _PAIRS)
        users = np.searchsorted(user_items.indptr, chosen, side="right") - 1
        others = np.random.default_rng(0).integers(user_items.shape[1], size=len(chosen))
        own = np.asarray(user_items[users, others]).ravel() != 0
        self._users, self._items, self._others = users[~own], user_items.indices[chosen][~own], others[~own]

    def __call__(self, user_factors: Vectors, item_factors: Vectors) -> float:
        """The loss of these vectors."""
        if not len(self._users):
            return 0.0
        difference = item_factors[self._items].astype(np.float64) - item_factors[self._others]
        lead = np.einsum("ij,ij->i", user_factors[self._users].astype(np.float64), difference)
        return float(np.logaddexp(0.0, -lead).mean())


def _evenly(rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    if len(rows) <= count:
        return rows
    return rows[np.linspace(0, len(rows) - 1, count).astype(np.int64)]
