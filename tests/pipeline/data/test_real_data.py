"""Real data sets, by the shapes their README gives; skipped where they are absent."""

from __future__ import annotations

import datetime

import pytest


@pytest.fixture
def lastfm(data_dir, encoded):
    folder = data_dir / "lastfm-2k"
    return encoded(
        {
            "interactions": {
                "path": str(folder / "user_artists.dat"),
                "format": "tsv",
                "user": "userID",
                "item": "artistID",
                "weight": "weight",
            },
            "entities": {
                "artist": {
                    "column": "artistID",
                    "names": {"path": str(folder / "artists.dat"), "format": "tsv", "id": "id", "name": "name"},
                }
            },
        }
    )


@pytest.fixture
def movielens(data_dir, encoded):
    folder = data_dir / "movielens-latest-small"

    def encode(*, until=datetime.date(2026, 1, 31), **interactions):
        return encoded(
            {
                "interactions": {
                    "path": str(folder / "ratings.csv"),
                    "user": "userId",
                    "item": "movieId",
                    "weight": "rating",
                    "timestamp": "timestamp",
                    "timestamp_unit": "s",
                    **interactions,
                },
                "entities": {
                    "movie": {
                        "column": "movieId",
                        "names": {"path": str(folder / "movies.csv"), "id": "movieId", "name": "title"},
                    },
                    "genre": {
                        "of": "movie",
                        "map": {
                            "path": str(folder / "movies.csv"),
                            "id": "movieId",
                            "value": "genres",
                            "separator": "|",
                        },
                    },
                },
            },
            until=until,
        )

    return encode


def test_lastfm_has_its_shape(lastfm):
    assert lastfm.user_items.shape == (1_892, 17_632)
    assert lastfm.user_items.nnz == lastfm.stats["rows_used"] == 92_834
    assert lastfm.user_items.data.min() == 1
    assert lastfm.user_items.data.max() > 300_000
    assert lastfm.stats["names"]["artist"]["ids_without"] == 0


def test_lastfm_keeps_names_as_they_are_written(lastfm, data_dir):
    artists = lastfm.vocabulary("artist")
    assert artists.name(artists.row(1686)) == '"Weird Al" Yankovic'
    assert artists.name(artists.row(2906)) == "Royce da 5'9\""
    lines = (data_dir / "lastfm-2k" / "artists.dat").read_bytes().decode("utf-8").split("\n")[1:]
    expected = {int(line.split("\t")[0]): line.split("\t")[1] for line in lines if line}
    assert {id_: artists.name(row) for row, id_ in enumerate(artists.ids.to_pylist())} == expected


def test_movielens_has_its_shape(movielens):
    result = movielens()
    assert result.user_items.shape == (671, 9_066)
    assert result.user_items.nnz == len(result.events.timestamps) == 100_004
    assert result.user_items[0, result.vocabulary("movie").row(1029)] == 3.0
    assert result.vocabulary("movie").name(result.vocabulary("movie").row(1)) == "Toy Story (1995)"
    genres = result.vocabulary("genre")
    assert len(genres) == 20
    toy_story = result.attribute("genre")[result.vocabulary("movie").row(1)]
    assert [genres.id(row) for row in toy_story.indices] == [
        "Adventure",
        "Animation",
        "Children",
        "Comedy",
        "Fantasy",
    ]


def test_movielens_within_a_window_and_a_filter(movielens):
    result = movielens(until=datetime.date(2015, 12, 31), window_days=365, where="rating >= 4")
    first = int(datetime.datetime(2015, 1, 1, tzinfo=datetime.UTC).timestamp()) * 10**6
    last = int(datetime.datetime(2016, 1, 1, tzinfo=datetime.UTC).timestamp()) * 10**6
    assert first <= result.events.timestamps.min() <= result.events.timestamps.max() < last
    assert result.events.weights.min() == 4
    assert 1_000 < result.stats["rows_used"] < 5_000


def test_movielens_thresholds(movielens):
    result = movielens(min_items_per_user=20, min_users_per_item=10)
    binary = result.user_items > 0
    assert binary.sum(axis=1).min() >= 20
    assert binary.sum(axis=0).min() >= 10
    assert result.user_items.shape[1] < 9_066
