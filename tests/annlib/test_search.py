"""Native search returns the oracle's rows and scores, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from annlib import Index, UnknownIdError, exact
from annlib.metric import METRICS

SHAPES = [(1, 1), (2, 3), (5, 8), (16, 9), (17, 33), (31, 2), (33, 100), (300, 17), (1000, 64), (70, 2048)]


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("m", [1, 3, 10])
def test_matches_the_oracle(metric, n, d, m, hostile, assert_exact):
    vectors = hostile(n, d, seed=n)
    queries = np.concatenate([hostile(m, d, seed=m), vectors[: m // 2]])[:m]
    index = Index.build(vectors, metric=metric)
    for k in {1, 10, n, n + 5}:
        assert_exact(index, queries, k)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("spread", [20, 37])
def test_extreme_magnitudes(metric, spread, hostile, assert_exact):
    vectors = hostile(200, 12, seed=1, spread=spread)
    queries = np.concatenate([hostile(6, 12, seed=2, spread=spread), hostile(6, 12, seed=3, spread=0)])
    assert_exact(Index.build(vectors, metric=metric), queries, 15)
    assert_exact(Index.build(vectors, metric=metric), queries[:1], 15)


@pytest.mark.usefixtures("isa")
def test_denormals(metric, assert_exact):
    rng = np.random.default_rng(5)
    vectors = (rng.integers(-9, 10, size=(120, 7)) * np.float32(1e-45)).astype(np.float32)
    assert_exact(Index.build(vectors, metric=metric), vectors[:12], 20)
    mixed = np.concatenate([vectors, rng.normal(size=(60, 7)).astype(np.float32)])
    assert_exact(Index.build(mixed, metric=metric), mixed[110:130], 20)


@pytest.mark.usefixtures("isa")
def test_far_from_the_origin(metric, assert_exact):
    rng = np.random.default_rng(6)
    vectors = (1e6 + rng.normal(size=(500, 20))).astype(np.float32)
    assert_exact(Index.build(vectors, metric=metric), vectors[:9], 10)


@pytest.mark.usefixtures("isa")
def test_duplicates(metric, assert_exact):
    rng = np.random.default_rng(7)
    vectors = np.repeat(rng.normal(size=(3, 10)).astype(np.float32), 700, axis=0)
    rng.shuffle(vectors)
    assert_exact(Index.build(vectors, metric=metric), vectors[:10], 30)


def test_scores_that_round_to_infinity_tie_by_row():
    vectors = np.full((40, 4), 2e38, dtype=np.float32)
    vectors[7] = 3e38
    rows, scores = Index.build(vectors, metric="inner_product").search_rows(vectors[:1], 3)
    assert rows.tolist() == [[0, 1, 2]]
    assert scores.tolist() == [[np.inf] * 3]
    rows, scores = Index.build(vectors, metric="inner_product").search_rows(-vectors[:1], 50)
    assert rows[0, :40].tolist() == list(range(40))
    assert scores[0, :40].tolist() == [-np.inf] * 40


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_vectors(metric, isa, assert_exact, data):
    d = data.draw(st.integers(1, 20), label="d")
    elements = st.one_of(
        st.floats(width=32, allow_nan=False, allow_infinity=False),
        st.sampled_from([0.0, -0.0, 1.0, -1.0, 1e-45, 1e-38, 3.4e38, 2.0**-24]).map(np.float32),
        st.floats(-4, 4, width=32),
    )
    n = data.draw(st.integers(0, 17), label="n")
    m = data.draw(st.integers(1, 9), label="m")
    vectors = data.draw(hnp.arrays(np.float32, (n, d), elements=elements), label="vectors")
    queries = data.draw(hnp.arrays(np.float32, (m, d), elements=elements), label="queries")
    assert_exact(Index.build(vectors, metric=metric), queries, data.draw(st.integers(1, 20), label="k"))


def test_threads_and_batches(metric, hostile):
    vectors = hostile(9000, 24, seed=8)
    index = Index.build(vectors, metric=metric)
    queries = hostile(60, 24, seed=9)
    rows, scores = index.search_rows(queries, 12, num_threads=1)
    for threads in (0, 2, 5):
        again = index.search_rows(queries, 12, num_threads=threads)
        np.testing.assert_array_equal(again[0], rows)
        np.testing.assert_array_equal(again[1], scores)
    parts = [index.search_rows(queries[i : i + 7], 12) for i in range(0, 60, 7)]
    np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), rows)
    np.testing.assert_array_equal(np.concatenate([part[1] for part in parts]), scores)


def test_shapes_and_padding(metric):
    index = Index.build(np.eye(3), metric=metric)
    ids, scores = index.search(np.ones((2, 3)), 5)
    assert ids.shape == scores.shape == (2, 5)
    assert ids.dtype == np.int64
    assert scores.dtype == np.float32
    assert ids[:, 3:].tolist() == [[-1, -1]] * 2
    assert np.isnan(scores[:, 3:]).all()
    assert not np.isnan(scores[:, :3]).any()


def test_no_queries_and_no_vectors(metric):
    index = Index.build(np.eye(3), metric=metric)
    ids, scores = index.search(np.empty((0, 3)), 4)
    assert ids.shape == scores.shape == (0, 4)
    empty = Index.build(np.empty((0, 3)), metric=metric, ids=[])
    ids, scores = empty.search(np.ones((2, 3)), 4)
    assert (ids == -1).all()
    assert np.isnan(scores).all()
    assert empty.neighbors(3)[0].shape == (0, 3)
    empty.verify()


# Filters -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("m", [2, 12])
def test_exclude_by_csr_and_by_ids(metric, m, hostile, assert_exact):
    sparse = pytest.importorskip("scipy.sparse")
    vectors = hostile(200, 10, seed=10)
    queries = hostile(m, 10, seed=11)
    rng = np.random.default_rng(12)
    lists = [rng.permutation(200)[: rng.integers(0, 201)] for _ in range(m)]
    lists[0] = rng.permutation(200)[:199]  # leaves one
    lists[1] = np.arange(200)  # leaves none
    indices = np.concatenate(lists)
    indptr = np.cumsum([0, *map(len, lists)])
    matrix = sparse.csr_array((np.ones(len(indices)), indices.astype(np.int32), indptr), shape=(m, 200))
    index = Index.build(vectors, metric=metric)
    expected = exact.search(vectors, queries, 15, metric=metric, exclude=lists)
    for exclude in (matrix, lists, [rows.tolist() for rows in lists]):
        rows, scores = index.search_rows(queries, 15, exclude=exclude)
        np.testing.assert_array_equal(rows, expected[0])
        np.testing.assert_array_equal(scores, expected[1])


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("keep", [0, 1, 7, 150, 200])
def test_allow(metric, keep, hostile, assert_exact):
    vectors = hostile(200, 10, seed=13)
    mask = np.zeros(200, dtype=bool)
    mask[np.random.default_rng(14).permutation(200)[:keep]] = True
    index = Index.build(vectors, metric=metric)
    for m in (1, 9):
        queries = hostile(m, 10, seed=15)
        assert_exact(index, queries, 12, allow=mask)
        by_ids = index.search_rows(queries, 12, allow=np.random.default_rng(0).permutation(np.flatnonzero(mask)))
        np.testing.assert_array_equal(by_ids[0], index.search_rows(queries, 12, allow=mask)[0])


def test_filters_together_with_string_ids():
    ids = list("abcdef")
    index = Index.build(np.arange(6.0)[:, None], metric="euclidean", ids=ids)
    found, _ = index.search([[0.0]], 6, exclude=[["a", "not there", "c"]], allow=["a", "b", "c", "f", "f"])
    assert found.tolist() == [["b", "f", "", "", "", ""]]
    found, _ = index.search_ids(["b"], 6, exclude=[["a"]], allow=["a", "b", "f"])
    assert found.tolist() == [["f", "", "", "", "", ""]]


def test_bad_filters(words):
    sparse = pytest.importorskip("scipy.sparse")
    query = np.ones((1, 6))
    with pytest.raises(UnknownIdError, match="'nobody' is not an id"):
        words.search(query, allow=["w01", "nobody"])
    with pytest.raises(KeyError):
        words.search(query, allow=["nobody"])
    with pytest.raises(TypeError, match="allow: the ids of this index are strings, got integers"):
        words.search(query, allow=[1, 2])
    with pytest.raises(ValueError, match=r"allow: expected a mask of shape \(20,\), got \(3,\)"):
        words.search(query, allow=np.ones(3, dtype=bool))
    with pytest.raises(ValueError, match="exclude: expected one sequence of ids for each of 1 queries, got 2"):
        words.search(query, exclude=[["w01"], []])
    with pytest.raises(ValueError, match=r"exclude: expected shape \(1, 20\)"):
        words.search(query, exclude=sparse.csr_array((20, 1)))
    with pytest.raises(TypeError, match="exclude: expected a CSR matrix"):
        words.search(query, exclude=sparse.csc_array((1, 20)))
    with pytest.raises(TypeError, match="exclude: expected a CSR matrix"):
        words.search(query, exclude=sparse.coo_array((1, 20)))
    with pytest.raises(TypeError, match="exclude: expected a CSR matrix or sequences of ids, got int"):
        words.search(query, exclude=3)


def test_damaged_csr_is_refused(words):
    class Csr:
        shape = (1, 20)
        indptr = np.array([0, 2])
        indices = np.array([0, 20])

    with pytest.raises(ValueError, match=r"exclude: expected rows from 0 to 20 \(exclusive\), got 20"):
        words.search(np.ones((1, 6)), exclude=Csr())
    Csr.indptr = np.array([0, 5])
    with pytest.raises(ValueError, match="exclude: expected ascending offsets"):
        words.search(np.ones((1, 6)), exclude=Csr())


# Neighbours of indexed items -----------------------------------------------------------------------------------------


def test_search_ids_leaves_the_item_out(metric, hostile):
    vectors = hostile(150, 9, seed=16)
    ids = np.random.default_rng(17).permutation(150) * 3 + 1000
    index = Index.build(vectors, metric=metric, ids=ids)
    rows = np.array([3, 149, 0, 3])
    found, scores = index.search_ids(ids[rows], 9)
    expected = exact.search(vectors, vectors[rows], 9, metric=metric, exclude=[[row] for row in rows])
    np.testing.assert_array_equal(index.rows(found[found != -1]), expected[0][expected[0] >= 0])
    np.testing.assert_array_equal(scores, expected[1])


def test_neighbors_are_search_ids_of_all(metric, hostile):
    index = Index.build(hostile(120, 7, seed=18), metric=metric, ids=[f"i{i}" for i in range(120)])
    found, scores = index.neighbors(6)
    expected, expected_scores = index.search_ids(index.ids, 6)
    assert found.tolist() == expected.tolist()
    np.testing.assert_array_equal(scores, expected_scores)
    rows, _ = index.neighbor_rows(6)
    assert index.ids[rows[0, 0]] == found[0, 0] or rows[0, 0] == -1
    assert not (rows == np.arange(120)[:, None]).any()


def test_neighbors_of_some_rows(metric, hostile):
    index = Index.build(hostile(50, 6, 3), metric=metric, ids=[f"i{i}" for i in range(50)])
    every_row, every_score = index.neighbor_rows(6)
    for some in ([4, 49, 0, 4], np.array([7], dtype=np.uint8), []):
        rows, scores = index.neighbor_rows(6, rows=some)
        np.testing.assert_array_equal(rows, every_row[np.asarray(some, dtype=int)])
        np.testing.assert_array_equal(scores, every_score[np.asarray(some, dtype=int)])
    for bad, error, message in [
        ([3, 50], IndexError, "rows: expected 0 to 49, got 50 at position 1"),
        ([-1], IndexError, "rows: expected 0 to 49, got -1 at position 0"),
        ([1.0], TypeError, "rows: expected integers, got float64"),
        ([True], TypeError, "rows: expected integers, got bool"),
        ([[1]], ValueError, r"rows: expected one dimension, got shape \(1, 1\)"),
    ]:
        with pytest.raises(error, match=message):
            index.neighbor_rows(6, rows=bad)


# Arguments -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"queries": np.ones(6)}, ValueError, r"one vector of shape \(6,\); pass it as v\[None, :\]"),
        ({"queries": np.ones((1, 7))}, ValueError, r"queries: expected 6 dimensions"),
        ({"queries": np.ones((1, 1, 6))}, ValueError, r"queries: expected shape \(n, d\), got \(1, 1, 6\)"),
        ({"queries": np.full((2, 6), np.nan)}, ValueError, "queries: expected finite numbers, got nan in row 0"),
        ({"queries": np.full((2, 6), 1e300)}, ValueError, "queries: expected numbers within the range of float32"),
        ({"queries": np.ones((1, 6), complex)}, TypeError, "queries: expected real numbers, got an array of complex"),
        ({"queries": [["a"] * 6]}, TypeError, "queries: expected real numbers"),
        ({"queries": [[1.0], [1.0, 2.0]]}, ValueError, "queries: expected rows of one length"),
        ({"k": 0}, ValueError, "k: expected at least 1, got 0"),
        ({"k": True}, TypeError, "k: expected an integer, got True"),
        ({"k": 2.0}, TypeError, "k: expected an integer, got float"),
        ({"recall": 0.0}, ValueError, "recall: expected a number above 0 and up to 1, got 0.0"),
        ({"recall": 1.5}, ValueError, "recall"),
        ({"recall": float("nan")}, ValueError, "recall"),
        ({"recall": "high"}, TypeError, "recall: expected a number above 0 and up to 1, got str"),
        ({"num_threads": -1}, ValueError, "num_threads: expected at least 0, got -1"),
    ],
)
def test_bad_arguments(words, arguments, error, message):
    queries = arguments.pop("queries", np.ones((1, 6)))
    with pytest.raises(error, match=message):
        words.search(queries, **arguments)


def test_recall_below_one_is_met(words):
    found, scores = words.search(np.ones((2, 6)), 5, recall=0.5)
    exactly, exact_scores = words.search(np.ones((2, 6)), 5)
    assert found.tolist() == exactly.tolist()
    np.testing.assert_array_equal(scores, exact_scores)


@pytest.mark.parametrize("metric", METRICS)
def test_queries_of_other_layouts(metric):
    rng = np.random.default_rng(19)
    vectors = rng.normal(size=(50, 8))
    index = Index.build(np.asfortranarray(vectors), metric=metric)
    expected = index.search_rows(vectors.astype(np.float32), 5)[0]
    for queries in (vectors, np.asfortranarray(vectors), np.repeat(vectors, 2, axis=1)[:, ::2], vectors.tolist()):
        np.testing.assert_array_equal(index.search_rows(queries, 5)[0], expected)
