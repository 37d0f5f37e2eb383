"""Building: what is accepted, what is refused and how, ids and names, the same bytes however it is built."""

from __future__ import annotations

import numpy as np
import pytest

from annlib import Index, UnknownIdError, _native


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint16, np.int64, bool])
def test_types_that_convert(dtype):
    vectors = np.array([[1, 0, 1], [0, 1, 1]], dtype=dtype)
    index = Index.build(vectors, metric="cosine")
    np.testing.assert_array_equal(index.vectors, vectors.astype(np.float32))
    assert index.vectors.dtype == np.float32


def test_vectors_are_read_only(words):
    with pytest.raises(ValueError, match="read-only"):
        words.vectors[0, 0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        words.vector("w03")[0] = 1.0


def test_views_outlive_the_index():
    vectors = np.random.default_rng(0).normal(size=(1000, 50)).astype(np.float32)
    view = Index.build(vectors, metric="cosine").vectors
    np.testing.assert_array_equal(view, vectors)


@pytest.mark.parametrize(
    ("vectors", "error", "message"),
    [
        (np.ones((2, 2), complex), TypeError, "vectors: expected real numbers, got an array of complex128"),
        (np.array([["a"]]), TypeError, "vectors: expected real numbers, got an array of <U1"),
        (np.array([[object()]]), TypeError, "vectors: expected real numbers, got an array of object"),
        (None, TypeError, "vectors: expected real numbers, got NoneType"),
        (np.ma.masked_array(np.ones((2, 2)), mask=np.eye(2)), TypeError, "vectors: expected an array without a mask"),
        (np.ones(3), ValueError, r"vectors: expected shape \(n, d\), got one vector of shape \(3,\)"),
        (np.ones((2, 0)), ValueError, "vectors: expected 1 to 65535 dimensions, got 0"),
        (np.ones((1, 65536), np.float32), ValueError, "vectors: expected 1 to 65535 dimensions, got 65536"),
        ([[1.0, 2.0], [3.0]], ValueError, "vectors: expected rows of one length"),
        ([[1.0], [np.nan]], ValueError, "vectors: expected finite numbers, got nan in row 1, column 0"),
        ([[1.0, -np.inf]], ValueError, "vectors: expected finite numbers, got -inf in row 0, column 1"),
        ([[1e39]], ValueError, r"vectors: expected numbers within the range of float32, got 1e\+39 in row 0"),
        ((row for row in [[[1.0]]]), TypeError, "an iterable of blocks needs `path`"),
    ],
)
def test_vectors_that_are_refused(vectors, error, message):
    with pytest.raises(error, match=message):
        Index.build(vectors, metric="cosine")


def test_refused_rows_are_counted_over_blocks():
    vectors = np.ones((3_000_000, 2), dtype=np.float32)  # more than one block
    vectors[2_500_000, 1] = np.nan
    with pytest.raises(ValueError, match="got nan in row 2500000, column 1"):
        Index.build(vectors, metric="cosine")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"metric": "dot"}, ValueError, "metric: expected one of cosine, inner_product, .* got 'dot'"),
        ({"metric": None}, ValueError, "metric: expected one of"),
        ({"num_threads": -2}, ValueError, "num_threads: expected at least 0"),
        ({"seed": 1.5}, TypeError, "seed: expected an integer, got float"),
        ({"ids": [1, 2]}, ValueError, "ids: expected one for each of the 3 vectors, got 2"),
        ({"ids": [1, 2, 1]}, ValueError, "ids: expected each id once, got 1 in rows 0 and 2"),
        ({"ids": ["x", "y", "y"]}, ValueError, "ids: expected each id once, got 'y' in rows 1 and 2"),
        ({"ids": "abc"}, TypeError, "ids: expected a sequence of ids, got the single str 'abc'"),
        ({"ids": [1.0, 2.0, 3.0]}, TypeError, "ids: expected integers or strings, got float64"),
        ({"ids": [True, False, True]}, TypeError, "ids: expected integers or strings, got bool"),
        ({"ids": ["a", 2, "c"]}, TypeError, "ids: expected strings, got 2 at position 1"),
        ({"ids": np.array([1, "b", 3], dtype=object)}, TypeError, "ids: expected integers, got 'b' at position 1"),
        ({"ids": np.array([1, None, 3], dtype=object)}, TypeError, "ids: expected integers, got None at position 1"),
        ({"ids": np.array([0, 1, 2**63], dtype=np.uint64)}, ValueError, r"ids: expected integers below 2\*\*63"),
        ({"ids": [[1], [2], [3]]}, ValueError, "ids: expected one dimension"),
        ({"ids": ["a", "b", "\ud800"]}, ValueError, "ids: expected text that UTF-8 can encode"),
        ({"names": ["a", "b"]}, ValueError, "names: expected one for each of the 3 vectors, got 2"),
        ({"names": ["a", "b", 3]}, TypeError, "names: expected strings, got 3 at position 2"),
        ({"names": "abc"}, TypeError, "names: expected a sequence of strings, got the single str 'abc'"),
        ({"calibration_queries": np.ones((2, 5))}, ValueError, "calibration_queries: expected 2 dimensions"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        Index.build(np.ones((3, 2)), **{"metric": "cosine", **arguments})


# Ids and names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ids",
    [
        [30, -10, 20],
        np.array([30, 10, 20], dtype=np.uint8),
        np.array([2**62, -(2**63), 2**63 - 1]),
        np.array([30, 10, 20], dtype=object),
        range(5, 8),
    ],
)
def test_integer_ids(ids):
    index = Index.build(np.eye(3), metric="euclidean", ids=ids)
    expected = [int(i) for i in ids]
    assert index.ids.dtype == np.int64
    assert index.ids.tolist() == expected
    assert [index.row(i) for i in expected] == [0, 1, 2]
    assert index.search_ids([expected[2]], 2)[0].tolist() == [expected[:2]]
    with pytest.raises(UnknownIdError, match="77 is not an id of Index"):
        index.row(77)
    with pytest.raises(TypeError, match="the ids of this index are integers, got strings"):
        index.row("30")


