"""Annoy's class: what is found, beside a brute force in float64 and beside Annoy itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import annoy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annlib.compat.annoy import AnnoyIndex

METRICS = ("angular", "euclidean", "manhattan", "hamming", "dot")


def brute_force(vectors, query, metric):
    """Annoy's distance of every vector, in float64 and rounded once, and the order of (distance, row)."""
    x, q = vectors.astype(np.float64), query.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        match metric:
            case "angular":
                cosines = (x @ q) / (np.linalg.norm(x, axis=1) * np.linalg.norm(q))
                ranked = -np.nan_to_num(cosines).astype(np.float32)
                distances = np.sqrt(np.maximum(2.0 + 2.0 * ranked.astype(np.float64), 0.0))
            case "dot":
                distances = x @ q
                ranked = -distances.astype(np.float32)
            case "euclidean":
                ranked = distances = np.sqrt(((x - q) ** 2).sum(axis=1)).astype(np.float32)
            case "manhattan":
                ranked = distances = np.abs(x - q).sum(axis=1).astype(np.float32)
            case "hamming":
                ranked = distances = ((x > 0.5) != (q > 0.5)).sum(axis=1)
    return distances.astype(np.float32), np.lexsort((np.arange(len(x)), ranked))


def built(kind, ids, vectors, metric):
    index = kind(vectors.shape[1], metric)
    for i, vector in zip(ids, vectors, strict=True):
        index.add_item(i, vector)
    index.build(5, n_jobs=1)
    return index


@pytest.fixture(params=METRICS)
def metric(request):
    return request.param


@pytest.mark.parametrize("seed", range(6))
def test_is_what_brute_force_finds(metric, seed):
    rng = np.random.default_rng(seed)
    count, dim = int(rng.integers(1, 300)), int(rng.integers(1, 40))
    vectors = rng.integers(-3, 4, size=(count, dim)).astype(np.float32)  # ties, duplicates, exact sums
    vectors[rng.random(count) < 0.1] = 0.0
    ids = np.sort(rng.choice(3 * count, size=count, replace=False)) if seed % 2 else np.arange(count)
    index = built(AnnoyIndex, ids.tolist(), vectors, metric)
    queries = [*rng.integers(-3, 4, size=(5, dim)).astype(np.float32), np.zeros(dim, dtype=np.float32), vectors[0]]
    for query in queries:
        expected, order = brute_force(vectors, query, metric)
        for n in (1, 7, count, count + 5, -1):
            top = order if n < 0 else order[:n]
            found, distances = index.get_nns_by_vector(query, n, include_distances=True)
            assert found == ids[top].tolist()
            assert found == index.get_nns_by_vector(query.tolist(), n, 1)
            np.testing.assert_allclose(distances, expected[top], rtol=1e-6, atol=1e-6)


def test_items_find_themselves_and_agree_with_get_distance(metric):
    vectors = np.random.default_rng(1).normal(size=(200, 12)).astype(np.float32)
    index = built(AnnoyIndex, range(200), vectors, metric)
    for i in (0, 57, 199):
        ids, distances = index.get_nns_by_item(i, 200, include_distances=True)
        assert sorted(ids) == list(range(200))
        assert metric == "dot" or distances[0] == index.get_distance(i, i) == pytest.approx(0.0, abs=1e-6)
        assert distances == [index.get_distance(i, j) for j in ids]
        assert distances == sorted(distances, reverse=metric == "dot")


@given(data=st.data(), metric=st.sampled_from(METRICS))
@settings(max_examples=60, deadline=None)
def test_distances_are_annoys(data, metric):
    dim = data.draw(st.integers(1, 20))
    component = st.floats(-4, 4, width=32, allow_subnormal=False).map(lambda x: round(x, 3))
    vector = st.lists(component, min_size=dim, max_size=dim)
    items = data.draw(st.dictionaries(st.integers(0, 60), vector, min_size=1, max_size=25))
    query = data.draw(vector)
    ids, vectors = list(items), np.array(list(items.values()), dtype=np.float32)
    ours, theirs = built(AnnoyIndex, ids, vectors, metric), built(annoy.AnnoyIndex, ids, vectors, metric)
    # Annoy's float32 cosine is off by some units in the last place, which a root makes more of near 0.
    tolerance = {"rtol": 1e-5, "atol": 2e-3 if metric == "angular" else 1e-4}

    found, distances = ours.get_nns_by_vector(query, -1, include_distances=True)
    expected, theirs_distances = theirs.get_nns_by_vector(query, -1, include_distances=True)
    assert sorted(found) == sorted(expected)
    np.testing.assert_allclose(distances, theirs_distances, **tolerance)
    of_annoy = dict(zip(expected, theirs_distances, strict=True))
    np.testing.assert_allclose(distances, [of_annoy[i] for i in found], **tolerance)

    assert ours.get_n_items() == theirs.get_n_items()
    for i in range(ours.get_n_items()):  # holes too
        assert ours.get_item_vector(i) == theirs.get_item_vector(i)
        np.testing.assert_allclose(ours.get_distance(i, ids[0]), theirs.get_distance(i, ids[0]), **tolerance)
        assert sorted(ours.get_nns_by_item(i, -1)) == sorted(theirs.get_nns_by_item(i, -1))


def test_zero_vectors_lie_between_near_and_far_under_angular():
    vectors = np.array([[-1, 0], [0, 0], [1, 0], [0, 1], [0, 0], [-1, 1]], dtype=np.float32)
    index = built(AnnoyIndex, range(6), vectors, "angular")
    right_angle = pytest.approx(2**0.5)
    ids, distances = index.get_nns_by_vector([1, 0], 10, include_distances=True)
    assert ids == [2, 1, 3, 4, 5, 0]
    assert distances == [0.0, right_angle, right_angle, right_angle, pytest.approx(1.8477591), 2.0]
    assert index.get_nns_by_vector([1, 0], 3) == [2, 1, 3]
    assert index.get_nns_by_vector([0, 0], 4, include_distances=True) == ([0, 1, 2, 3], [right_angle] * 4)
    assert index.get_distance(1, 4) == right_angle


def test_hamming_is_of_components_above_a_half():
    index = built(AnnoyIndex, [0, 1], np.array([[0.5, 0.6, -7], [1, 1, 1]], dtype=np.float32), "hamming")
    assert index.get_item_vector(0) == [0.0, 1.0, 0.0]
    assert index.get_nns_by_vector([9, 0.51, 0], 2, include_distances=True) == ([0, 1], [1.0, 1.0])


def test_queries_from_several_threads(metric, tmp_path):
    vectors = np.random.default_rng(2).normal(size=(500, 10)).astype(np.float32)
    annoys = built(annoy.AnnoyIndex, range(500), vectors, metric)
    annoys.save(str(tmp_path / "a.tree"))
    expected = built(AnnoyIndex, range(500), vectors, metric)
    index = AnnoyIndex(10, metric)
    index.load(tmp_path / "a.tree")  # its index is built by whichever thread comes first
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: index.get_nns_by_item(i, 10), range(500)))
    assert found == [expected.get_nns_by_item(i, 10) for i in range(500)]
