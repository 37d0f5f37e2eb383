"""Rules that are kept with a run give one user the list that the definition gives, under each of them."""

from __future__ import annotations

import datetime
import json

import numpy as np
import pytest

import pipeline
from pipeline.config import USER, TableSettings
from pipeline.errors import StoreError
from pipeline.tables.catalogue import with_catalogue
from pipeline.tables.exhaustive import ExhaustiveSearch
from pipeline.tables.kept import KeptRules
from pipeline.tables.oracle import Oracle
from pipeline.tables.rules import Rules
from pipeline.tables.weighted import WeightedSearch

RULES = {
    "nothing": {},
    "seen": {"exclude_seen": False},
    "allow": {"allow": {"path": "FOLDER/listed.csv", "id": "id"}},
    "deny": {"deny": {"path": "FOLDER/listed.csv", "id": "id"}},
    "min_support": {"min_support": 18},
    "popularity_penalty": {"popularity_penalty": 0.6},
    "boosts": {"boosts": {"path": "FOLDER/listed.csv", "id": "id", "boost": "factor"}},
    "max_per": {"max_per": {"artist": 1}},
    "diversity": {"diversity": {"lambda": 0.4, "candidates": 30}},
    "fallback": {"fallback": "popular", "allow": {"path": "FOLDER/listed.csv", "id": "id"}},
    "cosine": {"metric": "cosine", "min_support": 10},
    "everything": {
        "allow": {"path": "FOLDER/listed.csv", "id": "id"},
        "min_support": 5,
        "popularity_penalty": 0.3,
        "boosts": {"path": "FOLDER/listed.csv", "id": "id", "boost": "factor"},
        "max_per": {"artist": 2},
        "diversity": {"lambda": 0.7, "candidates": 20},
        "fallback": "popular",
    },
}


@pytest.fixture(scope="module")
def run(published):
    return pipeline.open_run(published.root)


@pytest.fixture
def rules_of(run, tmp_path):
    """The settings of a table of tracks for users and what they come to; the file lists two thirds of the tracks."""
    lines = [f"t{number:03d},{1 + number % 4}" for number in range(60) if number % 3]
    (tmp_path / "listed.csv").write_text("\n".join(["id,factor", *lines]) + "\n")

    def read(rules):
        rules = json.loads(json.dumps(rules).replace("FOLDER", str(tmp_path)))
        table = TableSettings.model_validate({"name": "tracks", "from": "user", "to": "track", "k": 12, **rules})
        seen = run.encoded.user_items if table.excludes_seen else None
        bare = Rules(np.arange(50), seen)
        return table, with_catalogue(bare, table, run.vocabulary("track"), run.encoded, date=datetime.date(2026, 1, 31))

    return read


@pytest.mark.parametrize("which", RULES)
def test_a_list_is_what_the_definition_gives(run, rules_of, tmp_path, which):
    table, rules = rules_of(RULES[which])
    (tmp_path / "kept").mkdir()
    KeptRules.of(table, rules).save(tmp_path / "kept")
    kept = KeptRules.open(tmp_path / "kept")
    vectors, targets = run.vectors(USER), run.vectors("track")
    oracle = Oracle(targets, vectors, table.effective_metric, rules, table.k)
    for user in range(50):
        lists = kept.lists(
            run.index("track", kept.metric),
            targets,
            vectors[[user]],
            k=table.k,
            exclude=run.encoded.user_items[[user]] if kept.table.excludes_seen else None,
            attribute=run.encoded.attribute,
        )
        expected = oracle.true_list(user)
        there = lists.target_rows[0] >= 0
        assert lists.target_rows[0][there].tolist() == expected.rows
        np.testing.assert_allclose(lists.scores[0][there], expected.scores, rtol=1e-6)
        if lists.popular is not None:
            assert lists.popular[0][there].tolist() == expected.popular


def test_a_list_longer_than_the_candidates_has_as_many(run, rules_of):
    table, rules = rules_of({"diversity": {"lambda": 0.5, "candidates": 12}})
    kept = KeptRules.of(table, rules)
    index, targets, vectors = run.index("track", kept.metric), run.vectors("track"), run.vectors(USER)[[3]]
    lists = kept.lists(index, targets, vectors, k=40, exclude=None, attribute=run.encoded.attribute)
    wider, _ = rules_of({"diversity": {"lambda": 0.5, "candidates": 40}, "k": 40})
    expected = Oracle(targets, vectors, kept.metric, Rules(np.arange(1), None, diversity=wider.diversity), 40)
    assert lists.target_rows[0].tolist() == expected.rows(0).tolist()


def test_what_is_kept_names_no_file(rules_of, tmp_path):
    table, rules = rules_of(RULES["everything"])
    (tmp_path / "kept").mkdir()
    KeptRules.of(table, rules).save(tmp_path / "kept")
    assert "listed.csv" not in (tmp_path / "kept" / "rules.json").read_text()


def test_an_exhaustive_search_finds_what_the_indexes_find(run, tmp_path):
    rng = np.random.default_rng(0)
    vectors, targets = run.vectors(USER), run.vectors("track")
    weights, allow = rng.uniform(0.2, 5.0, len(targets)), rng.random(len(targets)) < 0.8
    options = {"exclude": run.encoded.user_items, "allow": allow}
    users = np.arange(20)
    for metric in ("inner_product", "cosine"):
        (tmp_path / metric).mkdir()
        indexed = WeightedSearch(targets, vectors, metric, weights, folder=tmp_path / metric, **options)
        exhaustive = ExhaustiveSearch(targets, vectors, metric, weights, **options)
        for depth in (5, len(targets)):
            for found, expected in zip(exhaustive.best(users, depth), indexed.best(users, depth), strict=True):
                np.testing.assert_array_equal(found, expected)


def test_rules_of_another_version_or_none_are_a_clear_error(rules_of, tmp_path):
    with pytest.raises(StoreError, match=r"expected the rules of a table, found none\nRun again"):
        KeptRules.open(tmp_path)
    table, rules = rules_of({})
    KeptRules.of(table, rules).save(tmp_path)
    document = json.loads((tmp_path / "rules.json").read_text())
    (tmp_path / "rules.json").write_text(json.dumps(document | {"schema_version": 99}))
    with pytest.raises(StoreError, match="expected version 1, got 99"):
        KeptRules.open(tmp_path)