@pytest.mark.parametrize("as_type", [list, tuple, np.array, lambda ids: np.array(ids, dtype=object)])
def test_string_ids(as_type):
    ids = ["Björk", "", 'Weird "Al"', "  blank ", "Ω" * 100]
    index = Index.build(np.eye(5), metric="euclidean", ids=as_type(ids))
    assert index.ids.tolist() == ids
    assert index.ids.dtype == object
    assert index.rows(ids[::-1]).tolist() == [4, 3, 2, 1, 0]
    np.testing.assert_array_equal(index.vector("Björk"), [1, 0, 0, 0, 0])
    found, _ = index.search(np.eye(5), 1)
    assert found.ravel().tolist() == ids
    with pytest.raises(UnknownIdError, match="'blank' is not an id of Index"):
        index.search_ids(["Björk", "blank"])


def test_trailing_nul_in_a_string_id():
    index = Index.build(np.eye(2), metric="cosine", ids=["a", "a\0"])
    assert index.rows(["a\0", "a"]).tolist() == [1, 0]


def test_without_ids_rows_are_the_ids():
    index = Index.build(np.eye(3), metric="cosine")
    assert index.ids.tolist() == [0, 1, 2]
    assert index.info["id_type"] == "rows"
    with pytest.raises(UnknownIdError, match=r"3 is not an id .* \(2 of 3 are not\)"):
        index.rows([0, 3, -1])


def test_many_string_results_decode_each_id_once():
    index = Index.build(
        np.random.default_rng(0).normal(size=(50, 3)), metric="cosine", ids=[f"x{i}" for i in range(50)]
    )
    found, _ = index.neighbors(60)
    rows, _ = index.neighbor_rows(60)
    assert found.shape == (50, 60)
    assert [f"x{row}" if row >= 0 else "" for row in rows.ravel()] == found.ravel().tolist()


def test_names(words):
    assert words.names is not None
    assert words.names.tolist()[:2] == ["Word 0", "Word 1"]
    assert Index.build(np.eye(2), metric="cosine").names is None


def test_len_repr_and_properties(words, tmp_path):
    assert len(words) == 20
    assert (words.dim, words.metric, words.path) == (6, "cosine", None)
    assert repr(words) == "Index(20 x 6, cosine)"
    words.save(tmp_path / "words.ann")
    assert repr(words) == f"Index(20 x 6, cosine, path='{tmp_path / 'words.ann'}')"


def test_info(words):
    info = words.info
    assert info["format_version"] == 1
    assert (info["metric"], info["count"], info["dim"]) == ("cosine", 20, 6)
    assert (info["id_type"], info["has_names"]) == ("strings", True)
    assert info["bytes"] > 4096 + 20 * 6 * 4
    assert {"vectors", "norms", "id_bytes", "metadata"} <= {section["name"] for section in info["sections"]}
    assert info["calibration"]["state"] == "measured on 20 items"


