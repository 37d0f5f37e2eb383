"""The rules of a catalogue in a run: settings, files, tables, manifests, and what is refused."""

from __future__ import annotations

import datetime
import re
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pipeline
from annlib import exact
from pipeline.config import TableSettings, load_config
from pipeline.errors import ConfigError, DataError, MissingInputError
from pipeline.tables.catalogue import with_catalogue
from pipeline.tables.rules import Rules
from pipeline.tables.weighted import WeightedSearch

K = 10


@pytest.fixture(scope="module")
def plays(published):
    return pd.read_csv(published.folder / "plays.csv")


@pytest.fixture
def make(project, command):
    """Add rules to the table ``tracks_for_users``, run, and give its manifest and its rows."""

    def run(rules, *, table="tracks_for_users"):
        with project.config.open("a") as file:
            file.write(rules.replace("FOLDER", str(project.folder)) + "\n")
        result = command("cfpipe", "run", project.config)
        assert result.returncode == 0, result.stderr
        opened = pipeline.open_run(project.root)
        rows = pa.concat_tables(pq.read_table(part) for part in sorted(opened.tables[table].glob("*.parquet")))
        return opened.manifest(table), rows.to_pandas(), result.stderr

    return run


@pytest.fixture
def catalogue(published, tmp_path):
    """The rules of a table of tracks for users, of the published run's interactions; files are in ``tmp_path``."""
    encoded = pipeline.open_run(published.root).encoded

    def read(**rules):
        for rule in rules.values():
            if isinstance(rule, dict) and "path" in rule:
                rule["path"] = str(tmp_path / rule["path"])
        table = TableSettings.model_validate({"name": "tracks", "from": "user", "to": "track", **rules})
        wanted = Rules(np.arange(120), None)
        return with_catalogue(wanted, table, encoded.vocabulary("track"), encoded, date=datetime.date(2026, 1, 31))

    return read


def sorted_by_user_and_rank(rows):
    return (
        (rows["rank"] == rows.groupby("user_id").cumcount() + 1).all()
        and rows["user_id"].is_monotonic_increasing
        and not (rows.groupby("user_id")["score"].diff() > 0).any()
        and np.isfinite(rows["score"]).all()
    )


# Lists of ids and support --------------------------------------------------------------------------------------------


def test_allow_and_deny_lists(project, make):
    stock = [f"t{number:03d}" for number in range(0, 60, 2)]
    (project.folder / "stock.csv").write_text("\n".join(["track", *stock, "gone", "gone too"]) + "\n")
    (project.folder / "banned.csv").write_text("id\nt000\nt002\nt001\nt999\n")
    manifest, rows, said = make(
        'allow = { path = "FOLDER/stock.csv", id = "track" }\ndeny = { path = "FOLDER/banned.csv", id = "id" }'
    )
    assert set(rows["item_id"]) <= set(stock) - {"t000", "t002"}
    assert (rows.groupby("user_id").size() == K).all()
    assert sorted_by_user_and_rank(rows)
    assert rows["relevance"].isna().all()
    assert rows["source"].isna().all()
    rules = manifest["rules"]
    assert rules["allow"] == {"known_ids": 30, "unknown_ids": 2}
    assert rules["deny"] == {"known_ids": 3, "unknown_ids": 1}
    assert rules["targets_left_out"] == 60 - 28
    assert manifest["neighbor_recall"] == 1.0
    assert "2 of 32 ids are unknown" in said
    assert manifest["parameters"]["rules"] == {
        "allow": {"format": "auto", "id": "track"},
        "deny": {"format": "auto", "id": "id"},
    }


def test_a_list_of_unknown_ids_alone_is_an_error(catalogue, tmp_path):
    (tmp_path / "banned.csv").write_text("id\nx1\nx2\n")
    with pytest.raises(DataError, match=r"tables\.tracks\.deny: .*all 2 in column 'id' are unknown"):
        catalogue(deny={"path": "banned.csv", "id": "id"})


def test_a_list_may_be_empty_where_that_leaves_something(catalogue, tmp_path):
    (tmp_path / "listed.csv").write_text("id\n")
    assert catalogue(deny={"path": "listed.csv", "id": "id"}).allow is None
    with pytest.raises(DataError, match="none of the 60 tracks is left to be listed"):
        catalogue(allow={"path": "listed.csv", "id": "id"})


