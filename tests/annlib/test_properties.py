"""What holds of any catalogue, any queries and any filters: drawn by hypothesis, on every instruction set."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from annlib import Index

if TYPE_CHECKING:
    from collections.abc import Callable

Vectors = NDArray[np.float32]
Found = tuple[NDArray[np.int64], NDArray[np.float32]]

LARGEST = 1200  # items: several clusters under every metric that has them

drawn = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
pytestmark = pytest.mark.usefixtures("isa")


class Job(NamedTuple):
    vectors: Vectors
    queries: Vectors
    k: int
    threads: int
    exclude: list[NDArray[np.int64]]
    allow: NDArray[np.bool_] | None


@st.composite
def jobs(draw: Callable[..., object]) -> Job:
    """Draw a catalogue's traits; its numbers follow from a seed, as thousands of drawn ones would take too long."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    n = draw(st.one_of(st.integers(0, 40), st.integers(0, LARGEST)), label="n")
    m = draw(st.integers(1, 20), label="m")
    d = draw(st.one_of(st.integers(1, 20), st.sampled_from([32, 63, 64, 65, 130])), label="d")
    vectors = rng.normal(size=(n + m, d))
    if draw(st.booleans(), label="integers"):
        vectors = np.round(vectors)
    if draw(st.booleans(), label="shifted"):
        vectors += rng.normal(size=d) * 10.0 ** rng.integers(0, 5)
    spread = draw(st.sampled_from([0, 0, 1, 6, 30]), label="orders of magnitude")
    vectors *= 10.0 ** rng.uniform(-spread, spread, size=(n + m, 1))
    vectors[rng.random(n + m) < draw(st.sampled_from([0, 0.1, 0.9]), label="zeros")] = 0
    distinct = draw(st.sampled_from([1, 3, 50, n + m, n + m]), label="distinct")
    vectors = vectors[rng.integers(0, min(distinct, n + m), size=n + m)] if distinct < n + m else vectors
    k = draw(st.one_of(st.integers(1, 20), st.integers(1, n + 3)), label="k")
    excluded = draw(st.sampled_from([0, 0.1, 0.99, 1]), label="excluded share")
    allowed = draw(st.sampled_from([None, 0, 0.01, 0.7]), label="allowed share")
    return Job(
        vectors[:n].astype(np.float32),
        vectors[n:].astype(np.float32),
        k,
        draw(st.integers(1, 5), label="threads"),
        [np.flatnonzero(rng.random(n) < excluded) for _ in range(m)],
        None if allowed is None else rng.random(n) < allowed,
    )


def assert_same(found: Found, expected: Found) -> None:
    np.testing.assert_array_equal(found[0], expected[0])
    assert found[1].tobytes() == expected[1].tobytes()


@drawn
@given(job=jobs())
def test_the_oracle_agrees(metric, assert_exact, job):
    index = Index.build(job.vectors, metric=metric)
    assert_exact(index, job.queries, job.k)
    assert_exact(index, job.queries, job.k, exclude=job.exclude, allow=job.allow)


@drawn
@given(job=jobs(), data=st.data())
def test_batches_and_threads_make_no_difference(metric, job, data):
    index = Index.build(job.vectors, metric=metric)
    cut = data.draw(st.integers(0, len(job.queries)), label="cut")
    halves = [
        index.search_rows(job.queries[part], job.k, exclude=job.exclude[part], allow=job.allow, num_threads=1)
        for part in (slice(cut), slice(cut, None))
    ]
    whole = index.search_rows(job.queries, job.k, exclude=job.exclude, allow=job.allow, num_threads=job.threads)
    assert_same(whole, tuple(np.concatenate(parts) for parts in zip(*halves, strict=True)))


@drawn
@given(job=jobs(), first=st.integers(1, 10))
def test_excluding_the_first_finds_the_next(metric, job, first):
    index = Index.build(job.vectors, metric=metric)
    rows, scores = index.search_rows(job.queries, first + job.k)
    head = index.search_rows(job.queries, first)
    tail = index.search_rows(job.queries, job.k, exclude=list(head[0]))
    assert_same(head, (rows[:, :first], scores[:, :first]))
    assert_same(tail, (rows[:, first:], scores[:, first:]))


@drawn
@given(job=jobs())
def test_an_item_is_a_query_that_may_not_find_itself(metric, job):
    index = Index.build(job.vectors, metric=metric)
    k = min(job.k, 20)
    found = index.neighbor_rows(k, allow=job.allow, num_threads=job.threads)
    some = np.arange(len(index))[::7]
    mates = index.search_ids(some, k, allow=job.allow)
    excluded = index.search_rows(job.vectors[some], k, exclude=[[row] for row in some], allow=job.allow)
    assert_same(mates, excluded)
    assert_same((found[0][some], found[1][some]), excluded)


@drawn
@given(job=jobs())
def test_the_order_of_items_decides_ties_alone(metric, job):
    order = np.random.default_rng(1).permutation(len(job.vectors))
    rows, scores = Index.build(job.vectors, metric=metric).search_rows(job.queries, job.k)
    shuffled_rows, shuffled_scores = Index.build(job.vectors[order], metric=metric).search_rows(job.queries, job.k)
    np.testing.assert_array_equal(scores, shuffled_scores)  # by value: -0.0 and 0.0 tie
    for i, shared in enumerate(scores):
        values, counts = np.unique(shared[rows[i] >= 0], return_counts=True)
        single = np.isin(shared, values[counts == 1]) & (shared != shared[-1])  # the last may tie with what is left
        np.testing.assert_array_equal(rows[i][single], order[shuffled_rows[i][single]])
