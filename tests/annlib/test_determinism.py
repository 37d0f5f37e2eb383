"""The same input gives the same bytes and the same results: whatever the threads, the batches and the company."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from annlib import Index, _native

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from annlib.metric import Metric

Vectors = NDArray[np.float32]
Found = tuple[NDArray[np.int64], NDArray[np.float32]]

THREADS = [1, 2, 5]
QUERIES = 1300  # more than two tiles
K = 12


def tastes(n: int, d: int, seed: int, *, common: int = 0) -> Vectors:
    """Make vectors of a few tastes and many lengths, with duplicates and zeros."""
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(common).normal(size=(40, d))
    vectors = centers[rng.integers(0, 40, size=n)] + 0.3 * rng.normal(size=(n, d))
    vectors *= rng.lognormal(sigma=0.7, size=(n, 1))
    vectors[3::7] = vectors[: len(vectors[3::7])]
    vectors[5::50] = 0
    return vectors.astype(np.float32)


def assert_same(found: Found, expected: Found) -> None:
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(bits(found[1]), bits(expected[1]))


def bits(scores: NDArray[np.float32]) -> NDArray[np.uint32]:
    return np.ascontiguousarray(scores).view(np.uint32)


def joined(parts: Iterable[Found]) -> Found:
    rows, scores = zip(*parts, strict=True)
    return np.concatenate(rows), np.concatenate(scores)


# The index -----------------------------------------------------------------------------------------------------------


def test_bytes_of_an_index(metric, tmp_path):
    grouped = {"inner_product": 14_000, "cosine": 34_000, "euclidean": 34_000}  # have groups of clusters
    vectors = tastes(grouped.get(metric, 3000), 6, 1)
    path = tmp_path / "x.ann"
    images = set()
    for threads in (*THREADS, 1):
        Index.build(vectors, metric=metric, seed=3, num_threads=threads, path=path)
        images.add(path.read_bytes())
    Index.build(vectors, metric=metric, seed=3, num_threads=2).save(path)
    images.add(path.read_bytes())
    Index.build(np.array_split(vectors, 7), metric=metric, seed=3, num_threads=5, path=path)
    images.add(path.read_bytes())
    assert len(images) == 1


# Results -------------------------------------------------------------------------------------------------------------


@cache
def catalogue(metric: Metric) -> Index:
    return Index.build(tastes(3000, 20, 2), metric=metric)


@cache
def queries() -> Vectors:
    return tastes(QUERIES, 20, 3)


@cache
def alone(metric: Metric) -> Found:
    """Return what each query finds in a call of its own, with one thread."""
    return joined(catalogue(metric).search_rows(query[None], K, num_threads=1) for query in queries())


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("threads", THREADS)
def test_batches_and_threads(metric, threads):
    index = catalogue(metric)
    for batch in (7, 600, QUERIES):
        parts = (queries()[i : i + batch] for i in range(0, QUERIES, batch))
        assert_same(joined(index.search_rows(part, K, num_threads=threads) for part in parts), alone(metric))
    for i in range(0, QUERIES, 37):
        one = index.search_rows(queries()[[i]], K, num_threads=threads)
        assert_same(one, (alone(metric)[0][[i]], alone(metric)[1][[i]]))


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("threads", THREADS)
def test_company(metric, threads):
    rng = np.random.default_rng(4)
    strangers = rng.normal(size=(500, 20)) * 10 ** rng.uniform(-30, 30, size=(500, 1))
    crowd = np.concatenate([queries(), queries()[:200], strangers]).astype(np.float32)
    source = np.arange(len(crowd)) % QUERIES
    order = rng.permutation(len(crowd))
    rows, scores = catalogue(metric).search_rows(crowd[order], K, num_threads=threads)
    known = np.flatnonzero(order < QUERIES + 200)
    assert_same(
        (rows[known], scores[known]),
        (alone(metric)[0][source[order[known]]], alone(metric)[1][source[order[known]]]),
    )


@pytest.mark.usefixtures("isa")
def test_filters_in_batches_and_threads(metric):
    index, m = catalogue(metric), 120
    rng = np.random.default_rng(5)
    exclude = [rng.choice(len(index), rng.integers(0, 2000), replace=False) for _ in range(m)]
    allow = rng.random(len(index)) < 0.4
    for allowed in (None, allow):
        one_by_one = joined(
            index.search_rows(queries()[[i]], K, exclude=exclude[i : i + 1], allow=allowed, num_threads=1)
            for i in range(m)
        )
        for threads in THREADS:
            found = index.search_rows(queries()[:m], K, exclude=exclude, allow=allowed, num_threads=threads)
            assert_same(found, one_by_one)


@pytest.mark.usefixtures("isa")
def test_neighbors_of_items_alone_and_of_all(metric):
    index = catalogue(metric)
    rows = np.random.default_rng(6).permutation(len(index))[:150]
    one_by_one = joined(index.search_ids([row], K, num_threads=1) for row in rows)
    for threads in THREADS:
        neighbors, scores = index.neighbor_rows(K, num_threads=threads)
        assert_same((neighbors[rows], scores[rows]), one_by_one)
        for batch in (7, len(rows)):
            parts = (rows[i : i + batch] for i in range(0, len(rows), batch))
            assert_same(joined(index.search_ids(part, K, num_threads=threads) for part in parts), one_by_one)


def test_one_query_among_many_items(metric):
    """One query alone can be cut into ranges of items for several threads."""
    index = Index.build(tastes(40_000, 64, 7), metric=metric)
    for query in tastes(3, 64, 8):
        found = [index.search_rows(query[None], K, num_threads=threads) for threads in THREADS]
        assert_same(found[1], found[0])
        assert_same(found[2], found[0])


@pytest.fixture
def use_isa() -> Iterator[Callable[[str], None]]:
    before = _native.isa()
    yield _native.use_isa
    _native.use_isa(before)


@pytest.mark.parametrize("metric", ["inner_product", "cosine", "euclidean"])
def test_instruction_sets_search_each_others_indexes(metric, use_isa):
    """Clusters may come out differently on another host; what is found in them does not."""
    indexes = []
    for name in _native.available_isas():
        use_isa(name)
        indexes.append(Index.build(tastes(14_000, 9, 9), metric=metric))
    found = []
    for name in _native.available_isas():
        use_isa(name)
        found += [index.search_rows(tastes(60, 9, 10), K) for index in indexes]
    for other in found[1:]:
        assert_same(other, found[0])
