"""The configuration: what a minimal file means, and one clear message for each thing that is wrong."""

from __future__ import annotations

import datetime

import pytest

from pipeline.config import load_config, parse_config
from pipeline.errors import ConfigError, MissingInputError

MINIMAL = {"interactions": {"path": "plays.csv", "user": "user_id", "item": "track_id"}}

FULL = """
[interactions]
path = "plays.csv"
user = "user_id"
item = "track_id"
timestamp = "ts"

[entities.track]
column = "track_id"

[entities.artist]
of = "track"
map = { path = "tracks.csv", id = "id", value = "artist_id" }

[factorize]
factors = 32

[[tables]]
name = "similar_artists"
from = "artist"
to = "artist"

[[tables]]
name = "tracks_for_users"
from = "user"
to = "track"
k = 100
"""


@pytest.fixture
def full(tmp_path):
    path = tmp_path / "full.toml"
    path.write_text(FULL)
    return path


def test_a_minimal_file_has_sensible_defaults():
    config = parse_config(MINIMAL)
    assert set(config.entities) == {"user", "item"}
    assert config.interaction_space.item_entity == "item"
    assert [(t.name, t.source, t.target) for t in config.tables] == [
        ("similar_items", "item", "item"),
        ("items_for_users", "user", "item"),
    ]
    assert config.factorize.model == "als"
    assert not config.evaluation.splits_by_time(config.interaction_space.interactions)


def test_metric_and_seen_items_follow_from_the_sides(full):
    config = load_config(full)
    artists, users = config.tables
    assert (artists.effective_metric, artists.excludes_seen) == ("cosine", False)
    assert (users.effective_metric, users.excludes_seen) == ("inner_product", True)
    assert config.evaluation.splits_by_time(config.interaction_space.interactions)
    assert list(config.interaction_space.attributes) == ["artist"]


def test_overrides_are_toml_and_reach_tables_by_name(full):
    config = load_config(
        full,
        [
            "factorize.factors=16",
            "tables.tracks_for_users.k = 7",
            "run.date=2026-01-31",
            "interactions.where=plays >= 2",
            'run.name="the name"',
        ],
    )
    assert config.factorize.settings.factors == 16
    assert config.table("tracks_for_users").k == 7
    assert config.run.date == datetime.date(2026, 1, 31)
    assert config.interactions.where == "plays >= 2"
    assert config.run.name == "the name"


