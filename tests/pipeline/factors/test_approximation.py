"""Approximations of scores by vectors of fewer dimensions, against slow twins of one pair at a time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pipeline.factors.approximation import best_items, closest, half_step, linear_map


@pytest.fixture
def users() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((90, 9)).astype(np.float32)


@pytest.fixture
def items() -> np.ndarray:
    return np.random.default_rng(2).standard_normal((70, 9)).astype(np.float32)


def _mask(shape: tuple[int, int], density: float) -> csr_matrix:
    return csr_matrix((np.random.default_rng(3).random(shape) < density).astype(np.float32))


def test_the_closest_scores_are_the_leading_part_of_the_decomposition(users: np.ndarray, items: np.ndarray) -> None:
    left, values, right = np.linalg.svd(users @ items.T)
    narrow_users, narrow_items = closest(users, items, 4)
    assert narrow_users.dtype == narrow_items.dtype == np.float32
    np.testing.assert_allclose(narrow_users @ narrow_items.T, (left[:, :4] * values[:4]) @ right[:4], atol=1e-4)
    np.testing.assert_allclose(narrow_items.T @ narrow_items, np.eye(4), atol=1e-5)


def test_directions_that_nobody_has_are_left_out(users: np.ndarray, items: np.ndarray) -> None:
    users[:, 5:] = 0.0
    narrow_users, narrow_items = closest(users, items, 7)
    np.testing.assert_allclose(narrow_users @ narrow_items.T, users @ items.T, atol=1e-4)
    assert np.isfinite(narrow_users).all()


def test_the_best_items_are_the_highest_that_were_not_seen(users: np.ndarray, items: np.ndarray) -> None:
    seen = _mask((90, 70), 0.2)
    scores = np.where(seen.toarray() > 0.0, -np.inf, users @ items.T)
    best = best_items(users, items, seen, 6, num_threads=1)
    assert best.has_sorted_indices
    for row in range(90):
        assert set(best[[row]].indices) == set(np.argsort(-scores[row])[:6])


def test_users_who_have_not_so_many_unseen_items_have_fewer(users: np.ndarray, items: np.ndarray) -> None:
    seen = np.ones((90, 70), np.float32)
    seen[0, :2] = 0.0
    best = best_items(users, items, csr_matrix(seen), 6, num_threads=1)
    assert best.nnz == 2
    assert list(best.indices) == [0, 1]


@pytest.mark.parametrize("num_threads", [1, 3])
def test_a_half_step_solves_the_weighted_least_squares_of_each_row(
    users: np.ndarray, items: np.ndarray, num_threads: int
) -> None:
    fixed = np.random.default_rng(4).standard_normal((70, 5)).astype(np.float32)
    top = _mask((90, 70), 0.1)
    vectors = half_step(users, items, fixed, top, 50.0, num_threads)
    ridge = 1e-3 * np.square(fixed, dtype=np.float64).sum() / 5
    for row in range(90):
        weights = 1.0 + 50.0 * top[[row]].toarray().ravel()
        normal = (fixed.T * weights) @ fixed + ridge * np.eye(5)
        expected = np.linalg.solve(normal, (fixed.T * weights) @ (items @ users[row]))
        np.testing.assert_allclose(vectors[row], expected, rtol=1e-3, atol=1e-4)


def test_vectors_that_have_vanished_give_zeros(users: np.ndarray, items: np.ndarray) -> None:
    nothing = np.zeros((len(items), 4), np.float32)
    assert not half_step(users, items, nothing, _mask((90, 70), 0.1), 100.0, 1).any()


def test_the_number_of_threads_changes_no_byte_of_a_half_step(users: np.ndarray, items: np.ndarray) -> None:
    top = _mask((90, 70), 0.1)
    one, three = (half_step(users, items, items[:, :5].copy(), top, 50.0, threads) for threads in (1, 3))
    assert one.tobytes() == three.tobytes()


def test_a_linear_map_is_found_from_what_it_does(users: np.ndarray) -> None:
    matrix = np.random.default_rng(5).standard_normal((9, 4)).astype(np.float32)
    np.testing.assert_allclose(linear_map(users, users @ matrix), matrix, atol=1e-4)


def test_a_linear_map_of_what_is_always_zero_is_zero(users: np.ndarray) -> None:
    users[:, 3] = 0.0
    np.testing.assert_allclose(linear_map(users, users[:, :2].copy())[3], 0.0, atol=1e-12)