def test_an_absent_list_is_an_error(catalogue):
    with pytest.raises(MissingInputError, match=r"banned\.csv"):
        catalogue(deny={"path": "banned.csv", "id": "id"})


def test_items_need_their_support(catalogue, plays):
    users = plays.groupby("track")["user"].nunique().sort_index().to_numpy()
    rules = catalogue(min_support=20)
    assert rules.allow.tolist() == (users >= 20).tolist()
    assert rules.counts == {
        "min_support": {"targets_below": int((users < 20).sum())},
        "targets_left_out": int((users < 20).sum()),
    }
    with pytest.raises(DataError, match="none of the 60 tracks is left to be listed\nCheck min_support"):
        catalogue(min_support=1000)


def test_what_is_popular_was_had_by_many_of_late(catalogue, plays):
    times = pd.to_datetime(plays["ts"])
    for days in (3, 30):
        recent = plays[times > times.max() - pd.Timedelta(days=days)]
        users = recent.groupby("track")["user"].nunique().sort_index()
        ranking = users.sort_values(ascending=False, kind="stable").index
        order = catalogue(fallback="popular", fallback_days=days).popular.order
        assert [f"t{row:03d}" for row in order] == ranking.tolist()


# The ranking ---------------------------------------------------------------------------------------------------------


def test_two_tracks_an_artist(make):
    manifest, rows, _ = make("max_per = { artist = 2 }")
    artist = rows["item_id"].str[1:].astype(int) % 12
    assert rows.groupby([rows["user_id"], artist]).size().max() == 2
    assert (rows.groupby("user_id").size() == K).all()
    assert sorted_by_user_and_rank(rows)
    assert manifest["rules"]["passed_over"] > 0
    assert manifest["neighbor_recall"] == 1.0


def test_penalty_and_boosts(project, make, plays):
    (project.folder / "boosts.csv").write_text("id,factor\nt007,4\nt031,0.25\nt999,2\n")
    manifest, rows, _ = make(
        'popularity_penalty = 0.5\nboosts = { path = "FOLDER/boosts.csv", id = "id", boost = "factor" }'
    )
    run = pipeline.open_run(project.root)
    users, tracks = (np.load(run.root / run.content["vectors"][entity]) for entity in ("user", "track"))
    weights = plays.groupby("track")["user"].nunique().to_numpy() ** -0.5
    weights[7] *= 4.0
    weights[31] *= 0.25
    ids = run.encoded.vocabulary("track").ids.to_pylist()
    for user, mine in list(rows.groupby("user_id"))[::10]:
        row = run.encoded.vocabulary("user").row(user)
        relevance = exact.scores(tracks, users[row], "inner_product")
        score = np.where(relevance > 0, relevance * weights, relevance / weights).astype(np.float32)
        score[run.encoded.user_items[row].indices] = -np.inf
        best = np.argsort(-score, kind="stable")[:K]
        assert mine["item_id"].tolist() == [ids[item] for item in best]
        assert mine["score"].tolist() == score[best].tolist()
        assert mine["relevance"].tolist() == relevance[best].tolist()
    assert manifest["parameters"]["score_type"] == "weighted_inner_product"
    assert manifest["rules"]["boosts"] == {"known_ids": 2, "unknown_ids": 1}
    assert manifest["neighbor_recall"] == 1.0
    assert sorted_by_user_and_rank(rows)
    assert sorted(path.name for path in run.tables["tracks_for_users"].iterdir()) == [
        "_SUCCESS",
        "manifest.json",
        "part-00000.parquet",
    ]


def test_weights_beyond_what_numbers_can_hold(catalogue, tmp_path):
    (tmp_path / "boosts.csv").write_text("id,factor\nt007,1e-320\n")
    with pytest.raises(DataError, match="multiply to beyond float64"):
        catalogue(boosts={"path": "boosts.csv", "id": "id", "boost": "factor"}, popularity_penalty=10.0)


@pytest.mark.parametrize("weight", [1e300, 1e-300])
def test_weights_beyond_what_scores_can_hold(tmp_path, weight):
    vectors = np.array([[1, 2], [-3, 1]], np.float32)
    search = WeightedSearch(vectors, vectors, "inner_product", np.array([1.0, weight]), folder=tmp_path)
    with pytest.raises(DataError, match="float32"):
        search.best(np.array([0, 1]), 2)


