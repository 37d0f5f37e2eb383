"""The files that Annoy writes: read, refused, damaged."""

from __future__ import annotations

from pathlib import Path

import annoy
import numpy as np
import pytest

from annlib import Index
from annlib.compat.annoy import AnnoyIndex

METRICS = ("angular", "euclidean", "manhattan", "hamming", "dot")
GOLDEN = sorted((Path(__file__).parent / "golden_annoy").glob("*.tree"))
GOLDEN_DIM = {"hamming": 70}
GOLDEN_IDS = [i for i in range(24) if i not in (2, 11, 12)]


def golden_vector(i, dim, metric):
    """The vectors that the golden files were made of; item 4 has no direction."""
    vector = [0.0 if i == 4 else ((i * i * 3 + i * 7 + j * (i + 5)) % 11 - 5) / 4 for j in range(dim)]
    return [float(x > 0) for x in vector] if metric == "hamming" else vector


@pytest.fixture(params=GOLDEN, ids=lambda path: path.stem)
def golden(request):
    """A file, its metric and its dimensions."""
    metric = request.param.stem.split("-")[0]
    return request.param, metric, GOLDEN_DIM.get(metric, 5)


def loaded(path, dim, metric):
    index = AnnoyIndex(dim, metric)
    index.load(path)
    return index


def written_by_annoy(path, ids, dim, metric, *, trees=3, n_jobs=1, seed=0):
    rng = np.random.default_rng(seed)
    index = annoy.AnnoyIndex(dim, metric)
    for i in ids:
        index.add_item(i, rng.normal(size=dim))
    index.build(trees, n_jobs=n_jobs)
    index.save(str(path))
    return index


def test_every_metric_has_a_golden_file():
    assert {path.stem.split("-")[0] for path in GOLDEN} == set(METRICS)


def test_golden_file(golden):
    path, metric, dim = golden
    index = loaded(path, dim, metric)
    assert (index.get_n_items(), index.get_n_trees(), index.f) == (24, 3, dim)
    for i in range(24):
        expected = golden_vector(i, dim, metric) if i in GOLDEN_IDS else [0.0] * dim
        assert index.get_item_vector(i) == expected
    fresh = AnnoyIndex(dim, metric)
    for i in GOLDEN_IDS:
        fresh.add_item(i, golden_vector(i, dim, metric))
    fresh.build(3)
    for i in range(24):
        found = index.get_nns_by_item(i, -1, include_distances=True)
        assert found == fresh.get_nns_by_item(i, -1, include_distances=True)
        assert sorted(found[0]) == GOLDEN_IDS
        assert index.get_distance(i, 3) == fresh.get_distance(i, 3)


def test_golden_file_becomes_an_index_file(golden, tmp_path):
    path, metric, dim = golden
    index = loaded(path, dim, metric)
    assert index.save(tmp_path / "a.ann") is True
    assert Index.open(tmp_path / "a.ann").ids.tolist() == GOLDEN_IDS
    again, annoys = loaded(tmp_path / "a.ann", dim, metric), loaded(path, dim, metric)
    for copy in (index, again):
        assert (copy.get_n_items(), copy.get_n_trees()) == (24, 3)
        assert copy.get_item_vector(2) == [0.0] * dim
        for i in range(24):
            assert copy.get_item_vector(i) == annoys.get_item_vector(i)
            assert copy.get_nns_by_item(i, 9, -1, True) == annoys.get_nns_by_item(i, 9, -1, True)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dim", [1, 3, 10, 64, 65])
def test_files_of_every_shape(metric, dim, tmp_path):
    path = tmp_path / "a.tree"
    cases = ([], [0], [5], [0, 1], [7, 9], range(dim + 1), range(dim + 2), range(2, 3 * dim + 9), range(0, 500, 3))
    for ids in cases:
        for n_jobs in (1, 2):
            theirs = written_by_annoy(path, ids, dim, metric, trees=4, n_jobs=n_jobs)
            ours = loaded(path, dim, metric)
            assert ours.get_n_items() == theirs.get_n_items() == (max(ids) + 1 if ids else 0)
            assert ours.get_n_trees() == 4
            assert [ours.get_item_vector(i) for i in range(ours.get_n_items())] == [
                theirs.get_item_vector(i) for i in range(ours.get_n_items())
            ]
            assert sorted(ours.get_nns_by_vector([0.7] * dim, -1)) == list(ids)


