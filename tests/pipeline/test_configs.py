"""The configurations of the repository, run as their users run them."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import pipeline


@pytest.fixture(scope="module")
def run_config(repository, tmp_path_factory, command):
    """Run a configuration in a folder of its own; the folder, and what was printed."""

    def run(name: str, **env: str):
        folder = tmp_path_factory.mktemp(name)
        result = command("cfpipe", "run", repository / "configs" / f"{name}.toml", cwd=folder, env=env)
        assert result.returncode == 0, result.stderr
        return folder, result.stdout

    return run


@pytest.fixture(scope="module")
def quickstart(run_config):
    folder, output = run_config("quickstart")
    return pipeline.open_run(folder / "runs" / "quickstart"), output


@pytest.fixture(scope="module")
def lastfm(run_config, data_dir):
    folder, _ = run_config("lastfm", CFPIPE_DATA=str(data_dir))
    return folder


@pytest.fixture(scope="module")
def movielens(run_config, data_dir):
    folder, _ = run_config("movielens", CFPIPE_DATA=str(data_dir))
    return folder


def test_the_quickstart_writes_every_kind_of_table(quickstart):
    run, output = quickstart
    pairs = {(m["from"], m["to"]) for m in (run.manifest(name)["parameters"] for name in run.tables)}
    assert pairs == {
        ("track", "track"),
        ("artist", "artist"),
        ("user", "user"),
        ("user", "track"),
        ("user", "artist"),
        ("artist", "track"),
    }
    for name in run.tables:
        assert run.manifest(name)["rows"] > 0
        assert run.manifest(name)["neighbor_recall"] == 1.0
        assert name in output
    assert run.date == "2026-01-31"


def test_the_quickstart_beats_popularity_by_far(quickstart):
    evaluation = quickstart[0].evaluation
    assert evaluation["split"]["split"] == "time"
    for metric in ("recall@20", "ndcg@20", "hit_rate@20"):
        assert evaluation["model"][metric] > 2 * evaluation["popularity"][metric]


def test_the_quickstarts_artists_are_near_those_of_their_genre(quickstart):
    from pipeline.config import NamesSettings
    from pipeline.data.sources import open_source

    run, _ = quickstart
    settings = NamesSettings(path="sample://artists", id="artist_id", name="name")
    batches = open_source(settings, date=pd.Timestamp(run.date).date()).batches(["artist_id", "genre"])
    genres = pd.concat(batch.rows.to_pandas() for batch in batches).set_index("artist_id")["genre"]
    lists = pd.read_parquet(sorted(run.tables["similar_artists"].glob("*.parquet")))
    nearest = lists[lists["rank"] <= 5]
    same = genres[nearest["target_item_id"]].to_numpy() == genres[nearest["item_id"]].to_numpy()
    by_chance = (genres.value_counts(normalize=True) ** 2).sum()
    assert same.mean() > 5 * by_chance


def test_lastfm_finds_neighbours_a_listener_would_name(lastfm, repository, command, data_dir):
    config = repository / "configs" / "lastfm.toml"
    env = {"CFPIPE_DATA": str(data_dir)}
    result = command("cfpipe", "similar", config, "artist", "Radiohead", "--json", cwd=lastfm, env=env)
    assert result.returncode == 0, result.stderr
    names = {neighbor["name"] for neighbor in json.loads(result.stdout)}
    akin = {"Thom Yorke", "Sigur Rós", "Muse", "Blur", "Arcade Fire", "Portishead", "Björk", "Coldplay", "Interpol"}
    assert len(names & akin) >= 4
    result = command("cfpipe", "recommend", config, "2", "--json", cwd=lastfm, env=env)
    assert result.returncode == 0, result.stderr
    recommended = {neighbor["id"] for neighbor in json.loads(result.stdout)}
    plays = pd.read_csv(data_dir / "lastfm-2k" / "user_artists.dat", sep="\t")
    assert len(recommended) == 10
    assert recommended.isdisjoint(plays.loc[plays["userID"] == 2, "artistID"])


def test_lastfm_names_are_as_they_came(lastfm):
    """Quotes, blanks and unusual letters survive, in the names and in the index file."""
    run = pipeline.open_run(lastfm / "runs" / "lastfm")
    vocabulary = run.encoded.vocabulary("artist")
    names = run.index("artist", "cosine").names
    for artist_id, name in [(154, "Radiohead"), (418, "Sigur Rós"), (1686, '"Weird Al" Yankovic')]:
        assert names[vocabulary.row(artist_id)] == vocabulary.name(vocabulary.row(artist_id)) == name
    assert run.similar("artist", '"weird al" yankovic', k=1)


def test_movielens_finds_the_sequel(movielens):
    run = pipeline.open_run(movielens / "runs" / "movielens")
    names = [neighbor.name for neighbor in run.similar("movie", "Toy Story (1995)", k=3)]
    assert "Toy Story 2 (1999)" in names
    assert len(run.recommend(1, k=20)) == 20
    assert {"user", "movie", "genre"} == set(run.entities)


def test_words_have_the_neighbours_that_people_expect(run_config, repository, command, data_dir):
    env = {"CFPIPE_DATA": str(data_dir)}
    folder, output = run_config("words", **env)
    assert "similar_words" in output
    assert "popularity" not in output
    result = command("cfpipe", "similar", repository / "configs" / "words.toml", "word", "king", cwd=folder, env=env)
    assert result.returncode == 0, result.stderr
    assert {"queen", "prince"} <= set(result.stdout.split())
    run = pipeline.open_run(folder / "runs" / "words")
    assert run.entities == ["word"]
    assert run.manifest("similar_words")["rows"] == 11_925 * 20
    assert run.manifest("similar_words")["neighbor_recall"] == 1.0
