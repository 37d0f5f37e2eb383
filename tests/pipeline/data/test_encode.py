from __future__ import annotations

import datetime
import os
import pickle

import numpy as np
import pyarrow as pa
import pytest

from pipeline.config import parse_config
from pipeline.data.encode import Encoded, encode, input_stamps
from pipeline.errors import DataError, MissingInputError

DAY = 86_400 * 10**6


@pytest.fixture
def document(write):
    """A small configuration with everything in it."""
    write(
        "plays/a.csv",
        "user,item,plays,ts\nbea,t2,1.5,2026-01-01\nada,t1,2,2026-01-02\nbea,t2,2.5,2026-01-03T12:00\n",
    )
    write("plays/b.csv", "user,item,plays,ts\ncy,t3,1,2026-01-31\nada,t2,4,2026-01-30\nada,t1,9,2026-02-01\n")
    write("tracks.csv", 'id,title,artists\nt1,"One, two",A|B\nt2,,B\nt3,Three,\nt9,Nine,Z\n')
    write("artists.tsv", 'id\tname\nB\t"Weird" B \nA\tThe A\n')
    folder = str(write("users.csv", "id,name\nada,Ada\n").parent)
    return {
        "interactions": {
            "path": f"{folder}/plays/*.csv",
            "user": "user",
            "item": "item",
            "weight": "plays",
            "timestamp": "ts",
        },
        "entities": {
            "user": {"names": {"path": f"{folder}/users.csv", "id": "id", "name": "name"}},
            "track": {"column": "item", "names": {"path": f"{folder}/tracks.csv", "id": "id", "name": "title"}},
            "artist": {
                "of": "track",
                "map": {"path": f"{folder}/tracks.csv", "id": "id", "value": "artists", "separator": "|"},
                "names": {"path": f"{folder}/artists.tsv", "id": "id", "name": "name"},
            },
        },
    }


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_everything_that_is_encoded(document, encoded):
    result = encoded(document)
    assert result.vocabulary("user").ids.to_pylist() == ["ada", "bea", "cy"]
    assert result.vocabulary("user").display_names().to_pylist() == ["Ada", "bea", "cy"]
    assert result.vocabulary("track").display_names().to_pylist() == ["One, two", "t2", "Three"]
    assert result.vocabulary("artist").ids.to_pylist() == ["A", "B"]
    assert result.vocabulary("artist").display_names().to_pylist() == ["The A", '"Weird" B ']
    assert result.user_items.toarray().tolist() == [[2, 4, 0], [0, 4, 0], [0, 0, 1]]
    assert result.attribute("artist").toarray().tolist() == [[1, 1], [0, 1], [0, 0]]
    assert result.entity_items("track").toarray().tolist() == result.user_items.toarray().tolist()
    assert result.entity_items("artist").toarray().tolist() == [[2, 6], [0, 4], [0, 0]]
    assert result.item_entity == "track"


def test_events_are_kept_in_the_order_of_the_input(document, encoded):
    result = encoded(document)
    events = result.events
    assert events.user_rows.tolist() == [1, 0, 1, 2, 0]
    assert events.item_rows.tolist() == [1, 0, 1, 2, 1]
    assert events.weights.tolist() == [1.5, 2, 2.5, 1, 4]
    first = int(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC).timestamp()) * 10**6
    assert ((events.timestamps - first) / DAY).tolist() == [0, 1, 2.5, 30, 29]
    assert ((result.last_seen - first) / DAY).tolist() == [29, 2.5, 30]
    assert [array.dtype for array in (events.user_rows, events.item_rows, events.weights, events.timestamps)] == [
        np.int32,
        np.int32,
        np.float32,
        np.int64,
    ]


def test_what_is_counted(document, encoded):
    stats = encoded(document).stats
    assert {key: stats[key] for key in ("rows_read", "rows_outside_filters", "rows_used", "users", "items", "nnz")} == {
        "rows_read": 6,
        "rows_outside_filters": 1,
        "rows_used": 5,
        "users": 3,
        "items": 3,
        "nnz": 4,
    }
    assert stats["attributes"]["artist"]["items_without"] == 1
    assert stats["attributes"]["artist"]["rows_of_unknown_items"] == 1
    assert stats["names"]["user"]["ids_without"] == 2


def test_the_same_input_gives_the_same_bytes(document, encoded):
    first, second = encoded(document), encoded(document)
    assert files_of(first.folder) == files_of(second.folder)


