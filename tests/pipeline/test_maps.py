"""Maps: near each other what is near in the vectors, in colours that mean something, the same bytes each time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

import pipeline
from pipeline import maps
from pipeline.config import parse_config
from pipeline.data.vocabulary import Vocabulary
from pipeline.errors import ConfigError, StoreError
from pipeline.published import PublishedRun
from pipeline.store import Store

N_TASTES, PER_TASTE = 4, 30


@pytest.fixture(scope="module")
def tastes():
    """Vectors around four directions, and which of them each is of."""
    rng = np.random.default_rng(3)
    centres = rng.normal(size=(N_TASTES, 16))
    taste = np.tile(np.arange(N_TASTES), PER_TASTE)
    return (centres[taste] + 0.3 * rng.normal(size=(len(taste), 16))).astype(np.float32), taste


def test_what_is_near_in_the_vectors_is_near_on_the_map(tastes):
    vectors, taste = tastes
    places = maps.place(vectors, seed=0)
    assert places.dtype == np.float32
    assert places.shape == (len(vectors), 2)
    assert places.min() == 0.0
    assert places.max() == 1.0
    distances = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (taste[distances.argmin(axis=1)] == taste).all()


def test_the_same_bytes_at_any_number_of_threads(tastes):
    vectors, _ = tastes
    first = maps.place(vectors, seed=5).tobytes(), maps.cluster(vectors, seed=5)
    with threadpool_limits(2):
        assert (maps.place(vectors, seed=5).tobytes(), maps.cluster(vectors, seed=5)) == first


@pytest.mark.parametrize("exponent", [-100, 100])
def test_the_size_of_vectors_makes_no_difference(tastes, exponent):
    """Not where their squares vanish in float32, or overflow."""
    vectors, _ = tastes
    scaled = np.ldexp(vectors, exponent)
    np.testing.assert_array_equal(maps.place(scaled, seed=5), maps.place(vectors, seed=5))
    assert maps.cluster(scaled, seed=5) == maps.cluster(vectors, seed=5)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9, 10, 11])
@pytest.mark.parametrize("dim", [1, 8])
def test_few_entities_have_a_map_too(count, dim):
    vectors = np.random.default_rng(1).normal(size=(count, dim)).astype(np.float32)
    places = maps.place(vectors, seed=0)
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()
    assert len(maps.cluster(vectors, seed=0)) == count


def test_equal_vectors_are_no_error():
    vectors = np.ones((40, 4), dtype=np.float32)
    assert np.isfinite(maps.place(vectors, seed=0)).all()
    assert set(maps.cluster(vectors, seed=0)) == {"1"}


def test_clusters_are_the_tastes_numbered_from_the_most_popular(tastes):
    vectors, taste = tastes
    groups = maps.cluster(vectors, seed=0)
    assert groups[0] == "1"
    numbers = [int(group) for group in dict.fromkeys(groups)]
    assert numbers == list(range(1, len(numbers) + 1))
    for number in set(groups):
        assert len({taste[row] for row, group in enumerate(groups) if group == number}) == 1


def test_the_most_popular_are_chosen_ties_by_row_and_none_without_a_direction():
    vectors = np.ones((6, 2), dtype=np.float32)
    vectors[3] = 0.0
    popularity = np.array([1, 5, 2, 9, 5, 2])
    assert maps.choose_rows(popularity, vectors, 4).tolist() == [1, 4, 2]
    assert maps.choose_rows(popularity, vectors, 100).tolist() == [1, 4, 2, 5, 0]
    assert maps.choose_rows(popularity[:0], vectors[:0], 4).tolist() == []


def test_an_item_with_several_values_has_the_colour_of_the_rarest():
    values = csr_matrix(np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 0, 1], [1, 1, 0]], dtype=np.float32))
    names = pa.array(["drama", "comedy", "western"])
    groups = maps.attribute_groups(values, names, np.array([3, 2, 1, 0]))
    assert groups == ["western", None, "drama", "comedy"]


def test_a_saved_map_has_the_columns_that_readers_rely_on(tmp_path):
    vocabulary = Vocabulary(pa.array([3, 5, 8]), pa.array(["<b>c</b>", None, "e"]))
    places = np.array([[0.0, 1.0], [0.5, 0.25]], dtype=np.float32)
    maps.save_map(tmp_path / "map.parquet", vocabulary, np.array([2, 1]), places, ["rock", None])
    table = pq.read_table(tmp_path / "map.parquet")
    assert table.schema.types == [pa.int64(), pa.string(), pa.float32(), pa.float32(), pa.string()]
    assert table.to_pydict() == {
        "id": [8, 5],
        "name": ["e", "5"],
        "x": [0.0, 0.5],
        "y": [1.0, 0.25],
        "group": ["rock", None],
    }


def test_a_run_has_a_map_of_every_entity_type_but_users(published):
    run = pipeline.open_run(published.root)
    assert run.maps == ["artist", "track"]
    artists, tracks = run.map("artist"), run.map("track")
    assert artists.num_rows == len(run.vocabulary("artist"))
    assert tracks.num_rows == len(run.vocabulary("track"))
    # Twelve artists, few enough to colour their tracks by.
    assert set(tracks["group"].to_pylist()) == {f'"Weird" Artist {number} ' for number in range(12)}
    listeners = np.diff(run.encoded.user_items.tocsc().indptr)
    rows = run.vocabulary("track").rows(tracks["id"].combine_chunks())
    assert (np.diff(listeners[rows]) <= 0).all()
    with pytest.raises(ConfigError, match="user has no map"):
        run.map("user")
    with pytest.raises(ConfigError, match="unknown entity type"):
        run.map("album")


def test_a_run_of_an_earlier_version_says_that_it_has_no_maps(published):
    store = Store(published.root)
    old = PublishedRun(store, {key: value for key, value in store.current().items() if key != "maps"})
    assert old.maps == []
    with pytest.raises(StoreError, match="earlier version"):
        old.map("artist")


@pytest.mark.parametrize(
    ("report", "message"),
    [
        ({"map_items": 9}, "report.map_items"),
        ({"map_items": 20_001}, "report.map_items"),
        ({"lookups": {"user": ["1"]}}, "report.lookups"),
        ({"lookups": {"artist": []}}, "report.lookups"),
        ({"lookups": {"album": ["OK Computer"]}}, "report.lookups: expected entity types among item; got 'album'"),
    ],
)
def test_a_report_that_cannot_be_is_an_error(report, message):
    document = {"interactions": {"path": "plays.csv", "user": "u", "item": "i"}, "report": report}
    with pytest.raises(ConfigError, match=message):
        parse_config(document)
