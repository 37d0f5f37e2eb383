"""What columns are guessed to mean, by their names and by what is in them."""

from __future__ import annotations

import datetime
import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from pipeline.draft.guess import Guess, choose_hold_out, guess_roles, with_timestamp, with_weight
from pipeline.draft.profile import profile_data
from pipeline.errors import ConfigError, DataError, MissingInputError

SECONDS = 1_700_000_000


@pytest.fixture
def profile(tmp_path):
    """Write columns to Parquet and look at them."""

    def look(**columns):
        pq.write_table(pa.table(columns), tmp_path / "x.parquet")
        return profile_data(str(tmp_path / "x.parquet"))

    return look


@pytest.fixture
def text(tmp_path):
    """Write a file of text and look at it."""

    def look(content, name="x.csv"):
        data = content.encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return profile_data(str(tmp_path / name))

    return look


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("user_id,item_id", Guess("user_id", "item_id")),
        ("item_id,user_id", Guess("user_id", "item_id")),
        ("movieId,userId", Guess("userId", "movieId")),
        ("customerID,SKU", Guess("customerID", "SKU")),
        ("CustomerName,customer_id,product name,product_id", Guess("customer_id", "product_id")),
        ("UID,trackID", Guess("UID", "trackID")),
        ("source,target", Guess("source", "target")),
        ("listener,what", Guess("listener", "what")),
        ("what,listener", Guess("listener", "what")),
    ],
)
def test_users_and_items_by_their_names(text, header, expected):
    rows = "\n".join(
        ",".join(str(10 * row + column) for column in range(4))[: 4 * len(header.split(","))] for row in ()
    )
    count = len(header.split(","))
    rows = "\n".join(",".join(str(3 * row + column) for column in range(count)) for row in range(20))
    assert guess_roles(text(f"{header}\n{rows}\n")) == expected


def test_of_several_items_the_finest_is_taken(profile):
    data = profile(user=[1, 1, 2, 2], artist_id=[1, 1, 2, 2], track_id=[1, 2, 3, 4], track_name=["a", "b", "c", "d"])
    assert guess_roles(data) == Guess("user", "track_id")


@pytest.mark.parametrize(("per_second", "unit"), [(1, "s"), (10**3, "ms"), (10**6, "us"), (10**9, "ns")])
def test_the_unit_of_times_by_their_size(profile, per_second, unit):
    data = profile(user=[1, 2], item=[3, 4], when=[SECONDS * per_second, (SECONDS + 9) * per_second])
    assert guess_roles(data) == Guess("user", "item", timestamp="when", timestamp_unit=unit)


@pytest.mark.parametrize(
    "times",
    [
        pa.array([datetime.datetime(2026, 1, 1), None]),
        pa.array([datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)]),
        pa.array(["2026-01-01T10:00:00+01:00", "2026-01-02 11:00"]),
    ],
)
def test_times_that_say_their_unit_need_no_name(profile, times):
    assert guess_roles(profile(x=times, user=[1, 2], item=[3, 4])) == Guess("user", "item", timestamp="x")


def test_ids_as_large_as_times_are_ids(profile):
    assert guess_roles(profile(user_id=[SECONDS, SECONDS + 1], item_id=[1, 2])) == Guess("user_id", "item_id")


def test_times_in_text_are_found_too(text):
    assert guess_roles(text("user,item,day\n1,2,2026-01-01\n3,4,2026-01-02\n")).timestamp == "day"
    assert guess_roles(text(f"user,item,ts\n1,2,{SECONDS}\n")).timestamp_unit == "s"


