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
    np.testing.assert_array_equal(index.vectors, next(source.blocks()).vectors)


def test_a_truncated_file(write):
    path = write([b"a", b"b"], np.ones((2, 3), np.float32), header=b"2 3\n")
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(VectorFileError, match=r"words.bin: byte 0: truncated"):
        read(path)
