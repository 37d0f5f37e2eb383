from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pipeline.evaluation.baselines import Popularity


def _slow(train: csr_matrix, seen: csr_matrix, k: int) -> list[list[int]]:
    users = np.count_nonzero(train.toarray(), axis=0)
    order = sorted(np.flatnonzero(users), key=lambda item: (-users[item], item))
    lists = []
    for row in seen.toarray():
        unseen = [int(item) for item in order if row[item] == 0][:k]
        lists.append(unseen + [-1] * (k - len(unseen)))
    return lists


@pytest.mark.parametrize("k", [1, 5, 30, 80])
def test_matches_the_readable_twin(split: tuple[csr_matrix, csr_matrix], k: int) -> None:
    train, test = split
    popularity = Popularity(train)
    for seen in (train, test, csr_matrix(train.shape, dtype=np.float32), train[3:40]):
        result = popularity.recommend(seen, k)
        assert result.dtype == np.int64
        assert result.tolist() == _slow(train, seen, k)


def test_leaves_its_input_alone(split: tuple[csr_matrix, csr_matrix]) -> None:
    train = split[0].copy()
    for array in (train.data, train.indices, train.indptr):
        array.flags.writeable = False
    before = train.copy()
    Popularity(train).recommend(train, 10)
    assert (train != before).nnz == 0


def test_no_users_no_lists(split: tuple[csr_matrix, csr_matrix]) -> None:
    assert Popularity(split[0]).recommend(split[0][:0], 7).shape == (0, 7)