def test_every_rule_at_once_for_similar_artists_and_for_users(project, make):
    (project.folder / "deny.csv").write_text("id\nt001\n")
    (project.folder / "boosts.csv").write_text("id,factor\nt007,2\n")
    text = project.config.read_text()
    first, second = text.index("[[tables]]"), text.rindex("[[tables]]")
    project.config.write_text(
        text[:second] + "popularity_penalty = 0.2\nmin_support = 2\ndiversity = {}\n" + text[second:]
    )
    assert first < second
    manifest, rows, _ = make(
        'max_per = { artist = 1 }\nfallback = "popular"\npopularity_penalty = 0.3\nmin_support = 3\n'
        'deny = { path = "FOLDER/deny.csv", id = "id" }\ndiversity = { candidates = 12 }\n'
        'boosts = { path = "FOLDER/boosts.csv", id = "id", boost = "factor" }'
    )
    assert manifest["neighbor_recall"] == 1.0
    assert sorted_by_user_and_rank(rows)
    assert "t001" not in set(rows["item_id"])
    assert manifest["parameters"]["score_type"] == "maximal_marginal_relevance"
    assert rows.loc[rows["source"].isna(), "relevance"].notna().all()
    assert np.allclose(rows.loc[rows["rank"] == 1, "score"], 0.7)
    artist = rows["item_id"].str[1:].astype(int) % 12
    assert rows.groupby([rows["user_id"], artist]).size().max() == 1
    assert manifest["rules"]["reordered_lists"] > 0
    artists = pipeline.open_run(project.root).manifest("similar_artists")
    assert artists["neighbor_recall"] == 1.0
    assert artists["rows"] == 12 * 5


# Settings and fingerprints -------------------------------------------------------------------------------------------


@pytest.fixture
def fingerprint(project):
    """The fingerprint of the table ``tracks_for_users`` under other settings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Luigi's, about a default of its own
        from pipeline import steps, tasks

    def of(*overrides, table="tracks_for_users"):
        steps.forget_fingerprints()
        overrides = tuple(f"tables.{table}.{override}" for override in overrides)
        date = datetime.date(2026, 1, 31)
        return tasks.WriteTable(date=date, config=str(project.config), overrides=overrides, table=table).fingerprint

    return of


def test_fingerprints_cover_the_rules_and_their_files(project, fingerprint):
    listed = project.folder / "listed.csv"
    listed.write_text("id\nt001\n")
    rules = [
        f'allow={{path="{listed}", id="id"}}',
        f'deny={{path="{listed}", id="id"}}',
        "min_support=5",
        "popularity_penalty=0.3",
        "max_per={artist=2}",
        "max_per={artist=3}",
        "diversity={lambda=0.5}",
        'fallback="popular"',
    ]
    before = [fingerprint(), *(fingerprint(rule) for rule in rules)]
    assert len(set(before)) == len(before)
    listed.write_text("id\nt001\nt002\n")
    after = [fingerprint(), *(fingerprint(rule) for rule in rules)]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, False] + [True] * 6


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("max_per = { genre = 2 }", "max_per: expected attributes of 'track' (artist), got 'genre'"),
        ("max_per = { artist = 0 }", "max_per"),
        ("diversity = { candidates = 9 }", "expected at least k = 10"),
        ("diversity = { lambda = 1.5 }", "diversity"),
        ("fallback_days = 3", "fallback_days needs fallback"),
        ('fallback = "random"', "fallback"),
        ("popularity_penalty = -1.0", "popularity_penalty"),
        ("min_support = 0", "min_support"),
    ],
)
def test_settings_that_make_no_sense(project, rule, said):
    project.config.write_text(f"{project.config.read_text()}{rule}\n")
    with pytest.raises(ConfigError, match=re.escape(said)):
        load_config(project.config)


def test_users_have_no_support(project):
    table = '[[tables]]\nname = "similar_users"\nfrom = "user"\nto = "user"\nmin_support = 2'
    project.config.write_text(f"{project.config.read_text()}{table}\n")
    with pytest.raises(ConfigError, match=r"tables\.similar_users\.min_support: counts users"):
        load_config(project.config)
