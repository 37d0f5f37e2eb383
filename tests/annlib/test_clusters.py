"""Catalogues of many clusters, and of groups of clusters, against the oracle bit for bit on every instruction set.

Invented ones of the sizes that take such an index, and real ones: factors of Gowalla, images, word vectors.
"""

from __future__ import annotations

import gzip
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from annlib import Index, exact

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from annlib.metric import Metric

Vectors = NDArray[np.float32]
Ranking = tuple[NDArray[np.int64], NDArray[np.float32]]

DEPTH = 100  # of the oracle's rankings
SAMPLE = 8  # of each kind of query
#: Shapes of which an index has groups of clusters.
GROUPED: dict[Metric, tuple[int, int]] = {
    "inner_product": (14_000, 8),
    "cosine": (34_000, 4),
    "euclidean": (34_000, 4),
}


class Ranked(NamedTuple):
    """An index, and what the oracle finds: for queries, for the same with exclusions, and for some of its items."""

    index: Index
    queries: Vectors
    of_queries: Ranking
    exclude: list[NDArray[np.int64]]
    of_queries_but: Ranking
    rows: NDArray[np.int64]
    of_rows: Ranking  # each without itself


def rank(vectors: Vectors, queries: Vectors, metric: Metric, exclude: list[NDArray[np.int64]] | None = None) -> Ranked:
    rng = np.random.default_rng(3)
    of_queries = exact.search(vectors, queries, DEPTH, metric=metric)
    if exclude is None:
        exclude = [rows[: 3 * i] for i, rows in enumerate(of_queries[0])]  # the best, of which there may be none
    rows = rng.choice(len(vectors), SAMPLE, replace=False)
    return Ranked(
        Index.build(vectors, metric=metric),
        queries,
        of_queries,
        exclude,
        exact.search(vectors, queries, DEPTH, metric=metric, exclude=exclude),
        rows,
        exact.search(vectors, vectors[rows], DEPTH, metric=metric, exclude=[[row] for row in rows]),
    )


@pytest.fixture
def assert_ranked(assert_top):
    def check(ranked: Ranked) -> None:
        index, m = ranked.index, len(ranked.queries)
        for k in (1, 10, DEPTH):
            assert_top(index.search_rows(ranked.queries, k), ranked.of_queries, k)
            assert_top(index.search_rows(ranked.queries, k, exclude=ranked.exclude), ranked.of_queries_but, k)
            assert_top(index.search_ids(ranked.rows, k), ranked.of_rows, k)
        for i in (0, m - 1):
            assert_top(index.search_rows(ranked.queries[[i]], 20), tuple(part[[i]] for part in ranked.of_queries), 20)

    return check


@pytest.fixture
def assert_neighbors(assert_top):
    def check(ranked: Ranked) -> None:
        rows, scores = ranked.index.neighbor_rows(10)
        assert_top((rows[ranked.rows], scores[ranked.rows]), ranked.of_rows, 10)

    return check


# Invented ------------------------------------------------------------------------------------------------------------


def tastes(rng, n, d):
    centers = rng.normal(size=(60, d))
    directions = centers[rng.integers(0, 60, size=n)] + 0.3 * rng.normal(size=(n, d))
    return directions * rng.lognormal(sigma=0.5, size=(n, 1))


def without_any_structure(rng, n, d):
    return rng.normal(size=(n, d))


