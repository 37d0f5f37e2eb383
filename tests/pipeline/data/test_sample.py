from __future__ import annotations

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.data import sample

#: Of the rows as JSON. A change means other data: raise sample.VERSION with it.
DIGESTS = {
    "sample://listening": "2f3ede5a4d02cdcf",
    "sample://tracks": "7f8dfe3061d86995",
    "sample://artists": "718a37db50b61697",
}


def digest(table):
    if "timestamp" in table.column_names:
        place = table.column_names.index("timestamp")
        table = table.set_column(place, "timestamp", table["timestamp"].cast(pa.int64()))
    return hashlib.sha256(json.dumps(table.to_pydict(), sort_keys=True).encode()).hexdigest()[:16]


@pytest.mark.parametrize("path", DIGESTS)
def test_the_sample_is_the_same_everywhere(path):
    assert digest(sample.table(path)) == DIGESTS[path]


def test_its_shape():
    listening, tracks, artists = (sample.table(path) for path in DIGESTS)
    assert listening.schema == pa.schema(
        {"user_id": pa.int64(), "track_id": pa.int64(), "plays": pa.int64(), "timestamp": pa.timestamp("us", "UTC")}
    )
    assert (len(listening), len(tracks), len(artists)) == (200_000, 5_000, 600)
    assert pc.count_distinct(listening["user_id"]).as_py() == 2_000
    assert pc.count_distinct(listening["track_id"]).as_py() > 4_900
    assert pc.count_distinct(artists["genre"]).as_py() == 20
    assert pc.count_distinct(artists["name"]).as_py() == 600
    assert pc.min(listening["plays"]).as_py() == 1
    first, last = (function(listening["timestamp"]).as_py().date().isoformat() for function in (pc.min, pc.max))
    assert (first, last) == ("2025-11-03", "2026-01-31")


def test_keys_lead_from_one_table_to_the_next():
    listening, tracks, artists = (sample.table(path) for path in DIGESTS)
    assert pc.all(pc.is_in(listening["track_id"], tracks["track_id"])).as_py()
    assert pc.all(pc.is_in(tracks["artist_id"], artists["artist_id"])).as_py()
    assert tracks["track_id"].to_pylist() == list(range(1, 5_001))
    assert artists["artist_id"].to_pylist() == list(range(1, 601))


def test_popularity_is_skewed_as_in_life():
    counts = np.sort(np.bincount(sample.table("sample://listening")["track_id"].to_numpy()))[::-1]
    assert 0.1 < counts[:50].sum() / counts.sum() < 0.4


def test_listeners_have_tastes():
    listening, tracks, artists = (sample.table(path) for path in DIGESTS)
    genres = np.array(artists["genre"].to_pylist())
    genre_of = genres[tracks["artist_id"].to_numpy() - 1][listening["track_id"].to_numpy() - 1]
    users = listening["user_id"].to_numpy()
    shares = []
    for user in range(1, 200):
        _, counts = np.unique(genre_of[users == user], return_counts=True)
        shares.append(np.sort(counts)[-3:].sum() / counts.sum())
    _, overall = np.unique(genre_of, return_counts=True)
    assert np.mean(shares) > 0.8 > 0.5 > np.sort(overall)[-3:].sum() / overall.sum()