def test_weights_by_their_names_and_what_is_not_above_zero_left_out(profile):
    ids = {"user": [1, 2, 3], "item": [4, 5, 6]}
    assert guess_roles(profile(**ids, playCount=[1, 2, 9])) == Guess("user", "item", weight="playCount")
    assert guess_roles(profile(**ids, plays=[0, 2, 9])).where == "plays > 0"
    assert guess_roles(profile(**ids, **{"no. of plays": [1.0, None, 9.0]})).where == "`no. of plays` > 0"
    assert guess_roles(profile(**ids, count=[1, 1, 1])) == Guess("user", "item"), "it says nothing"
    assert guess_roles(profile(**ids, price=[1, 2, 3])) == Guess("user", "item")


@pytest.mark.parametrize(("values", "where"), [([0.5, 5.0, 3.0], "rating >= 3.5"), ([1.0, 10.0, 3.0], "rating >= 7")])
def test_of_ratings_the_high_ones_count(profile, values, where):
    assert guess_roles(profile(user=[1, 2, 3], item=[4, 5, 6], rating=values)) == Guess("user", "item", where=where)


def test_a_matrix_is_users_by_items(tmp_path):
    sparse.save_npz(tmp_path / "m.npz", sparse.csr_matrix(np.array([[0, 2.0], [1, 0]])))
    assert guess_roles(profile_data(str(tmp_path / "m.npz"))) == Guess("row", "column", weight="value")


def test_what_cannot_be_told_is_not_guessed(profile):
    assert guess_roles(profile(a=[0.5, 1.5], b=["x", "y"])) is None


def test_a_correction_must_fit_the_column(profile):
    data = profile(user=[1, 2], item=[3, 4], word=["a", "b"], later=[SECONDS, SECONDS])
    guess = guess_roles(data)
    assert with_timestamp(guess, None).timestamp is None
    assert with_timestamp(guess, data.column("later")).timestamp_unit == "s"
    with pytest.raises(ConfigError, match="'word' holds no times, but string: a, b"):
        with_timestamp(guess, data.column("word"))
    with pytest.raises(ConfigError, match="'word' holds no weights"):
        with_weight(guess, data.column("word"))
    with pytest.raises(ConfigError, match="no column 'x'"):
        data.column("x")


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        ("user\titem\n1\t2\n", "x.dat", "tsv"),
        ("user,item\n1,2\n", "x.txt", "csv"),
        ("user\titem\n1\t2\n", "x.dat.gz", "tsv"),
        ("user\titem\n1\t2\n", "x.tsv", None),
    ],
)
def test_the_format_of_other_endings_by_the_first_line(text, content, name, expected):
    data = text(content, name)
    assert (data.format, [column.name for column in data.columns]) == (expected, ["user", "item"])


def test_files_that_are_none(text, tmp_path):
    with pytest.raises(MissingInputError, match="absent"):
        profile_data(str(tmp_path / "absent.csv"))
    with pytest.raises(ConfigError, match=r"cannot tell the format of x\.log: no tab or comma"):
        text("one two\n", "x.log")
    with pytest.raises(DataError, match="expected a column of users and one of items, got user"):
        text("user\n1\n")
    with pytest.raises(DataError, match="there are no rows"):
        text("user,item\n")


def interactions(profile, users, items, times):
    data = profile(user=users, item=items, timestamp=pa.array(times, pa.timestamp("s")))
    return choose_hold_out(data, guess_roles(data))


def test_the_hold_out_is_by_time_where_users_come_back(profile):
    users = np.tile(np.arange(10), 10)
    assert not interactions(profile, users, np.arange(100), SECONDS + np.arange(100)).by_user


def test_the_hold_out_is_by_user_where_each_comes_once(profile):
    users = np.repeat(np.arange(10), 10)
    assert interactions(profile, users, np.arange(100), SECONDS + np.arange(100)).by_user


def test_more_is_held_out_where_users_have_few_items(profile):
    data = profile(user=[1, 1, 2, 2, 2], item=["a", "b", "a", "c", "c"])
    assert choose_hold_out(data, guess_roles(data)).test_fraction == 0.5
    data = profile(user=[1] * 5, item=list("abcde"))
    assert choose_hold_out(data, guess_roles(data)).test_fraction is None
