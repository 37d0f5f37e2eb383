"""Tables that ask for less than all neighbours: what they are calibrated on, how they search, what is measured."""

from __future__ import annotations

import datetime
import warnings

import numpy as np
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp

import annlib
import pipeline
from annlib import exact
from pipeline.tables.neighbors import NeighborRecall, calibration_sample, neighbor_lists
from pipeline.tables.oracle import Oracle
from pipeline.tables.rules import Rules

K = 10


@pytest.fixture(scope="module")
def vectors():
    """Vectors of a hundred tastes, enough for clusters that a search can leave out."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(100, 24))
    return (centers[rng.integers(0, 100, size=5000)] + 0.7 * rng.normal(size=(5000, 24))).astype(np.float32)


@pytest.fixture(scope="module")
def index(vectors):
    return annlib.Index.build(vectors, metric="cosine", calibration_queries=vectors[::9] + np.float32(0.5))


def one_list(lists):
    (batch,) = lists
    return batch


# Searching and measuring ---------------------------------------------------------------------------------------------


def test_a_recall_reaches_the_search(index, vectors):
    rows = np.arange(0, 5000, 7)
    everything = one_list(neighbor_lists(index, vectors, rows, k=K))
    exact_share = index.last_search_stats["scanned_share"]
    some = one_list(neighbor_lists(index, vectors, rows, k=K, recall=0.7))
    assert index.last_search_stats["scanned_share"] < exact_share
    found, scores = index.search_rows(vectors[rows], K, recall=0.7)
    np.testing.assert_array_equal(some.target_rows, found)
    np.testing.assert_array_equal(some.scores, scores)
    assert (some.target_rows != everything.target_rows).any()


def test_items_are_asked_for_as_the_indexs_own(index, vectors):
    """Each is left out of its own list, and found by what was calibrated on items."""
    rows = np.arange(3, 5000, 7)
    itself = sp.csr_matrix((np.ones(5000, np.float32), np.arange(5000), np.arange(5001)))
    own = one_list(neighbor_lists(index, None, rows, k=K))
    others = one_list(neighbor_lists(index, vectors, rows, k=K, exclude=itself))
    np.testing.assert_array_equal(own.target_rows, others.target_rows)
    np.testing.assert_array_equal(own.scores, others.scores)
    found, _ = index.search_ids(rows, K, recall=0.7)
    np.testing.assert_array_equal(one_list(neighbor_lists(index, None, rows, k=K, recall=0.7)).target_rows, found)


@pytest.mark.parametrize("recall", [0.7, 1.0])
def test_the_measured_recall_is_that_of_the_sampled_lists(index, vectors, recall):
    rows = np.arange(1, 5000, 5)
    itself = sp.csr_matrix((np.ones(5000, np.float32), np.arange(5000), np.arange(5001)))
    measure = NeighborRecall(rows, 50)
    found = {}
    for lists in neighbor_lists(index, None, rows, k=K, recall=recall, batch_lists=300):
        measure.add(lists)
        found.update(zip(lists.source_rows.tolist(), lists.target_rows, strict=True))
    sample = rows[np.linspace(0, len(rows) - 1, 50).astype(int)]
    truth, _ = exact.search(vectors, vectors[sample], K, metric="cosine", exclude=[[row] for row in sample])
    shares = [len(set(true) & set(found[row])) / K for row, true in zip(sample.tolist(), truth.tolist(), strict=True)]
    measured = measure.measure(Oracle(vectors, vectors, "cosine", Rules(rows, itself), K).rows)
    assert measured.mean == pytest.approx(np.mean(shares))
    assert measured.standard_error == pytest.approx(np.std(shares) / 50**0.5)
    assert (measured.mean == 1.0) == (recall == 1.0)


def test_lists_that_had_nothing_to_find_say_nothing():
    items = np.ones((3, 2), np.float32)
    all_seen = sp.csr_matrix(np.array([[1, 1, 1], [0, 1, 1]], np.float32))
    index = annlib.Index.build(items, metric="inner_product")
    for rows, seen in ((np.array([0]), all_seen), (np.array([0, 1]), all_seen)):
        measure = NeighborRecall(rows, 10)
        for lists in neighbor_lists(index, items[:2], rows, k=2, exclude=seen):
            measure.add(lists)
        truth = Oracle(items, items[:2], "inner_product", Rules(rows, seen), 2)
        assert measure.measure(truth.rows) == (1.0, 0.0)


def test_a_sample_is_spread_evenly_over_each_entity_type():
    few, many = np.arange(6, dtype=np.float32).reshape(3, 2), np.arange(2000, dtype=np.float32).reshape(1000, 2)
    sample = calibration_sample([few, many], size=10)
    np.testing.assert_array_equal(sample, np.concatenate([few, many[::111]]))
    assert calibration_sample([]) is None
    assert calibration_sample([np.empty((0, 2), np.float32)]).shape == (0, 2)
    assert len(calibration_sample([np.zeros((5000, 2), np.float32)])) == 2048


# In a run ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def make(project):
    """Make tasks of the small project under other settings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Luigi's, about a default of its own
        from pipeline import tasks

    def task(kind, *overrides, **parameters):
        date = datetime.date(2026, 1, 31)
        return getattr(tasks, kind)(date=date, config=str(project.config), overrides=overrides, **parameters)

    return task