def test_info_of_a_calibration(metric):
    index = Index.build(np.eye(30), metric=metric, calibration_queries=np.ones((7, 30)))
    calibration = index.info["calibration"]
    if metric in ("manhattan", "hamming"):
        assert calibration == {"state": "every search is exact: nothing to calibrate", "tables": []}
        return
    assert calibration["state"] == "measured on 30 items and 7 queries"
    assert [(table["source"], table["queries"]) for table in calibration["tables"]] == [("items", 30), ("queries", 7)]
    assert calibration["k"] == [1, 10, 20, 50, 100]
    assert calibration["recall"] == [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999]
    for table in calibration["tables"]:
        assert np.shape(table["beta"]) == (5, 10)
        assert all(0 <= beta <= 1 for betas in table["beta"] for beta in betas)


# The same bytes ------------------------------------------------------------------------------------------------------


def test_bytes_do_not_depend_on_how_it_is_built(metric, tmp_path):
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(5000, 12))
    ids = [f"id {i}" for i in rng.permutation(5000)]
    names = [f"name {i % 10}" for i in range(5000)]
    ways = {
        "memory": lambda path: Index.build(vectors, metric=metric, ids=ids, names=names).save(path),
        "file": lambda path: Index.build(vectors, metric=metric, ids=ids, names=names, path=path),
        "threads": lambda path: Index.build(vectors, metric=metric, ids=ids, names=names, path=path, num_threads=7),
        "blocks": lambda path: Index.build(
            (vectors[i : i + 37] for i in range(0, 5000, 37)), metric=metric, ids=ids, names=names, path=path
        ),
        "float32": lambda path: Index.build(
            [vectors[:9].astype(np.float32), vectors[9:]], metric=metric, ids=ids, names=names, path=path, seed=0
        ),
        "resaved": lambda path: Index.open(tmp_path / "memory").save(path),
    }
    for name, write in ways.items():
        write(tmp_path / name)
    images = {name: (tmp_path / name).read_bytes() for name in ways}
    assert len(set(images.values())) == 1
    Index.open(tmp_path / "blocks").verify()


@pytest.mark.usefixtures("isa")
def test_instruction_sets_write_the_same_bytes_of_one_cluster(metric, tmp_path):
    """Norms, codes, bounds and calibration do not depend on the instruction set.

    What can is only which cluster an item is put into: the products that say so round as the instruction set does.
    """
    vectors = np.random.default_rng(2).normal(size=(100, 13))
    index = Index.build(vectors, metric=metric, path=tmp_path / "here.ann")
    clusters = [section["bytes"] // 8 for section in index.info["sections"] if section["name"] == "code_clusters"]
    assert clusters in ([], [1])
    _native.use_isa("scalar")
    Index.build(vectors, metric=metric, path=tmp_path / "scalar.ann")
    assert (tmp_path / "here.ann").read_bytes() == (tmp_path / "scalar.ann").read_bytes()


def test_streamed_blocks_that_are_refused_leave_nothing(tmp_path):
    path = tmp_path / "x.ann"

    def failing():
        yield np.ones((10, 3))
        raise RuntimeError("the source broke")

    for blocks, error, message in [
        (iter([np.ones((10, 3)), np.ones((10, 4))]), ValueError, "blocks of 3 dimensions, as the first"),
        (iter([np.ones((10, 3)), np.full((1, 3), np.nan)]), ValueError, "got nan in row 10"),
        (iter([]), ValueError, "expected at least one block, got none"),
        (failing(), RuntimeError, "the source broke"),
        (3, ValueError, r"expected shape \(n, d\)"),
    ]:
        with pytest.raises(error, match=message):
            Index.build(blocks, metric="cosine", path=path)
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="ids: expected one for each of the 10 vectors, got 3"):
        Index.build(iter([np.ones((10, 3))]), metric="cosine", ids=[1, 2, 3], path=path)
    assert list(tmp_path.iterdir()) == []


def test_metadata_is_kept_in_the_file(tmp_path):
    metadata = {"trees": 10, "nested": {"names": ["a", "ü"]}}
    Index.build(np.eye(3), metric="cosine", metadata=metadata, path=tmp_path / "a.ann")
    index = Index.open(tmp_path / "a.ann")
    assert index.metadata == metadata
    index.metadata["nested"]["names"].clear()
    assert index.metadata == metadata
    assert Index.build(np.eye(3), metric="cosine").metadata == {}


@pytest.mark.parametrize(
    ("metadata", "error", "message"),
    [
        (["a"], TypeError, "metadata: expected a mapping, got list"),
        ({"a": object()}, TypeError, "metadata: expected what JSON can hold"),
        ({"a": float("nan")}, ValueError, "metadata: expected what JSON can hold"),
        ({"a": "x" * (1 << 20)}, ValueError, "metadata: expected at most 1048576 bytes as JSON, got 1048585"),
    ],
)
def test_metadata_that_is_refused(metadata, error, message):
    with pytest.raises(error, match=message):
        Index.build(np.eye(3), metric="cosine", metadata=metadata)
