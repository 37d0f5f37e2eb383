"""From what a person typed to one row: names before ids, exact before folded, and what is close where nothing is."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest

from pipeline.data.vocabulary import Vocabulary
from pipeline.errors import UnknownNameError
from pipeline.names import find_row, find_rows, fold


@pytest.fixture
def artists():
    names = ["Björk", "  Sigur Rós ", "Ke$ha", "KESHA", "Radiohead", "42", None, "Beyoncé", "beyonce", '"Weird Al"']
    return Vocabulary(pa.array([7, 9, 11, 12, 20, 30, 42, 50, 51, 60]), pa.array(names))


@pytest.mark.parametrize(
    ("query", "row"),
    [
        ("Radiohead", 4),
        ("radiohead", 4),
        (" RADIO head".replace(" ", ""), 4),
        ("bjork", 0),
        ("BJÖRK", 0),
        ("Bjo\u0308rk", 0),
        ("sigur  ros", 1),
        ("Beyoncé", 7),
        ("beyonce", 8),
        ('"weird al"', 9),
        ("42", 5),
        (42, 6),
        ("7", 0),
        (7, 0),
    ],
)
def test_what_a_query_means(artists, query, row):
    assert find_row(artists, "artist", query) == row


def test_several_matches_are_named(artists):
    with pytest.raises(
        UnknownNameError, match=r"'BEYONCE' is the name of 2 .*'Beyoncé' \(id 50\), 'beyonce' \(id 51\)"
    ):
        find_row(artists, "artist", "BEYONCE")


def test_no_match_names_the_closest(artists):
    with pytest.raises(UnknownNameError, match=r"no artist has the name or id 'Radiohaed'\nClosest: 'Radiohead'"):
        find_row(artists, "artist", "Radiohaed")
    with pytest.raises(UnknownNameError, match="No name is close"):
        find_row(artists, "artist", "qqqqqqqq")
    with pytest.raises(UnknownNameError, match="no artist has the name or id 8"):
        find_row(artists, "artist", 8)


def test_string_ids_without_names():
    users = Vocabulary(pa.array(["a", "b"]))
    assert find_row(users, "user", "b") == 1
    with pytest.raises(UnknownNameError):
        find_row(users, "user", "B")
    with pytest.raises(UnknownNameError):
        find_row(users, "user", 1)


def test_a_part_of_what_was_typed_is_not_close_to_it():
    words = Vocabulary(pa.array(sorted(["g", "in", "ing", "king", "queen"])))
    with pytest.raises(UnknownNameError, match=r"Closest: 'king'\."):
        find_row(words, "word", "kingg")


@pytest.mark.parametrize("query", ["Radiohead", "radiohead", "42", 42, "7", 7, "Beyoncé", "beyonce", "Ke$ha", 2**70])
def test_many_at_once_mean_what_each_means_alone(artists, query):
    try:
        expected = find_row(artists, "artist", query)
    except UnknownNameError as error:
        with pytest.raises(UnknownNameError, match=re.escape(error.message)):
            find_rows(artists, "artist", ["Björk", query])
        assert find_rows(artists, "artist", [query, 7], skip_unknown=True).tolist() == [-1, 0]
    else:
        assert find_rows(artists, "artist", [query, "Björk", query]).tolist() == [expected, 0, expected]


def test_what_matches_several_is_never_skipped(artists):
    with pytest.raises(UnknownNameError, match="'BEYONCE' is the name of 2"):
        find_rows(artists, "artist", ["BEYONCE"], skip_unknown=True)
    twins = Vocabulary(pa.array([1, 2]), pa.array(["Twin", "Twin"]))
    with pytest.raises(UnknownNameError, match="'Twin' is the name of 2"):
        find_rows(twins, "artist", ["Twin"])


def test_many_ids_without_names():
    assert find_rows(Vocabulary(pa.array(["a", "b"])), "user", ["b", "a", "b"]).tolist() == [1, 0, 1]
    assert find_rows(Vocabulary(pa.array([3, 5])), "user", [5, "3"]).tolist() == [1, 0]
    assert find_rows(Vocabulary(pa.array([3, 5])), "user", []).dtype == "int32"
    no_names = Vocabulary(pa.array([3, 5]), pa.array([None, None], pa.string()))
    assert find_rows(no_names, "user", ["3", 5]).tolist() == [0, 1]


def test_folding():
    assert fold("  Ｓigur   RÓS ") == "sigur ros"
    assert fold("Straße") == "strasse"