def test_the_order_of_rows_does_not_change_the_matrix(write, encoded):
    random = np.random.default_rng(0)
    users, items = random.integers(0, 50, 500), random.integers(0, 30, 500)
    results = []
    for name, order in (("a", np.arange(500)), ("b", random.permutation(500))):
        path = write(f"{name}.parquet", {"user": users[order], "item": items[order]})
        results.append(encoded({"interactions": {"path": str(path), "user": "user", "item": "item"}}))
    assert files_of(results[0].folder) == files_of(results[1].folder)


def test_without_weight_and_timestamp_events_are_counted(write, encoded):
    path = write("a.parquet", {"u": [5, 5, 7], "i": ["x", "x", "x"]})
    result = encoded({"interactions": {"path": str(path), "user": "u", "item": "i"}})
    assert result.user_items.toarray().tolist() == [[2], [1]]
    assert result.events is None
    assert result.last_seen is None
    assert result.vocabulary("user").ids.type == pa.int64()
    assert result.vocabulary("item").ids.type == pa.string()


def test_without_weight_every_event_weighs_one(write, encoded):
    path = write("a.csv", "u,i,t\n5,x,2026-01-01\n5,x,2026-01-02\n")
    result = encoded({"interactions": {"path": str(path), "user": "u", "item": "i", "timestamp": "t"}})
    assert result.events.weights.tolist() == [1, 1]
    assert result.user_items.toarray().tolist() == [[2]]


def test_ids_with_leading_zeros_stay_as_they_came(write, encoded):
    path = write("a.csv", "u,i\n007,1\n8,2\n")
    result = encoded({"interactions": {"path": str(path), "user": "u", "item": "i"}})
    assert result.vocabulary("user").ids.to_pylist() == ["007", "8"]
    assert result.vocabulary("item").ids.to_pylist() == [1, 2]


def test_hive_partitions_may_be_columns_of_the_interactions(write, encoded, date, tmp_path):
    write("p/dt=2026-01-30/a.parquet", {"u": [1, 2], "i": [1, 2]})
    write("p/dt=2026-01-31/a.parquet", {"u": [3], "i": [3]})
    write("p/dt=2026-02-01/a.parquet", {"u": [4], "i": [4]})
    result = encoded({"interactions": {"path": str(tmp_path / "p"), "user": "u", "item": "i", "timestamp": "dt"}})
    assert result.vocabulary("user").ids.to_pylist() == [1, 2, 3]
    path = f"{tmp_path}/p/dt={{date}}/*.parquet"
    result = encoded({"interactions": {"path": path, "user": "u", "item": "i"}})
    assert result.vocabulary("user").ids.to_pylist() == [3]


def test_thresholds_hold_for_users_and_items_at_once(write, encoded):
    # Item d has one user; without it user 4 has one item; without that user item c has one user, and so on.
    pairs = [(1, "a"), (1, "b"), (2, "a"), (2, "b"), (3, "b"), (3, "c"), (4, "c"), (4, "d")]
    content = "u,i,w,t\n" + "".join(f"{user},{item},2,2026-01-0{user}\n" for user, item in pairs)
    interactions = {"path": str(write("a.csv", content)), "user": "u", "item": "i", "weight": "w", "timestamp": "t"}
    result = encoded({"interactions": {**interactions, "min_items_per_user": 2, "min_users_per_item": 2}})
    assert result.vocabulary("user").ids.to_pylist() == [1, 2]
    assert result.vocabulary("item").ids.to_pylist() == ["a", "b"]
    assert result.user_items.toarray().tolist() == [[2, 2], [2, 2]]
    assert result.events.user_rows.tolist() == [0, 0, 1, 1]
    assert result.events.item_rows.tolist() == [0, 1, 0, 1]
    assert len(result.last_seen) == 2
    assert (result.stats["rows_below_thresholds"], result.stats["users_below_thresholds"]) == (4, 2)


def test_nothing_left_after_the_thresholds(write, encoded):
    path = write("a.csv", "u,i\n1,a\n1,b\n2,a\n")
    interactions = {"path": str(path), "user": "u", "item": "i", "min_items_per_user": 2, "min_users_per_item": 2}
    message = (
        "nothing is left after min_items_per_user = 2 and min_users_per_item = 2: "
        "2 users and 2 items, then 1 users and 0 items, then 0 users and 0 items\nLower the thresholds"
    )
    with pytest.raises(DataError, match=message):
        encoded({"interactions": interactions})


