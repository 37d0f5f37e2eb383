"""The table of cosines, and the map of the most played."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from annlib import Index
from annlib.examples.artists import cosine_table, main, map_of, most_played

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 120


@pytest.fixture
def index(tmp_path) -> Index:
    """Return three groups of artists, the first of each the longest vectors."""
    rng = np.random.default_rng(0)
    vectors = np.repeat(np.eye(3, 8), COUNT // 3, axis=0) + 0.1 * rng.normal(size=(COUNT, 8))
    vectors *= 3 - np.arange(COUNT)[:, np.newaxis] % (COUNT // 3) / COUNT
    names = [f"Artist {row}" for row in range(COUNT)]
    names[2] = "倖田來未"  # which matplotlib's font cannot draw, and warns of
    return Index.build(
        vectors, metric="cosine", ids=np.arange(COUNT) + 500, names=names, path=tmp_path / "artist.cosine.ann"
    )


@pytest.fixture
def plays(tmp_path) -> Path:
    path = tmp_path / "plays.dat"
    path.write_text("userID\tartistID\tweight\n1\t503\t5\n1\t501\t4\n2\t501\t4\n2\t9999\t100\n3\t510\t1\n")
    return path


def test_the_table(index):
    names = ["Artist 0", "Artist 50", "Artist 1"]
    vectors = index.vectors[[0, 50, 1]].astype(float)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(cosine_table(index, names), unit @ unit.T)
    with pytest.raises(ValueError, match="expected the name of an item, got 'Nobody'"):
        cosine_table(index, ["Nobody"])


def test_an_index_without_names():
    with pytest.raises(ValueError, match="expected an index of metric cosine with names"):
        cosine_table(Index.build(np.eye(2), metric="cosine"), ["a"])


def test_the_most_played(index, plays):
    assert most_played(index, 5, plays, "artistID", "weight").tolist() == [1, 3, 10]
    assert most_played(index, 1, plays, "artistID", "weight").tolist() == [1]
    longest = most_played(index, COUNT, None, "artistID", "weight")
    norms = np.linalg.norm(index.vectors[longest], axis=1)
    assert (np.diff(norms) <= 0).all()
    with pytest.raises(ValueError, match="got no playcount"):
        most_played(index, 5, plays, "artistID", "playcount")


def test_the_map_keeps_neighbours_together(index):
    places = map_of(index, np.arange(COUNT))
    assert places.shape == (COUNT, 2)
    distances = np.linalg.norm(places[:, np.newaxis] - places, axis=2)
    np.fill_diagonal(distances, np.inf)
    group = np.arange(COUNT) // (COUNT // 3)
    assert np.mean(group[distances.argmin(axis=1)] == group) > 0.95


def test_the_picture(index, tmp_path, capsys, assert_picture):
    main([index.path, "--names", "Artist 1", "Artist 3", "--count", "40", "-o", str(tmp_path / "out.png")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["                 1", " 1  Artist 1"]
    assert lines[2].startswith(" 2  Artist 3  0.")
    assert_picture(tmp_path / "out.png")
