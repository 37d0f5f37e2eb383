from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pipeline.evaluation import baselines as module
from pipeline.evaluation.baselines import ItemNeighbors, Popularity


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


def test_recent_popularity_comes_first_and_popularity_fills_up(split: tuple[csr_matrix, csr_matrix]) -> None:
    train = split[0]
    recent = train.copy()
    recent.data[np.arange(recent.nnz) % 40 > 0] = 0.0
    recent.eliminate_zeros()
    users, lately = (np.count_nonzero(matrix.toarray(), axis=0) for matrix in (train, recent))
    order = sorted(np.flatnonzero(users).tolist(), key=lambda item: (-lately[item], -users[item], item))
    assert (lately == 0)[order].any()
    rows = Popularity(train, recent).recommend(train, train.shape[1])
    for row, seen in zip(rows.tolist(), train.toarray(), strict=True):
        assert [item for item in row if item >= 0] == [item for item in order if not seen[item]]


def _neighbor_scores(train: csr_matrix, neighbors: int) -> np.ndarray:
    """Scores of all users and items by the definition, in full matrices."""
    pairs = (train.toarray() > 0).astype(np.float64)
    norms = np.maximum(np.sqrt(pairs.sum(axis=0)), 1.0)
    cosines = pairs.T @ pairs / np.outer(norms, norms)
    np.fill_diagonal(cosines, 0.0)
    for row in cosines:
        row[np.argsort(-row, kind="stable")[neighbors:]] = 0.0
    return pairs @ cosines


@pytest.mark.parametrize("num_threads", [1, 2])
def test_item_neighbors_match_the_readable_twin(split: tuple[csr_matrix, csr_matrix], num_threads: int) -> None:
    """Of lists with equal scores any order is right: the scores are compared."""
    train = split[0] * 7.0  # only the structure counts
    scores = _neighbor_scores(train, ItemNeighbors.NEIGHBORS)
    rows = ItemNeighbors(train, num_threads=num_threads).recommend(train, 10)
    assert rows.dtype == np.int64
    for user, row in enumerate(rows):
        own = train[user].indices
        candidates = np.setdiff1d(np.flatnonzero(scores[user] > 0), own)
        expected = np.sort(scores[user][candidates])[::-1][:10]
        got = row[row >= 0]
        assert not set(got.tolist()) & set(own.tolist())
        np.testing.assert_allclose(scores[user][got], expected, rtol=1e-9)
    assert (rows >= 0).any()


def test_item_neighbors_keep_the_nearest_alone(
    split: tuple[csr_matrix, csr_matrix], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ItemNeighbors, "NEIGHBORS", 2)
    train = split[0]
    rows = ItemNeighbors(train, num_threads=1).recommend(train, train.shape[1])
    assert (np.count_nonzero(rows >= 0, axis=1) <= 2 * np.diff(train.indptr)).all()


def test_long_histories_are_shortened_for_the_similarities_alone(
    split: tuple[csr_matrix, csr_matrix], monkeypatch: pytest.MonkeyPatch
) -> None:
    train = split[0]
    degrees = np.diff(train.indptr)
    shortened = module._shorten(train, 12, seed=3)
    assert degrees.max() > 12
    assert np.diff(shortened.indptr).tolist() == np.minimum(degrees, 12).tolist()
    assert (shortened > train).nnz == 0
    whole = shortened[degrees <= 12] != train[degrees <= 12]
    assert whole.nnz == 0
    other = module._shorten(train, 12, seed=4)
    assert (shortened != other).nnz > 0
    monkeypatch.setattr(ItemNeighbors, "LONGEST_HISTORY", 12)
    rows = ItemNeighbors(train, num_threads=1, seed=3).recommend(train, 10)
    monkeypatch.setattr(ItemNeighbors, "LONGEST_HISTORY", 500)
    expected = ItemNeighbors(shortened, num_threads=1).recommend(train, 10)
    assert np.array_equal(rows, expected)
    assert not any(set(row[row >= 0].tolist()) & set(train[user].indices.tolist()) for user, row in enumerate(rows))