def test_nothing_left_of_the_window_or_the_filter(document, encoded):
    with pytest.raises(DataError, match=r"none of its 6 rows is one at or before the end of 2020-01-01 \(UTC\)"):
        encoded(document, until=datetime.date(2020, 1, 1))
    document["interactions"]["where"] = "plays > 100"
    with pytest.raises(DataError, match=r"none of its 6 rows is one at or before .* and where plays > 100"):
        encoded(document)


def test_an_attribute_has_only_values_of_items_that_are_kept(document, encoded):
    document["interactions"]["where"] = "item == 't2'"
    result = encoded(document)
    assert result.vocabulary("artist").ids.to_pylist() == ["B"]
    assert result.attribute("artist").toarray().tolist() == [[1]]


def test_a_missing_input_is_named(document, encoded, tmp_path):
    document["entities"]["artist"]["names"]["path"] = str(tmp_path / "absent.tsv")
    with pytest.raises(MissingInputError, match=r"absent\.tsv"):
        encoded(document)


def test_stamps_of_every_input(document, date, tmp_path):
    document["entities"]["user"]["names"]["path"] = str(tmp_path / "absent.csv")
    stamps = input_stamps(parse_config(document), date)
    assert {section: [stamp.path for stamp in files] for section, files in stamps.items()} == {
        "interactions": ["a.csv", "b.csv"],
        "entities.artist.map": ["tracks.csv"],
        "entities.artist.names": ["artists.tsv"],
        "entities.track.names": ["tracks.csv"],
        "entities.user.names": [],
    }
    assert stamps["interactions"][0].size == (tmp_path / "plays" / "a.csv").stat().st_size


@pytest.mark.parametrize("change", ["touch", "grow", "add"])
def test_an_input_that_changes_while_it_is_read_is_an_error(document, date, tmp_path, change):
    folder = tmp_path / "out"
    folder.mkdir()

    def tamper(fraction: float, message: str) -> None:
        if message == "reading attributes and names":
            if change == "touch":
                os.utime(tmp_path / "plays" / "a.csv", ns=(1, 1))
            elif change == "grow":
                with (tmp_path / "artists.tsv").open("a") as file:
                    file.write("C\tThe C\n")
            else:
                (tmp_path / "plays" / "c.csv").write_text("user,item,plays,ts\n")

    with pytest.raises(DataError, match="an input changed while it was being read"):
        encode(parse_config(document), date, folder, tamper)
    with pytest.raises(FileNotFoundError, match="expected encoded interactions, found none"):
        Encoded.open(folder)


def test_progress_rises_to_one(document, date, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    told = []
    encode(parse_config(document), date, folder, lambda fraction, message: told.append((fraction, message)))
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert told[-1] == (1.0, "encoded")
    assert all(message for _, message in told)


def test_it_pickles_as_its_path(document, encoded):
    result = encoded(document)
    _ = result.user_items, result.vocabulary("track"), result.events
    content = pickle.dumps(result)
    assert len(content) < 500
    assert pickle.loads(content).user_items.nnz == 4  # noqa: S301


def test_opening_reads_nothing_but_its_presence(document, encoded, monkeypatch):
    folder = encoded(document).folder
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("an array was read"))
    Encoded.open(folder)


def test_an_unknown_entity_is_an_error(document, encoded):
    result = encoded(document)
    for ask in (result.vocabulary, result.attribute, result.entity_items):
        with pytest.raises(ValueError, match="unknown entity type 'album'"):
            ask("album")


def test_parquet_files_whose_ids_differ_in_type(write, encoded, tmp_path):
    write("p/a.parquet", {"u": pa.array([1], pa.int32()), "i": [1]})
    write("p/b.parquet", {"u": pa.array([2], pa.int64()), "i": [2]})
    interactions = {"path": str(tmp_path / "p"), "user": "u", "item": "i"}
    assert encoded({"interactions": interactions}).vocabulary("user").ids.to_pylist() == [1, 2]
    write("p/c.parquet", {"u": ["3"], "i": [3]})
    with pytest.raises(DataError, match="column 'u': expected ids of one type in all files, got integers and strings"):
        encoded({"interactions": interactions})
