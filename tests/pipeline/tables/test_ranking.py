"""Lists under the rules of a catalogue, held against the slow twin: same rows, same scores, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import annlib
from pipeline.config import DiversitySettings
from pipeline.tables import searches
from pipeline.tables.caps import Cap, accept
from pipeline.tables.diversity import diversify
from pipeline.tables.fallback import Popular
from pipeline.tables.oracle import Oracle
from pipeline.tables.ranking import RuledLists
from pipeline.tables.rules import Rules
from pipeline.tables.searches import ModelSearch
from pipeline.tables.weighted import WeightedSearch

N_SOURCES, N_TARGETS, DIM = 23, 90, 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("indexes")


def random_csr(rng, shape, density):
    return sp.csr_matrix((rng.random(shape) < density).astype(np.float32))


def random_vectors(rng, n):
    """Positive as often as negative; some all zeros, some equal."""
    vectors = rng.normal(size=(n, DIM)).astype(np.float32)
    vectors[rng.random(n) < 0.08] = 0.0
    vectors[rng.random(n) < 0.1] = vectors[-1]
    return vectors


def random_caps(rng):
    """One cap or two, of attributes that an item has none, one or several values of."""
    sizes = [8, 30][: rng.integers(1, 3)]
    return tuple(Cap(random_csr(rng, (N_TARGETS, n), 1.5 / n), int(rng.integers(1, 4))) for n in sizes)


def random_rules(rng, *, weights, caps, diversity, fallback):
    allow = None if rng.random() < 0.3 else rng.random(N_TARGETS) < rng.choice([0.1, 0.5, 0.95])
    if allow is not None:
        allow[rng.integers(N_TARGETS)] = True
    spread = DiversitySettings.model_validate({"lambda": float(rng.random()), "candidates": 20})
    return Rules(
        np.flatnonzero(rng.random(N_SOURCES) < 0.9),
        random_csr(rng, (N_SOURCES, N_TARGETS), rng.choice([0.05, 0.6])) if rng.random() < 0.8 else None,
        allow=allow,
        weights=np.exp(rng.normal(scale=rng.choice([0.1, 3.0]), size=N_TARGETS)) if weights else None,
        caps=random_caps(rng) if caps else (),
        diversity=spread if diversity else None,
        popular=Popular.of(rng.integers(0, 6, N_TARGETS), allow) if fallback else None,
    )


def make_lists(rules, targets, vectors, metric, k, folder):
    search = (
        ModelSearch(annlib.Index.build(targets, metric=metric), vectors, exclude=rules.exclude, allow=rules.allow)
        if rules.weights is None
        else WeightedSearch(
            targets, vectors, metric, rules.weights, folder=folder, exclude=rules.exclude, allow=rules.allow
        )
    )
    return RuledLists(search, targets, vectors, metric, rules, k=k)


@given(
    seed=st.integers(0, 2**32),
    k=st.sampled_from([1, 7, 20]),
    metric=st.sampled_from(["cosine", "inner_product"]),
    weights=st.booleans(),
    caps=st.booleans(),
    diversity=st.booleans(),
    fallback=st.booleans(),
    block=st.sampled_from([1, 300, searches.BLOCK_CANDIDATES]),
)
@settings(max_examples=80, deadline=None)
def test_lists_are_those_of_the_slow_twin(folder, seed, k, metric, weights, caps, diversity, fallback, block):
    """Under every combination of rules, and however much of a batch is held at once."""
    rng = np.random.default_rng(seed)
    targets, vectors = random_vectors(rng, N_TARGETS), random_vectors(rng, N_SOURCES)
    rules = random_rules(rng, weights=weights, caps=caps, diversity=diversity, fallback=fallback)
    oracle = Oracle(targets, vectors, metric, rules, k)
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searches, "BLOCK_CANDIDATES", block)
        for lists in make_lists(rules, targets, vectors, metric, k, folder):
            seen += lists.source_rows.tolist()
            for place, source_row in enumerate(lists.source_rows.tolist()):
                true = oracle.true_list(source_row)
                there = lists.target_rows[place] >= 0
                assert lists.target_rows[place][there].tolist() == true.rows
                assert there[: len(true.rows)].all()
                assert lists.scores[place][there].tolist() == true.scores
                assert np.isnan(lists.scores[place][~there]).all()
                assert not (np.diff(lists.scores[place][there]) > 0).any()
                popular = np.zeros(there.shape, bool) if lists.popular is None else lists.popular[place]
                assert popular[there].tolist() == true.popular
    assert seen == rules.wanted.tolist()


def test_a_near_copy_of_what_is_listed_gives_way():
    """Worked by hand: relevance 1, .75 and 0; the second is the first's copy, the third at a right angle to both."""
    targets = np.array([[2, 0], [1, 0], [0, 3]], np.float32)
    rows, scores = np.array([[0, 1, 2]]), np.array([[5, 4, 1]], np.float32)
    spread = DiversitySettings.model_validate({"lambda": 0.5})
    chosen, values = diversify(rows, scores, targets, spread, 3)
    assert chosen.tolist() == [[0, 2, 1]]
    assert values.tolist() == [[0.5, 0.0, 0.5 * 0.75 - 0.5]]
    order, _ = diversify(rows, scores, targets, DiversitySettings.model_validate({"lambda": 1.0}), 3)
    assert order.tolist() == rows.tolist()


def test_an_item_counts_for_each_of_its_values():
    """Of items with the values {0, 1}, {1}, {0, 2}, {} and {2}, one of each value."""
    values = sp.csr_matrix(np.array([[1, 1, 0], [0, 1, 0], [1, 0, 1], [0, 0, 0], [0, 0, 1]], np.float32))
    taken = accept(np.array([[0, 1, 2, 3, 4], [4, -1, 2, 1, 0]]), [Cap(values, 1)], 5)
    assert taken.tolist() == [[True, False, False, True, True], [True, False, False, True, False]]
