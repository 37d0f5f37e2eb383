"""The configuration that is drafted: valid whatever the names are."""

from __future__ import annotations

import tomllib

import pytest

from pipeline.config import load_config
from pipeline.draft.document import draft, item_entity
from pipeline.draft.guess import Guess, HoldOut
from pipeline.draft.profile import DataProfile


@pytest.mark.parametrize(
    ("column", "entity"),
    [
        ("artistID", "artist"),
        ("movieId", "movie"),
        ("track_id", "track"),
        ("product name", "item"),
        ("id", "id"),
        ("column", "item"),
        ("7", "item"),
        ("user", "item"),
        ("SKU", "sku"),
    ],
)
def test_items_are_named_after_their_column(column, entity):
    assert item_entity(column) == entity


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/plays/dt=2026-01-31/*.parquet", "plays"),
        ("plays.csv.gz", "plays"),
        ("sample://listening", "listening"),
        ("*.csv", "cfpipe"),
    ],
)
def test_runs_are_named_after_the_data(path, name):
    text = draft(DataProfile(path, None, ()), Guess("u", "i"), HoldOut(by_user=False, test_fraction=None))
    assert tomllib.loads(text)["run"] == {"name": name, "root": f"runs/{name}"}


def test_every_setting_is_one_of_the_configuration(tmp_path):
    guess = Guess('"user"', "back\\slash id", "plays", "when\x7f", "ms", "plays > 0")
    text = draft(DataProfile("x.dat", "tsv", ()), guess, HoldOut(by_user=True, test_fraction=0.5))
    (tmp_path / "config.toml").write_text(text)
    config = load_config(str(tmp_path / "config.toml"))
    interactions = config.interactions
    assert (interactions.user, interactions.item, interactions.timestamp) == (guess.user, guess.item, guess.timestamp)
    assert (interactions.weight, interactions.timestamp_unit, interactions.where) == ("plays", "ms", "plays > 0")
    assert (interactions.format, config.evaluation.split, config.evaluation.test_fraction) == ("tsv", "user", 0.5)
    assert [table.name for table in config.tables] == ["similar_items", "items_for_users"]


def test_what_is_commented_out_is_valid_too(tmp_path):
    text = draft(DataProfile("x.csv", None, ()), Guess("u", "city", timestamp="t"), HoldOut(False, None))
    assert "similar_cities" in text
    lines = text.splitlines()
    settings = [line.removeprefix("# ") if "=" in line or line.startswith("# [") else line for line in lines]
    (tmp_path / "config.toml").write_text("\n".join(settings))
    config = load_config(str(tmp_path / "config.toml"))
    assert set(config.entities) == {"user", "city", "genre"}
    assert (config.interactions.window_days, config.interactions.min_users_per_item) == (90, 2)
