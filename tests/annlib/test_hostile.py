"""Exact means exact on hostile data: all searches against the oracle, bit for bit, on every instruction set.

The oracle ranks each catalogue once for each metric; the instruction sets, and every ``k``, are held against that.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from annlib import Index, _native, exact

if TYPE_CHECKING:
    from collections.abc import Callable

    from annlib.metric import Metric

Vectors = NDArray[np.float32]
Ranking = tuple[NDArray[np.int64], NDArray[np.float32]]

SAMPLE = 12  # of a catalogue's items, as queries
DIMS = [1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 31, 60, 63, 64, 65, 100, 129, 300, 1000, 2047, 2048]


# Catalogues ----------------------------------------------------------------------------------------------------------


def duplicates_by_the_thousand(rng):
    return rng.normal(size=(2, 10))[rng.integers(0, 2, size=2200)]


def nothing_but_duplicates(rng):
    return np.repeat(rng.normal(size=(1, 9)), 1100, axis=0)


def duplicates_but_for_the_last_bits(rng):
    return rng.normal(size=(1, 20)) * (1 + 2.0**-23 * rng.integers(-2, 3, size=(700, 20)))


def zero_vectors_alone(rng):
    return np.zeros((300, 6))


def zero_vectors_among_others(rng):
    return rng.normal(size=(900, 11)) * (rng.random((900, 1)) < 0.3)


def norms_over_twelve_orders_of_magnitude(rng):
    return rng.normal(size=(1200, 16)) * 10 ** rng.uniform(-6, 6, size=(1200, 1))


def components_over_twelve_orders_of_magnitude(rng):
    return rng.normal(size=(800, 13)) * 10 ** np.linspace(-6, 6, 13)


def constant_dimensions(rng):
    vectors = np.repeat(rng.normal(size=(1, 14)), 700, axis=0)
    vectors[:, 5:7] = rng.normal(size=(700, 2))
    return vectors


def one_direction_only(rng):
    return rng.uniform(0.1, 9, size=(800, 1)) * rng.normal(size=(1, 15))


def one_line_both_ways(rng):
    return rng.normal(size=(800, 1)) * rng.normal(size=(1, 15))


def all_negative(rng):
    return -np.abs(rng.normal(size=(800, 18))) - 0.01


def few_values(rng):
    return rng.integers(-1, 2, size=(900, 7))


CATALOGUES = [
    duplicates_by_the_thousand,
    nothing_but_duplicates,
    duplicates_but_for_the_last_bits,
    zero_vectors_alone,
    zero_vectors_among_others,
    norms_over_twelve_orders_of_magnitude,
    components_over_twelve_orders_of_magnitude,
    constant_dimensions,
    one_direction_only,
    one_line_both_ways,
    all_negative,
    few_values,
]


class Ranked(NamedTuple):
    """A catalogue, and the oracle's ranking (as ids) of all its items: for queries, and for a sample of the items."""

    vectors: Vectors
    ids: NDArray[np.int64]
    queries: Vectors
    of_queries: Ranking
    sample: NDArray[np.int64]  # rows
    of_sample: Ranking  # each without itself


@cache
def ranked(make: Callable[[np.random.Generator], Vectors], metric: Metric) -> Ranked:
    rng = np.random.default_rng(1)
    return rank(make(rng).astype(np.float32), metric, rng)


@cache
def ranked_of_shape(hostile: Callable[..., Vectors], n: int, d: int, metric: Metric) -> Ranked:
    return rank(hostile(n, d, seed=n + d), metric, np.random.default_rng(2))


def build(catalogue: Ranked, metric: Metric) -> Index:
    return Index.build(catalogue.vectors, metric=metric, ids=catalogue.ids)


@cache
def built(make: Callable[[np.random.Generator], Vectors], metric: Metric, isa: str) -> Index:
    """Return the index of a catalogue that was built on an instruction set, which must be the one in use."""
    assert _native.isa() == isa
    return build(ranked(make, metric), metric)


def rank(vectors: Vectors, metric: Metric, rng: np.random.Generator) -> Ranked:
    n, d = vectors.shape
    ids = 10_000 + rng.permutation(n)
    sample = rng.permutation(n)[:SAMPLE]
    queries = np.concatenate([
        rng.normal(size=(4, d)),
        rng.normal(size=(4, d)) * 10.0 ** np.array([[-30], [-6], [6], [30]]),
        np.zeros((1, d)),
        vectors[sample[:3]],
        -vectors[sample[:3]],
    ]).astype(np.float32)  # fmt: skip
    own = [[row] for row in sample]
    return Ranked(
        vectors,
        ids,
        queries,
        as_ids(exact.search(vectors, queries, n, metric=metric), ids),
        sample,
        as_ids(exact.search(vectors, vectors[sample], n, metric=metric, exclude=own), ids),
    )


def as_ids(ranking: Ranking, ids: NDArray[np.int64]) -> Ranking:
    rows, scores = ranking
    if len(ids) == 0:
        return ranking
    return np.where(rows >= 0, ids[rows], -1), scores


# Against the oracle --------------------------------------------------------------------------------------------------


