"""The index file: golden files, damage, atomic writing, opening."""

from __future__ import annotations

import contextlib
import json
import os
import re
import struct
from pathlib import Path

import numpy as np
import pytest

from annlib import Index, IndexFileError, UnknownIdError
from annlib.metric import METRICS

GOLDEN = Path(__file__).parent / "golden"


def golden_vectors() -> np.ndarray:
    """Return 12 vectors of 5 dimensions, by integer arithmetic alone."""
    i = np.arange(60).reshape(12, 5)
    return ((i * i * 7 + i * 3) % 41 - 20).astype(np.float32) / np.float32(8)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.ann")), ids=lambda path: path.name)
def test_golden_files_are_read_for_ever(path, assert_exact):
    expected = json.loads(path.with_suffix(".json").read_text())
    index = Index.open(path)
    index.verify()
    assert index.info["format_version"] == expected["format_version"]
    assert index.metric == expected["metric"]
    np.testing.assert_array_equal(index.vectors, golden_vectors())
    assert index.ids.tolist() == expected["ids"]
    assert (None if index.names is None else index.names.tolist()) == expected["names"]
    found, scores = index.neighbors(3)
    assert found.tolist() == expected["neighbors"]
    assert [[float(score).hex() for score in row] for row in scores] == expected["scores"]
    assert_exact(index, golden_vectors()[:4], 12)


def test_golden_files_of_every_metric_and_id_type():
    expectations = [json.loads(path.read_text()) for path in GOLDEN.glob("v1.*.json")]
    assert {expected["metric"] for expected in expectations} == {
        "cosine", "inner_product", "euclidean", "manhattan", "hamming",
    }  # fmt: skip


# The first files had no codes, and the next, v1-codes, codes of a kind that this version skips.
NEWEST = sorted(GOLDEN.glob("v1-calibrated.*.ann"))


def test_this_version_has_a_golden_file_of_every_metric():
    assert {Index.open(path).metric for path in NEWEST} == set(METRICS)


@pytest.mark.parametrize("path", NEWEST, ids=lambda path: path.name)
def test_this_version_writes_the_golden_bytes(path, tmp_path):
    expected = json.loads(path.with_suffix(".json").read_text())
    ids = None if expected["ids"] == list(range(12)) else expected["ids"]
    written = tmp_path / path.name
    Index.build(golden_vectors(), metric=expected["metric"], ids=ids, names=expected["names"], path=written)
    assert written.read_bytes() == path.read_bytes()


# Damage --------------------------------------------------------------------------------------------------------------


def use(index: Index) -> None:
    """Use all that an index offers."""
    index.search(np.ones((1, index.dim)), 5)
    index.search(np.ones((9, index.dim)), 5, allow=np.arange(len(index)) % 2 == 0)
    index.neighbors(3)
    _ = index.ids, index.names, index.info
    for known in ("a", "i03", "i11"):
        try:
            index.search_ids([known], 3)
        except UnknownIdError:
            continue


def open_use_and_verify(path: Path) -> None:
    index = Index.open(path)
    with contextlib.suppress(IndexFileError):
        use(index)
    index.verify()


@pytest.mark.parametrize("metric", ["cosine", "euclidean", "hamming"])
def test_every_flipped_byte_is_found_and_none_crashes(metric, tmp_path):
    path = tmp_path / "small.ann"
    ids = [f"i{i:02}" for i in range(12)]
    Index.build(golden_vectors(), metric=metric, ids=ids, names=ids, path=path)
    image = path.read_bytes()
    body = range(4096, len(image))
    header = [*range(256), *range(256, 4096, 61)]
    for at in [*header, *body]:
        damaged = bytearray(image)
        damaged[at] ^= 1 << (at % 8)
        path.write_bytes(damaged)
        with pytest.raises(IndexFileError) as caught:
            open_use_and_verify(path)
        assert caught.value.file == str(path)
        assert str(path) in str(caught.value)
        if caught.value.offset is not None:
            assert 0 <= caught.value.offset <= len(image)