@pytest.mark.parametrize("count", [3, 100])
@pytest.mark.parametrize("metric", METRICS)
def test_another_f_or_metric_is_refused_where_it_shows(metric, count, tmp_path):
    path = tmp_path / "a.tree"
    written_by_annoy(path, range(count), 12, metric)
    with pytest.raises(OSError, match="Ensure you are opening using the same"):
        loaded(path, 200, metric)
    for other in METRICS:
        for dim in range(9, 16):
            # Items of the two are alike; a word has 64 bits; an angular vector begins where dot keeps a number.
            alike = {metric, other} <= {"euclidean", "manhattan"} and dim == 12
            alike |= metric == other == "hamming" or (metric, other, dim) == ("dot", "angular", 13)
            if alike or (metric, dim) == (other, 12):
                assert loaded(path, dim, other).get_n_items() == count
            else:
                with pytest.raises(OSError, match=r"a\.tree: .*Ensure you are opening using the same"):
                    loaded(path, dim, other)


def test_neither_is_refused(tmp_path):
    path = tmp_path / "a.tree"
    size = 12 + 4 * 5  # of an angular node of five dimensions
    for content, message in [
        (b"", "Size of file is zero"),
        (b"x" * (size * 3 + 1), "Index size is not a multiple of vector size"),
        (
            b"Once upon a time there was a text." * size,
            "expected an index that Annoy wrote for f=5 and metric='angular'",
        ),
        (b"\xff" * size * 4, "its last node tells of -1 items"),
        (b"\x89ANN\r\n\x1a\n" + b"\0" * size * 4, "section header"),
    ]:
        path.write_bytes(content)
        index = AnnoyIndex(5, "angular")
        with pytest.raises(OSError, match=message):
            index.load(path)
        assert index.get_n_items() == 0
    with pytest.raises(FileNotFoundError, match=r"Unable to open: No such file or directory \(2\)"):
        loaded(tmp_path / "absent.tree", 5, "angular")
    with pytest.raises(IsADirectoryError, match="Unable to open: Is a directory"):
        loaded(tmp_path, 5, "angular")


def test_a_failed_load_leaves_the_index_as_it_was(tmp_path):
    index = AnnoyIndex(2, "dot")
    index.add_item(0, [1, 2])
    with pytest.raises(OSError, match="Unable to open"):
        index.load(tmp_path / "absent.tree")
    index.add_item(1, [2, 2])
    index.build(1)
    assert index.get_nns_by_item(0, 2) == [1, 0]


def test_vectors_that_are_not_finite_are_told_at_the_first_search(tmp_path):
    theirs = annoy.AnnoyIndex(3, "euclidean")
    theirs.add_item(0, [1, 2, 3])
    theirs.add_item(1, [1, float("nan"), 3])
    theirs.build(1)
    theirs.save(str(tmp_path / "a.tree"))
    index = loaded(tmp_path / "a.tree", 3, "euclidean")
    for _ in range(2):
        with pytest.raises(OSError, match=r"a\.tree: cannot be searched: .*got nan in row 1, column 1"):
            index.get_nns_by_vector([1, 2, 3], 1)


def items_found_or_refused(path, dim, metric):
    """Load and use a file as far as it goes; anything but an answer or an OSError is a failure."""
    index = AnnoyIndex(dim, metric)
    try:
        index.load(path)
        count = index.get_n_items()
        assert index.get_n_trees() >= 0
        for i in range(count):
            assert len(index.get_item_vector(i)) == dim
        ids, distances = index.get_nns_by_vector([0.25] * dim, -1, include_distances=True)
    except OSError:
        return None
    assert len(set(ids)) == len(ids) == len(distances)
    assert all(0 <= i < count for i in ids)
    return sorted(ids)


def test_truncated_files(golden, tmp_path):
    path, metric, dim = golden
    content = path.read_bytes()
    target = tmp_path / "a.tree"
    answers = []
    for length in range(0, len(content), 4):
        target.write_bytes(content[:length])
        found = items_found_or_refused(target, dim, metric)
        if found is not None:
            answers.append(found)
    # Cut behind one of the three trees or three copies of roots, the rest is a whole file of fewer trees.
    assert answers == [GOLDEN_IDS] * 5


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files(golden, seed, tmp_path):
    path, metric, dim = golden
    rng = np.random.default_rng([seed, len(path.stem)])
    content = path.read_bytes()
    target = tmp_path / "a.tree"
    outcomes = set()
    for _ in range(60):
        damaged = bytearray(content)
        for at in rng.integers(0, len(content), size=rng.integers(1, 6)):
            damaged[at] ^= 1 << int(rng.integers(0, 8))
        target.write_bytes(damaged)
        outcomes.add(items_found_or_refused(target, dim, metric) is None)
    assert outcomes == {True, False}


def test_files_of_random_words(tmp_path):
    rng = np.random.default_rng(0)
    target = tmp_path / "a.tree"
    for metric in METRICS:
        for _ in range(60):
            words = rng.integers(-2, int(rng.choice([3, 30, 2**31 - 1])), size=9 * int(rng.integers(1, 30)))
            target.write_bytes(words.astype("<i4").tobytes())
            items_found_or_refused(target, 5, metric)
