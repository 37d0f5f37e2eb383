from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pipeline.data.thresholds import find_core


def find_core_slowly(dense, min_items, min_users):
    """The readable twin: leave out and count again until nothing changes."""
    users, items = np.ones(dense.shape[0], bool), np.ones(dense.shape[1], bool)
    while True:
        left = dense & users[:, None] & items
        new_users = users & (left.sum(axis=1) >= min_items)
        new_items = items & ((left & new_users[:, None]).sum(axis=0) >= min_users)
        if (new_users == users).all() and (new_items == items).all():
            return users, items
        users, items = new_users, new_items


@pytest.mark.parametrize("thresholds", [(1, 1), (2, 1), (1, 3), (3, 3), (6, 4), (50, 50)])
@pytest.mark.parametrize("seed", range(4))
def test_the_core_agrees_with_the_slow_twin(thresholds, seed):
    random = np.random.default_rng(seed)
    dense = random.random((60, 40)) < 0.15 * random.random(40)
    core = find_core(
        csr_matrix(dense, dtype=np.float32), min_items_per_user=thresholds[0], min_users_per_item=thresholds[1]
    )
    users, items = find_core_slowly(dense, *thresholds)
    assert core.users.tolist() == users.tolist()
    assert core.items.tolist() == items.tolist()
    assert core.steps[0] == (60, 40)
    assert core.steps[-1] == (users.sum(), items.sum())


def test_one_falls_after_another():
    # A chain: user r has items r and r + 1, so that its end unravels it one by one.
    dense = np.eye(6, 7, dtype=bool) | np.eye(6, 7, 1, dtype=bool)
    core = find_core(csr_matrix(dense, dtype=np.float32), min_items_per_user=2, min_users_per_item=2)
    assert not core.users.any()
    assert not core.items.any()
    assert core.steps == ((6, 7), (6, 5), (4, 3), (2, 1), (0, 0))


def test_everything_may_stay():
    core = find_core(csr_matrix(np.ones((3, 4), np.float32)), min_items_per_user=4, min_users_per_item=3)
    assert core.users.all()
    assert core.items.all()
    assert core.steps == ((3, 4),)