@pytest.fixture
def assert_ranked(assert_top):
    """Check all three searches of a catalogue."""

    def check(index: Index, catalogue: Ranked) -> None:
        n = len(catalogue.ids)
        for k in {1, 10, max(1, n), n + 100}:
            assert_top(index.search(catalogue.queries, k), catalogue.of_queries, k)
            assert_top(index.search(catalogue.queries[-1:], k), last(catalogue.of_queries), k)
            assert_top(index.search_ids(catalogue.ids[catalogue.sample], k), catalogue.of_sample, k)
        for k in {1, 10, n + 1} if n <= 100 else {10}:
            ids, scores = index.neighbors(k)
            assert_top((ids[catalogue.sample], scores[catalogue.sample]), catalogue.of_sample, k)

    return check


def last(ranking: Ranking) -> Ranking:
    return ranking[0][-1:], ranking[1][-1:]


@pytest.mark.parametrize("make", CATALOGUES)
def test_hostile_catalogues(make, metric, isa, assert_ranked):
    assert_ranked(built(make, metric, isa), ranked(make, metric))


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("d", [1, 6, 33])
def test_few_items(d, metric, hostile, assert_ranked):
    for n in range(18):
        catalogue = ranked_of_shape(hostile, n, d, metric)
        assert_ranked(build(catalogue, metric), catalogue)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("d", DIMS)
def test_dimensions(d, metric, hostile, assert_ranked):
    catalogue = ranked_of_shape(hostile, 45, d, metric)
    assert_ranked(build(catalogue, metric), catalogue)


# Filters that leave next to nothing ----------------------------------------------------------------------------------


def scores_of_pairs(catalogue: Ranked, queries: Vectors, rows: NDArray[np.int64], metric: Metric) -> Ranking:
    """Return the ranking where query ``i`` may only find row ``rows[i]``."""
    scores = np.array(
        [exact.scores(catalogue.vectors[[row]], query, metric) for query, row in zip(queries, rows, strict=True)]
    )
    none = np.isnan(scores)
    return np.where(none, -1, catalogue.ids[rows][:, None]), np.where(none, np.float32(np.nan), scores)


@pytest.mark.parametrize("make", CATALOGUES)
def test_one_item_left(make, metric, isa, assert_top):
    catalogue, index = ranked(make, metric), built(make, metric, isa)
    left = np.resize(catalogue.sample, len(catalogue.queries))
    expected = scores_of_pairs(catalogue, catalogue.queries, left, metric)
    others = [np.delete(catalogue.ids, row) for row in left]
    for k in (1, 5):
        assert_top(index.search(catalogue.queries, k, exclude=others), expected, k)
        for i in (0, 10):
            query, only = catalogue.queries[[i]], (expected[0][[i]], expected[1][[i]])
            assert_top(index.search(query, k, allow=catalogue.ids[left[[i]]]), only, k)
    others_but_two = [np.setdiff1d(catalogue.ids, catalogue.ids[[row, left[0]]]) for row in left[1:5]]
    expected = scores_of_pairs(catalogue, catalogue.vectors[left[1:5]], left[[0] * 4], metric)
    assert_top(index.search_ids(catalogue.ids[left[1:5]], 3, exclude=others_but_two), expected, 3)


@pytest.mark.parametrize("make", CATALOGUES)
def test_no_item_left(make, metric, isa):
    catalogue, index = ranked(make, metric), built(make, metric, isa)
    m = len(catalogue.queries)
    first, rest = catalogue.ids[:5], catalogue.ids[5:]
    own = catalogue.ids[catalogue.sample[:2]]
    for ids, scores in (
        index.search(catalogue.queries, 4, exclude=[catalogue.ids] * m),
        index.search(catalogue.queries, 4, allow=[]),
        index.search(catalogue.queries, 4, allow=first, exclude=[first] * m),
        index.search(catalogue.queries[:1], 4, allow=first, exclude=[catalogue.ids]),
        index.search(catalogue.queries[:1], 4, exclude=[np.concatenate([rest, first])]),
        index.search_ids(own, 4, exclude=[np.setdiff1d(catalogue.ids, own[[i]]) for i in range(2)]),
        index.search_ids(own[:1], 4, allow=own[:1]),
    ):
        assert (ids == -1).all()
        assert np.isnan(scores).all()


@pytest.mark.usefixtures("isa")
def test_a_query_that_overflows_keeps_its_groups_in_any_company(assert_top):
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(60, 8))[rng.integers(0, 60, 20_000)]
    vectors = (rng.normal(size=(20_000, 8)) * 1e-3 + directions * 3e-2).astype(np.float32)
    queries = (vectors[7] + rng.normal(size=(20, 8)) * 1e-4).astype(np.float32)
    queries[5] = rng.choice([-1.0, 1.0], 8) * 1e38
    index = Index.build(vectors, metric="euclidean")
    assert_top(index.search_rows(queries, 5), exact.search(vectors, queries, 5, metric="euclidean"), 5)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("metric", ["cosine", "inner_product", "euclidean"])
def test_a_guess_leaves_no_list_short(metric):
    rng = np.random.default_rng(1)
    vectors = np.zeros((2_000, 256), np.float32)  # the errors of whose codes all point the same way
    for vector in vectors:
        vector[rng.choice(256, 2, replace=False)] = rng.choice([-1.0, 1.0], 2) * [5.0, 1.0]
    index = Index.build(vectors, metric=metric)
    rows, scores = index.search_rows(vectors[:100], 20, recall=0.9)
    assert (rows >= 0).all()
    _, best = exact.search(vectors, vectors[:100], 20, metric=metric)
    as_good = scores <= best[:, -1:] if metric == "euclidean" else scores >= best[:, -1:]
    assert as_good.mean() >= 0.9
