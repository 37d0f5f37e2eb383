"""The scan of vectors without an index, against the definition."""

from __future__ import annotations

import numpy as np
import pytest

from annlib import exact
from pipeline.serve import scan


@pytest.mark.parametrize("metric", ["cosine", "inner_product"])
@pytest.mark.parametrize("k", [1, 7, 1_000])
@pytest.mark.parametrize("exclude", [[], [3], list(range(299))])
def test_it_finds_what_the_definition_does(monkeypatch, metric, k, exclude):
    monkeypatch.setattr(scan, "_BLOCK_ROWS", 64)
    random = np.random.default_rng(0)
    vectors, query = random.normal(size=(300, 8)).astype(np.float32), random.normal(size=8).astype(np.float32)
    vectors[5] = 0.0
    expected, scores = exact.search(vectors, query[None, :], min(k, 300), metric=metric, exclude=[exclude])
    rows, found = scan.nearest(vectors, query, k, cosine=metric == "cosine", exclude=np.array(exclude, dtype=np.int32))
    there = expected[0] >= 0
    assert rows.tolist() == expected[0][there].tolist()
    np.testing.assert_allclose(found, scores[0][there], rtol=1e-5, atol=1e-6)


def test_nothing_is_near_a_zero_vector_under_cosine():
    vectors = np.ones((3, 2), dtype=np.float32)
    rows, _ = scan.nearest(vectors, np.zeros(2, np.float32), 2, cosine=True, exclude=np.array([], np.int32))
    assert rows.tolist() == []


def test_ties_are_by_row_at_the_end_of_the_list_too():
    vectors = np.ones((1000, 4), dtype=np.float32)
    rows, _ = scan.nearest(vectors, vectors[0], 10, cosine=True, exclude=np.array([2]))
    assert rows.tolist() == [0, 1, *range(3, 11)]
