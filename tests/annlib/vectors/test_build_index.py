"""An index from a file of vectors: ids, duplicates, progress, and nothing left behind where it fails."""

from __future__ import annotations

import numpy as np
import pytest

from annlib import Index
from annlib.vectors import VectorFileError, build_index


@pytest.fixture
def text_source(open_bytes):
    """Open lines of text as vectors."""
    return lambda *lines: open_bytes("v.txt", "".join(line + "\n" for line in lines).encode())


def test_words_become_ids(sample, open_bytes, tmp_path):
    index = build_index(open_bytes(sample.name, sample.content), tmp_path / "x.ann", metric="euclidean")
    np.testing.assert_array_equal(index.vectors, sample.vectors)
    assert index.ids.tolist() == (sample.ids or [0, 1, 2, 3, 4])
    index.verify()


def test_the_same_bytes_as_from_memory(valid, open_bytes, tmp_path):
    sample = valid("word2vec")
    names = ["a", "b", "c", "d", "e"]
    options = {"metric": "cosine", "names": names, "calibration_queries": np.eye(4), "metadata": {"a": 1}}
    build_index(open_bytes(sample.name, sample.content), tmp_path / "x.ann", **options)
    Index.build(sample.vectors, ids=sample.ids, path=tmp_path / "y.ann", **options)
    assert (tmp_path / "x.ann").read_bytes() == (tmp_path / "y.ann").read_bytes()


def test_other_ids(text_source, tmp_path):
    index = build_index(text_source("a 1 2", "a 3 4"), tmp_path / "x.ann", metric="cosine", ids=[7, 5])
    assert index.ids.tolist() == [7, 5]


def test_duplicates_name_both_lines(text_source, tmp_path):
    source = text_source("a 1 2", "b 3 4", "c 5 6", "b 7 8")
    message = "line 4: expected each id once, got 'b' again, which is that of line 2"
    with pytest.raises(VectorFileError, match=message) as caught:
        build_index(source, tmp_path / "x.ann", metric="cosine")
    assert "--duplicates first" in caught.value.advice
    assert not (tmp_path / "x.ann").exists()
    index = build_index(source, tmp_path / "x.ann", metric="cosine", duplicates="first")
    assert index.ids.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(index.vectors, [[1, 2], [3, 4], [5, 6]])


def test_progress(text_source, tmp_path):
    seen = []
    build_index(text_source("a 1 2", "b 3 4"), tmp_path / "x.ann", metric="cosine", progress=seen.append)
    assert seen == [2]


def test_no_vectors(open_bytes, tmp_path):
    index = build_index(open_bytes("v.bin", b"0 4\n"), tmp_path / "x.ann", metric="cosine")
    assert (len(index), index.dim) == (0, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"duplicates": "last"}, "duplicates: expected error or first, got 'last'"),
        ({"duplicates": "first", "names": ["x", "y"]}, "names: expected none with duplicates='first'"),
        ({"names": ["x"]}, "names: expected one for each of the 2 vectors, got 1"),
        ({"ids": [1, 1]}, "ids: expected each id once, got 1 in rows 0 and 1"),
        ({"metric": "dot"}, "metric: expected one of"),
    ],
)
def test_bad_arguments(text_source, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        build_index(text_source("a 1 2", "b 3 4"), tmp_path / "x.ann", **{"metric": "cosine", **arguments})
    assert [path.name for path in tmp_path.iterdir()] == ["v.txt"]


def test_a_file_that_breaks_off_leaves_nothing(open_bytes, tmp_path):
    source = open_bytes("v.txt", b"a 1 2\nb 3\n")
    with pytest.raises(VectorFileError, match="line 2"):
        build_index(source, tmp_path / "x.ann", metric="cosine")
    assert [path.name for path in tmp_path.iterdir()] == ["v.txt"]