def test_every_truncation_is_refused(tmp_path):
    path = tmp_path / "small.ann"
    Index.build(golden_vectors(), metric="cosine", ids=range(12), path=path)
    image = path.read_bytes()
    for size in range(len(image)):
        path.write_bytes(image[:size])
        with pytest.raises(IndexFileError):
            Index.open(path)
    path.write_bytes(image + b"\0")
    with pytest.raises(IndexFileError, match="expected a file of"):
        Index.open(path)


def test_nan_in_a_damaged_file_is_nobodys_neighbour(tmp_path):
    path = tmp_path / "nan.ann"
    vectors = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    for metric in ("inner_product", "cosine", "euclidean", "manhattan"):
        Index.build(vectors, metric=metric, path=path)
        image = bytearray(path.read_bytes())
        image[4096 + 50 * 32 : 4096 + 51 * 32] = np.full(8, np.nan, dtype=np.float32).tobytes()
        path.write_bytes(image)
        index = Index.open(path)
        for queries in (vectors[:1], vectors[:20]):
            rows, scores = index.search_rows(queries, 200)
            assert not (rows == 50).any()
            assert (np.isnan(scores) == (rows == -1)).all()
        rows, _ = index.neighbor_rows(5)
        assert (rows[50] == -1).all()
        with pytest.raises(IndexFileError, match="section vectors, byte 4096: damaged"):
            index.verify()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an annlib index: the magic bytes are missing"),
        (b"PAR1" * 2000, "not an annlib index: the magic bytes are missing"),
        (b"\x89ANN\r\n\x1a\n", "truncated: expected a header of 4096 bytes, the file has 8"),
        (b"\x89ANN\r\n\x1a\n" + struct.pack("<I", 2) + bytes(5000), "format version 2, this annlib reads version 1"),
        (b"\x89ANN\n\x1a\n\n" + bytes(5000), "the magic bytes are missing"),  # line ends converted
    ],
)
def test_foreign_files(tmp_path, content, message):
    path = tmp_path / "foreign.ann"
    path.write_bytes(content)
    with pytest.raises(IndexFileError, match=re.escape(message)) as caught:
        Index.open(path)
    assert caught.value.section == "header"
    assert caught.value.file == str(path)
    assert f"{path}: section header, byte " in str(caught.value)


def test_file_system_errors_are_os_errors(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        Index.open(tmp_path / "absent.ann")
    assert caught.value.filename == str(tmp_path / "absent.ann")
    with pytest.raises(IsADirectoryError):
        Index.open(tmp_path)
    with pytest.raises(FileNotFoundError):
        Index.build(np.eye(2), metric="cosine", path=tmp_path / "absent" / "x.ann")
    (tmp_path / "folder.ann").mkdir()
    with pytest.raises(IsADirectoryError):
        Index.build(np.eye(2), metric="cosine").save(tmp_path / "folder.ann")
    assert [entry.name for entry in tmp_path.iterdir()] == ["folder.ann"]


# Writing and opening -------------------------------------------------------------------------------------------------


def test_save_and_open(words, tmp_path):
    path = tmp_path / "Motörhead & co.ann"
    words.save(path)
    opened = Index.open(path)
    assert opened.path == str(path)
    assert opened.ids.tolist() == words.ids.tolist()
    np.testing.assert_array_equal(opened.vectors, words.vectors)
    assert opened.neighbors(4)[0].tolist() == words.neighbors(4)[0].tolist()


def test_replacing_a_file_leaves_open_indexes_alone(tmp_path):
    path = tmp_path / "x.ann"
    first = Index.build(np.eye(3), metric="cosine", path=path)
    before = first.neighbors(2)[0].tolist()
    Index.build(np.ones((500, 7)), metric="euclidean", path=path)
    assert first.neighbors(2)[0].tolist() == before
    assert len(Index.open(path)) == 500
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.ann"]


def test_files_get_the_usual_permissions(tmp_path):
    mask = os.umask(0o027)
    try:
        Index.build(np.eye(2), metric="cosine", path=tmp_path / "x.ann")
    finally:
        os.umask(mask)
    assert (tmp_path / "x.ann").stat().st_mode & 0o777 == 0o640


def test_a_bare_file_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Index.build(np.eye(2), metric="cosine", path="x.ann")
    assert len(Index.open("x.ann")) == 2
