"""The oracle is the definition: hold it against arithmetic written out, and against independent sums."""

from __future__ import annotations

import math

import numpy as np
import pytest

from annlib import exact
from annlib.metric import METRICS


def sum_written_out(terms: list[float]) -> float:
    lanes = [0.0] * 8
    for i, term in enumerate(terms):
        lanes[i % 8] += term
    four = [lanes[j] + lanes[j + 4] for j in range(4)]
    two = [four[0] + four[2], four[1] + four[3]]
    return two[0] + two[1]


@pytest.mark.parametrize("d", [1, 2, 7, 8, 9, 16, 31, 100])
def test_sum_has_the_fixed_order(d):
    terms = np.random.default_rng(d).normal(size=(5, d)) * 10.0 ** np.arange(5)[:, None]
    summed = exact.fixed_order_sum(terms)
    assert summed.tolist() == [sum_written_out(row) for row in terms.tolist()]


def test_order_matters_where_it_should():
    terms = np.array([[1e16, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -1e16]])
    assert exact.fixed_order_sum(terms)[0] == 7.0  # lane 0 cancels first; from left to right it would not
    assert np.cumsum(terms)[-1] != 7.0


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("inner_product", 1 * 3 + 2 * -1),
        ("cosine", 1 / math.sqrt(5 * 10)),
        ("euclidean", math.sqrt(4 + 9)),
        ("manhattan", 2 + 3),
        ("hamming", 2),
    ],
)
def test_scores_of_one_pair(metric, expected):
    vectors = np.array([[3, -1, 4]], dtype=np.float32)
    query = np.array([1, 2, 0], dtype=np.float32)
    vectors[0, 2] = 0
    assert exact.scores(vectors, query, metric)[0] == np.float32(expected)


def test_scores_beyond_float32_are_infinite():
    vectors = np.array([[3e38], [-3e38]], dtype=np.float32)
    query = np.array([3e38], dtype=np.float32)
    assert exact.scores(vectors, query, "inner_product").tolist() == [np.inf, -np.inf]
    assert exact.scores(vectors, query, "cosine").tolist() == [1.0, -1.0]


@pytest.mark.parametrize("metric", METRICS)
def test_ties_go_to_the_lower_row(metric):
    vectors = np.ones((6, 3), dtype=np.float32)
    rows, scores = exact.search(vectors, vectors[:1], 4, metric=metric)
    assert rows.tolist() == [[0, 1, 2, 3]]
    assert np.unique(scores).size == 1


def test_zero_vectors_have_no_cosine_neighbours():
    vectors = np.array([[1, 0], [0, 0], [0, 1]], dtype=np.float32)
    rows, scores = exact.search(vectors, vectors[:2], 3, metric="cosine")
    assert rows.tolist() == [[0, 2, -1], [-1, -1, -1]]
    assert np.isnan(scores).tolist() == [[False, False, True], [True, True, True]]


def test_filters():
    vectors = np.arange(5, dtype=np.float32)[:, None]
    allow = np.array([True, True, False, True, True])
    rows, _ = exact.search(vectors, vectors[:1], 5, metric="euclidean", allow=allow, exclude=[[0, 4]])
    assert rows.tolist() == [[1, 3, -1, -1, -1]]
