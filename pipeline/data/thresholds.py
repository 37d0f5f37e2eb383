"""The densest part of a matrix: rare users and items left out until none is left that is too rare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Core:
    """What is left.

    Attributes
    ----------
    users, items
        Masks of those kept.
    steps
        Number of users and items left after each step, the first being before any.
    """

    users: Mask
    items: Mask
    steps: tuple[tuple[int, int], ...]


def find_core(user_items: csr_matrix, *, min_items_per_user: int, min_users_per_item: int) -> Core:
    """Leave out users with fewer items, and items with fewer users, until both thresholds hold.

    Those left are the same whatever the order (the core of a bipartite graph; Batagelj & Zaversnik, 2003). Each user
    and item is taken out once, so that the whole takes time linear in the values stored.
    """
    n_users, n_items = user_items.shape
    users, items = np.ones(n_users, bool), np.ones(n_items, bool)
    user_degrees = np.diff(user_items.indptr)
    item_degrees = np.bincount(user_items.indices, minlength=n_items)
    item_users = user_items.T.tocsr()
    steps = [(n_users, n_items)]
    while True:
        rare_users = np.flatnonzero(users & (user_degrees < min_items_per_user))
        users[rare_users] = False
        item_degrees -= np.bincount(user_items[rare_users].indices, minlength=n_items)
        rare_items = np.flatnonzero(items & (item_degrees < min_users_per_item))
        items[rare_items] = False
        user_degrees = user_degrees - np.bincount(item_users[rare_items].indices, minlength=n_users)
        if not len(rare_users) and not len(rare_items):
            return Core(users, items, tuple(steps))
        steps.append((int(users.sum()), int(items.sum())))