def duplicates(rng, n, d):
    return tastes(rng, n // 1000, d)[rng.integers(0, n // 1000, size=n)]


def zeros_among_duplicates(rng, n, d):
    vectors = tastes(rng, n // 2, d)[rng.integers(0, n // 2, size=n)]
    vectors[rng.random(n) < 0.5] = 0
    return vectors


def norms_over_twelve_orders_of_magnitude(rng, n, d):
    return rng.normal(size=(n, d)) * 10 ** rng.uniform(-6, 6, size=(n, 1))


def one_direction_only(rng, n, d):
    return rng.uniform(0.1, 9, size=(n, 1)) * rng.normal(size=(1, d))


@cache
def invented(make: Callable[..., NDArray[np.float64]], metric: Metric) -> Ranked:
    rng = np.random.default_rng(4)
    n, d = GROUPED[metric]
    vectors = make(rng, n, d).astype(np.float32)
    queries = np.concatenate([vectors[rng.choice(n, SAMPLE)], rng.normal(size=(SAMPLE, d)), np.zeros((1, d))])
    return rank(vectors, queries.astype(np.float32), metric)


def groups(index: Index) -> int:
    return next(section["bytes"] for section in index.info["sections"] if section["name"] == "code_groups") // 8


@pytest.mark.parametrize("metric", GROUPED)
def test_catalogues_of_this_size_have_groups_of_clusters(metric):
    assert groups(invented(tastes, metric).index) > 4


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("metric", GROUPED)
@pytest.mark.parametrize(
    "make",
    [
        tastes,
        without_any_structure,
        duplicates,
        zeros_among_duplicates,
        norms_over_twelve_orders_of_magnitude,
        one_direction_only,
    ],
)
def test_groups_of_clusters(make, metric, assert_ranked):
    assert_ranked(invented(make, metric))


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("metric", GROUPED)
def test_neighbors_in_groups_of_clusters(metric, assert_neighbors):
    assert_neighbors(invented(tastes, metric))


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("metric", GROUPED)
def test_one_item_left_or_none(metric, assert_top):
    index = invented(tastes, metric).index
    n = len(index)
    left = np.random.default_rng(5).choice(n, SAMPLE)
    queries = index.vectors[left[::-1]]
    scores = np.array([exact.scores(index.vectors[[row]], queries[i], metric) for i, row in enumerate(left)])
    others = [np.delete(np.arange(n), row) for row in left]
    assert_top(index.search_rows(queries, 3, exclude=others), (left[:, None], scores), 3)
    assert_top(index.search_rows(queries[:1], 3, allow=left[:1]), (left[:1, None], scores[:1]), 3)
    rows, _ = index.search_ids(left, 3, exclude=others)
    assert (rows == -1).all()


@pytest.mark.parametrize("metric", GROUPED)
def test_no_item_is_found_twice(metric, assert_exact):
    """One query of many has a list that never fills: it goes on to all clusters, but not again to its own."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(512, 2)).astype(np.float32)  # two clusters or more
    exclude = [np.arange(1, 512), *([[]] * 7)]
    assert_exact(Index.build(vectors, metric=metric), vectors[:8], 2, exclude=exclude)


# Real ----------------------------------------------------------------------------------------------------------------


def images(folder: Path) -> tuple[Vectors, Vectors]:
    with gzip.open(folder / "mnist" / "t10k-images-idx3-ubyte.gz") as file:
        file.read(16)
        pixels = np.frombuffer(file.read(1200 * 784), dtype=np.uint8).reshape(-1, 784)
    return pixels[:-SAMPLE].astype(np.float32), pixels[-SAMPLE:].astype(np.float32)


def words(folder: Path) -> tuple[Vectors, Vectors]:
    with (folder / "words" / "glove_twitter_25d_11925x25.txt").open(encoding="utf-8") as lines:
        count, _ = map(int, next(lines).split())
        vectors = np.array([next(lines).split()[-25:] for _ in range(min(count, 4000))], dtype=np.float32)
    return vectors[:-SAMPLE], vectors[-SAMPLE:]


@pytest.fixture(scope="module")
def real(data_dir, factors_of_gowalla) -> Callable[[str, Metric], Ranked]:
    """Rank a real catalogue, once for each metric."""

    @cache
    def ranked(name: str, metric: Metric) -> Ranked:
        if name == "gowalla":
            places, users, seen = factors_of_gowalla
            some = np.random.default_rng(7).choice(len(users), 2 * SAMPLE, replace=False)
            return rank(places, users[some], metric, [seen[user] for user in some])
        vectors, queries = images(data_dir) if name == "images" else words(data_dir)
        return rank(vectors, queries, metric)

    return ranked


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("name", ["gowalla", "images", "words"])
def test_real_vectors(name, metric, real, assert_ranked):
    assert_ranked(real(name, metric))


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("name", ["gowalla", "images", "words"])
def test_neighbors_of_real_vectors(name, metric, real, assert_neighbors):
    assert_neighbors(real(name, metric))
