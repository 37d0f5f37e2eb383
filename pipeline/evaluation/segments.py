"""For whom, and for which items, recommendations are good: groups of users by activity and of items by popularity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.evaluation.metrics import hit_matrix

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

#: Groups of users, from the least active third to the most.
ACTIVITY = ("light", "medium", "heavy")
#: Groups of items, from the least popular third of the interactions to the most.
POPULARITY = ("tail", "middle", "head")

Segment = dict[str, Any]


def by_activity(
    activity: NDArray[np.int64], values: Mapping[str, NDArray[np.floating]], test_pairs: NDArray[np.int64]
) -> list[Segment]:
    """Mean measures of the thirds of the users by their number of training items.

    The limits are the terciles of that number, and users with the same number are in the same group: where many have
    as few as anyone, a group may be larger than a third, and another empty; an empty one is left out.

    Parameters
    ----------
    activity
        Training items of each user evaluated, shape ``(n_users,)``.
    values
        Measures of each of them, shape ``(n_users,)``.
    test_pairs
        Held-out items of each of them, shape ``(n_users,)``.

    Returns
    -------
    For each group its ``name``, ``users``, ``test_pairs``, the ``least`` and ``most`` training items of a user in it,
    and ``measures``.
    """
    limits = np.quantile(activity, [1 / 3, 2 / 3], method="inverted_cdf")
    group = np.searchsorted(limits, activity, side="left")
    segments = []
    for number, name in enumerate(ACTIVITY):
        members = np.flatnonzero(group == number)
        if len(members):
            segments.append(
                {
                    "name": name,
                    "users": len(members),
                    "test_pairs": int(test_pairs[members].sum()),
                    "least": int(activity[members].min()),
                    "most": int(activity[members].max()),
                    "measures": {key: float(column[members].mean(dtype=np.float64)) for key, column in values.items()},
                }
            )
    return segments


class ItemSegments:
    """Recall of items by their popularity, from lists that come batch by batch.

    Items are ordered by their number of training users, and cut where a third and two thirds of all training
    interactions are reached: ``tail``, ``middle`` and ``head`` have a third of the interactions each, and the tail by
    far the most items. Items with the same number of users are in the same group, the less popular one.

    Parameters
    ----------
    item_users
        Training users of each item, shape ``(n_items,)``; items without any are cold, and in no group.
    cutoffs
        The k of the measures.
    """

    def __init__(self, item_users: NDArray[np.int64], cutoffs: Sequence[int]) -> None:
        self._item_users = item_users
        self._group = _item_groups(item_users)
        self._cutoffs = cutoffs
        n_groups = len(POPULARITY)
        self._test_pairs = np.zeros(n_groups, dtype=np.int64)
        self._users = np.zeros(n_groups, dtype=np.int64)
        self._recall = {k: np.zeros(n_groups) for k in cutoffs}
        self._places = {k: np.zeros(n_groups, dtype=np.int64) for k in cutoffs}

    def add(self, rows: NDArray[Any], test: csr_matrix) -> None:
        """Count a batch: lists of shape ``(m, k)``, padded with -1, and held-out items of shape ``(m, n_items)``."""
        hits = hit_matrix(rows, test)
        group_of_place = np.where(rows >= 0, self._group[rows], -1)
        for number in range(len(POPULARITY)):
            chosen = (self._group[test.indices] == number).astype(np.int64)
            sizes = np.diff(np.concatenate([[0], np.cumsum(chosen)])[test.indptr])
            having = sizes > 0
            self._test_pairs[number] += sizes.sum()
            self._users[number] += np.count_nonzero(having)
            in_group = group_of_place == number
            for k in self._cutoffs:
                found = (hits & in_group)[having, :k].sum(axis=1)
                self._recall[k][number] += (found / sizes[having]).sum()
                self._places[k][number] += np.count_nonzero(in_group[:, :k])

    def result(self) -> list[Segment]:
        """Counts and measures of each group that has items.

        ``items`` and their ``least`` and ``most`` training users; ``users`` with a held-out item of the group and
        their ``test_pairs`` in it; measures ``recall@k``, the share of a user's held-out items of the group that are
        in the first k, averaged over those users, and ``share@k``, the group's share of all recommended places.
        """
        segments = []
        for number, name in enumerate(POPULARITY):
            counts = self._item_users[self._group == number]
            if not len(counts):
                continue
            measures: dict[str, float] = {}
            for k in self._cutoffs:
                measures[f"recall@{k}"] = float(self._recall[k][number] / max(self._users[number], 1))
                measures[f"share@{k}"] = float(self._places[k][number] / max(self._places[k].sum(), 1))
            segments.append(
                {
                    "name": name,
                    "items": len(counts),
                    "least": int(counts.min()),
                    "most": int(counts.max()),
                    "users": int(self._users[number]),
                    "test_pairs": int(self._test_pairs[number]),
                    "measures": measures,
                }
            )
        return segments


def _item_groups(item_users: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of each item's group in :data:`POPULARITY`, -1 for cold items."""
    by_users = np.bincount(item_users) * np.arange(item_users.max(initial=0) + 1)
    # Interactions of all items with fewer users: equal items start at the same place.
    before = (np.cumsum(by_users) - by_users)[item_users]
    group: NDArray[np.int64] = np.minimum(3 * before // max(int(by_users.sum()), 1), len(POPULARITY) - 1)
    return np.where(item_users > 0, group, -1)