def test_environment_variables_are_expanded(tmp_path, monkeypatch):
    path = tmp_path / "c.toml"
    path.write_text('[interactions]\npath = "${PLAYS}/x.csv"\nuser = "u"\nitem = "i"\n')
    monkeypatch.setenv("PLAYS", "/somewhere")
    assert load_config(path).interactions.path == "/somewhere/x.csv"
    monkeypatch.delenv("PLAYS")
    with pytest.raises(ConfigError, match=r"interactions\.path: environment variable PLAYS is not set"):
        load_config(path)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("run.nmae=1", r"run\.nmae: unknown key"),
        ("run.threads='two'", r"run\.threads: .*integer.*got 'two'"),
        ("run.threads=-1", r"run\.threads: .*greater than or equal to 0"),
        ("tables.tracks_for_users.k=0", r"tables\.1\.k: .*greater than or equal to 1"),
        ("tables.tracks_for_users.k=2.5", r"tables\.1\.k: .*integer"),
        ("tables.tracks_for_users.recall=0", r"tables\.1\.recall: .*greater than 0"),
        ("tables.tracks_for_users.recall=1.01", r"tables\.1\.recall: .*less than or equal to 1"),
        ("tables.tracks_for_users.recall='high'", r"tables\.1\.recall: .*number"),
        ("tables.tracks_for_users.recall=nan", r"tables\.1\.recall: .*got nan"),
        ("tables.tracks_for_users.to=album", r"tables\.tracks_for_users\.to: expected one of .*'album'"),
        ("tables.nobody.k=1", "no table is named 'nobody'; expected one of similar_artists, tracks_for_users"),
        ("factorize.model=svd", "unknown model 'svd': expected one of als, blend, bpr, lmf"),
        ("factorize.facotrs=3", r"factorize\.facotrs: unknown key"),
        ("factorize.factors='x'", r"factorize\.factors: .*integer"),
        ("entities.artist.of=album", r"entities\.artist\.of: expected 'track'"),
        ("entities.track.column=other", r"entities: exactly one needs column = 'track_id'"),
        ("entities.artist.column=x", r"entities\.artist: column and of exclude each other"),
        ("interactions.timestamp_unit=m", r"interactions\.timestamp_unit: .*'s', 'ms', 'us' or 'ns'"),
        ("interactions.item=user_id", "must be different columns"),
        ("evaluation.test_fraction=1.5", r"evaluation\.test_fraction: .*less than 1"),
        ("gates.metric=ndcg@7", r"gates\.metric: expected one of .*'ndcg@7'"),
        ("weighting.confidence=loud", r"weighting\.confidence: .*'loud'"),
        ("weighting.half_life_days=0", r"weighting\.half_life_days: .*greater than 0"),
        ("weighting.half_life_days=-7.0", r"weighting\.half_life_days: .*greater than 0.*got -7\.0"),
        ("weighting.half_life_days=1e400", r"weighting\.half_life_days: .*finite"),
        ("weighting.half_life_days=nan", r"weighting\.half_life_days: .*finite"),
        ("weighting.half_life_days='week'", r"weighting\.half_life_days: .*number"),
        ("weighting.half_life_days='auto'", r"weighting\.half_life_days: .*number"),
        ("weighting.bm25_b=1.5", r"weighting\.bm25_b: .*less than or equal to 1"),
        ("weighting.bm25_k1=inf", r"weighting\.bm25_k1: .*finite"),
        ("factorize.alpha='much'", r"factorize\.alpha: .*number"),
        ("factorize.factors='auto'", r"factorize\.factors: .*integer.*got 'auto'"),
        ("tables.similar_artists.active_days=3", r"active_days needs from = 'user'"),
        ("tables.similar_artists.exclude_seen=true", r"exclude_seen needs from = 'user'"),
        ("nonsense", "expected section.key=value"),
        ("run=1", "expected section.key=value"),
        ("interactions.path.x=1", r"interactions\.path is not a section"),
    ],
)
def test_what_is_wrong_is_named(full, override, message):
    with pytest.raises(ConfigError, match=message):
        load_config(full, [override])


def test_settings_that_need_timestamps_say_so():
    with pytest.raises(ConfigError, match="window_days needs timestamp"):
        parse_config({"interactions": {**MINIMAL["interactions"], "window_days": 3}})
    with pytest.raises(ConfigError, match=r"evaluation\.split = 'time' needs interactions\.timestamp"):
        parse_config({**MINIMAL, "evaluation": {"split": "time"}})
    table = {"name": "t", "from": "user", "to": "item", "active_days": 3}
    with pytest.raises(ConfigError, match=r"tables\.t\.active_days needs interactions\.timestamp"):
        parse_config({**MINIMAL, "tables": [table]})


def test_two_tables_of_one_name_are_refused():
    table = {"name": "t", "from": "user", "to": "item"}
    with pytest.raises(ConfigError, match="two are named 't'"):
        parse_config({**MINIMAL, "tables": [table, table]})


@pytest.mark.parametrize("name", ["../up", "a/b", "", "1st"])
def test_table_names_are_safe_as_folders(name):
    with pytest.raises(ConfigError, match="name"):
        parse_config({**MINIMAL, "tables": [{"name": name, "from": "user", "to": "item"}]})


def test_files_that_are_no_configuration(tmp_path):
    with pytest.raises(MissingInputError, match="configuration not found"):
        load_config(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="got a folder"):
        load_config(tmp_path)
    (tmp_path / "broken.toml").write_text("[run\n")
    with pytest.raises(ConfigError, match=r"broken\.toml: not TOML: .*line 1"):
        load_config(tmp_path / "broken.toml")
    (tmp_path / "latin.toml").write_bytes(b'[run]\nname = "caf\xe9"\n')
    with pytest.raises(ConfigError, match="expected UTF-8, got byte 0xe9 at 17"):
        load_config(tmp_path / "latin.toml")


def test_every_configuration_of_the_repository_is_valid(repository, monkeypatch):
    monkeypatch.setenv("CFPIPE_DATA", "data")
    names = sorted(path.name for path in (repository / "configs").glob("*.toml") if path.name != "luigi.toml")
    assert {"quickstart.toml", "lastfm.toml", "movielens.toml", "words.toml"} <= set(names)
    for name in names:
        load_config(repository / "configs" / name)