def test_an_index_is_calibrated_on_whoever_searches_it_for_less(make):
    def queries(entity, metric, *overrides):
        return make("BuildIndex", *overrides, entity=entity, metric=metric).query_entities()

    users, artists = "tables.tracks_for_users.recall=0.9", "tables.similar_artists.recall=0.9"
    assert queries("track", "inner_product") == []
    assert queries("track", "inner_product", users) == ["user"]
    assert queries("track", "cosine", users) == []
    assert queries("artist", "cosine", users, artists) == []  # its own items
    by_users = ["tables.similar_artists.from=user", "tables.similar_artists.metric=cosine"]
    assert queries("artist", "cosine", artists, *by_users) == ["user"]


def test_fingerprints_cover_the_recall(make):
    def fingerprints(*overrides):
        index = make("BuildIndex", *overrides, entity="track", metric="inner_product")
        return index.fingerprint, make("WriteTable", *overrides, table="tracks_for_users").fingerprint

    exact_index, exact_table = fingerprints()
    index, table = fingerprints("tables.tracks_for_users.recall=0.9")
    same_index, other_table = fingerprints("tables.tracks_for_users.recall=0.95")
    assert index != exact_index
    assert index == same_index
    assert len({exact_table, table, other_table}) == 3
    others = fingerprints("tables.similar_artists.recall=0.9")
    assert others == (exact_index, exact_table)


def test_a_run_with_recalls(project, command):
    recalls = {"tracks_for_users": 0.9, "similar_artists": 0.95}
    options = [part for table, recall in recalls.items() for part in ("--set", f"tables.{table}.recall={recall}")]
    result = command("cfpipe", "run", project.config, *options)
    assert result.returncode == 0, result.stderr
    run = pipeline.open_run(project.root)
    for table, recall in recalls.items():
        manifest = run.manifest(table)
        assert manifest["parameters"]["recall"] == recall
        assert recall - 3 * manifest["neighbor_recall_error"] <= manifest["neighbor_recall"] <= 1.0
        assert pq.read_schema(run.tables[table] / "part-00000.parquet").metadata[b"recall"] == str(recall).encode()
    tracks = run.index("track", "inner_product").info["calibration"]
    assert [(table["source"], table["queries"]) for table in tracks["tables"]] == [("items", 60), ("queries", 120)]
    artists = run.index("artist", "cosine").info["calibration"]
    assert [table["source"] for table in artists["tables"]] == ["items"]
