"""Every format: what is in the file is what is read, whole, again, and block by block."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from annlib.vectors import FORMATS, base, open_vectors, text, word2vec


def test_what_is_written_is_read(sample, open_bytes, read_all):
    source = open_bytes(sample.name, sample.content)
    assert source.format == sample.format
    assert source.dim == 4
    assert source.count in (5, None)
    for _ in range(2):
        vectors, ids = read_all(source)
        np.testing.assert_array_equal(vectors, sample.vectors)
        assert ids == sample.ids


def test_small_blocks(sample, open_bytes, read_all, monkeypatch):
    monkeypatch.setattr(base, "BLOCK_BYTES", 8)
    monkeypatch.setattr(word2vec, "_BUFFER_BYTES", 8)
    monkeypatch.setattr(word2vec, "_LONGEST_WORD", 10)
    monkeypatch.setattr(text, "_CHUNK_BYTES", 7)
    source = open_bytes(sample.name, sample.content)
    vectors, ids = read_all(source)
    np.testing.assert_array_equal(vectors, sample.vectors)
    assert ids == sample.ids
    assert len(list(source.blocks())) > 1


def test_a_named_format_needs_no_ending(sample, open_bytes, read_all):
    content_tells = not sample.name.startswith(("v.bvecs", "v.ivecs"))
    if content_tells:
        vectors, _ = read_all(open_bytes("anything", sample.content, format=sample.format))
        np.testing.assert_array_equal(vectors, sample.vectors)


def test_every_format_has_a_sample(valid):
    kinds = ["npy", "parquet", "word2vec", "word2vec-text", "glove", "fvecs", "idx", "hdf5"]
    assert sorted(valid(kind).format for kind in kinds) == sorted(FORMATS)


def test_words_that_contain_spaces(open_bytes, read_all):
    source = open_bytes("v.txt", b"a 1 2\nat name@domain.com 3 4\n. . . -.5 1e-3\n")
    vectors, ids = read_all(source)
    assert ids == ["a", "at name@domain.com", ". . ."]
    np.testing.assert_array_equal(vectors, np.array([[1, 2], [3, 4], [-0.5, 1e-3]], np.float32))


def test_float64_is_rounded_to_the_nearest_float32(open_bytes, read_all):
    values = np.random.default_rng(0).normal(size=(50, 3))
    lines = "".join(f"w{i} {a!r} {b!r} {c!r}\n" for i, (a, b, c) in enumerate(values.tolist()))
    vectors, _ = read_all(open_bytes("v.txt", lines.encode()))
    np.testing.assert_array_equal(vectors, values.astype(np.float32))


def test_no_vectors_are_legal_where_a_header_says_so(valid, open_bytes, read_all):
    empty = valid("npy").content.replace(b"(5, 4)", b"(0, 4)")[:128]
    for name, content in [("v.npy", empty), ("v.bin", b"0 4\n"), ("v.idx", b"\0\0\x08\2\0\0\0\0\0\0\0\4")]:
        source = open_bytes(name, content, format={"v.bin": "word2vec"}.get(name))
        vectors, _ = read_all(source)
        assert vectors.shape == (0, 4)


def test_real_words_and_images(data_dir, read_all):
    vectors, words = read_all(open_vectors(data_dir / "words" / "glove_twitter_25d_11925x25.txt"))
    assert vectors.shape == (11925, 25)
    assert words[:3] == ["the", "of", "and"]
    np.testing.assert_array_equal(vectors[0, :2], np.array([-0.010167, 0.020194], np.float32))
    source = open_vectors(data_dir / "mnist" / "t10k-images-idx3-ubyte.gz")
    images, ids = read_all(source)
    assert (source.format, source.count, images.shape, ids) == ("idx", 10_000, (10_000, 784), None)
    assert images.max() == 255


def test_hdf5_datasets_and_metric(valid, open_bytes, read_all):
    content = valid("hdf5").content
    source = open_bytes("v.h5", content, dataset="test")
    assert source.metric == "cosine"
    assert read_all(source)[0].shape == (2, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"format": "csv"}, "format: expected one of npy, .* got 'csv'"),
        ({"dataset": "train"}, "dataset: a npy file has no such thing, got 'train'"),
        ({"id_column": "id"}, "id_column: a npy file has no such thing"),
    ],
)
def test_options_that_make_no_sense(valid, open_bytes, arguments, message):
    with pytest.raises(ValueError, match=message):
        open_bytes("v.npy", valid("npy").content, **arguments)


def test_an_absent_file_is_an_os_error(tmp_path):
    for name in FORMATS:
        with pytest.raises(FileNotFoundError):
            open_vectors(tmp_path / "absent", format=name)


@pytest.mark.parametrize(("package", "kind"), [("h5py", "hdf5"), ("pyarrow", "parquet")])
def test_a_missing_package_is_named(valid, tmp_path, package, kind):
    sample = valid(kind)
    path = tmp_path / sample.name
    path.write_bytes(sample.content)
    script = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from annlib.vectors import open_vectors\n"
        f"try: open_vectors({str(path)!r})\n"
        "except ImportError as error: print(error)"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert f"needs {package}, which is not installed: pip install" in shown.stdout
