"""word2vec's binary format."""

from __future__ import annotations

import numpy as np
import pytest

from annlib.vectors import VectorFileError, build_index, open_vectors


@pytest.fixture
def write(tmp_path):
    """Write a file of a header, and of words and vectors that each end as told."""

    def to_file(words, vectors, *, header=None, end=b"\n", rest=b""):
        path = tmp_path / "words.bin"
        records = b"".join(word + b" " + vector.tobytes() + end for word, vector in zip(words, vectors, strict=True))
        path.write_bytes((header or b"%d %d\n" % vectors.shape) + records + rest)
        return path

    return to_file


def read(path, **options):
    blocks = list(open_vectors(path, **options).blocks())
    return [word for block in blocks for word in block.ids], np.concatenate([block.vectors for block in blocks])


@pytest.mark.parametrize("end", [b"\n", b""])
def test_words_and_vectors(write, end):
    vectors = np.random.default_rng(0).normal(size=(5000, 1200)).astype(np.float32)  # more than one block
    words = [f"wört_{'x' * (i % 50)}{i}" for i in range(5000)]
    path = write([word.encode() for word in words], vectors, end=end)
    source = open_vectors(path)
    assert (source.format, source.count, source.dim, source.has_ids) == ("word2vec", 5000, 1200, True)
    for _ in range(2):
        found_words, found = read(path)
        assert found_words == words
        np.testing.assert_array_equal(found, vectors)
    assert len(list(source.blocks())) > 1


def test_real_words_become_an_index(data_dir, tmp_path):
    source = open_vectors(data_dir / "words" / "word2vec_googlenews_1000x300.bin")
    index = build_index(source, tmp_path / "words.ann", metric="cosine")
    assert (len(index), index.dim, index.info["id_type"]) == (1000, 300, "strings")
    assert index.ids[:3].tolist() == ["in", "for", "that"]
    np.testing.assert_array_equal(index.vectors, np.concatenate([block.vectors for block in source.blocks()]))


def test_words_of_any_length(write):
    words = [b"x" * length for length in (1, 4096, 2, 4095, 3)]
    found, _ = read(write(words, np.ones((5, 3), np.float32)))
    assert [word.encode() for word in found] == words
    with pytest.raises(VectorFileError, match=r"row 1: expected a word of up to 4096 bytes"):
        read(write([b"a", b"x" * 4098, b"b"], np.ones((3, 3), np.float32)))


def test_vectors_full_of_spaces_and_newlines(write):
    """Only the position tells what is a space after a word."""
    bits = np.frombuffer(b"  \n \n\n  " * 6, dtype=np.float32).reshape(3, 4)
    found, vectors = read(write([b"a", b"b", b"c"], bits))
    assert found == ["a", "b", "c"]
    np.testing.assert_array_equal(vectors, bits)
