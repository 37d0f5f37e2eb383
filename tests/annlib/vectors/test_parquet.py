"""Parquet: where the vectors and the ids are in a table."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annlib.vectors import VectorFileError, open_vectors

LISTS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]


@pytest.fixture
def open_table(tmp_path):
    """Write columns to a file and open it as vectors."""

    def open_columns(columns, **options):
        pq.write_table(pa.table(columns), tmp_path / "v.parquet")
        return open_vectors(tmp_path / "v.parquet", **options)

    return open_columns


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.large_list(pa.float64()), pa.list_(pa.int16(), 2)])
@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pa.array([30, 10, 20]), [30, 10, 20]),
        (pa.array([3, 1, 2], pa.uint8()), [3, 1, 2]),
        (pa.array(["a", "b", ""]), ["a", "b", ""]),
        (pa.array(["a", "b", "c"], pa.large_string()), ["a", "b", "c"]),
        (pa.array(["a", "b", "c"]).dictionary_encode(), ["a", "b", "c"]),
    ],
)
def test_a_column_of_lists_and_one_of_ids(open_table, read_all, kind, ids, expected):
    source = open_table({"id": ids, "title": ["x", "y", "z"], "v": pa.array(LISTS, kind)}, id_column="id")
    assert (source.count, source.dim, source.has_ids) == (3, 2, True)
    vectors, found = read_all(source)
    np.testing.assert_array_equal(vectors, LISTS)
    assert found == expected


def test_a_column_for_each_dimension(open_table, read_all):
    columns = {"id": [5, 6], "x": [0.5, 1.5], "name": ["a", "b"], "y": pa.array([2, 3], pa.float32())}
    vectors, ids = read_all(open_table(columns, id_column="id"))
    np.testing.assert_array_equal(vectors, [[0.5, 2], [1.5, 3]])
    assert ids == [5, 6]


def test_the_named_column_of_lists(open_table, read_all):
    columns = {"a": LISTS, "b": [[9.0], [8.0], [7.0]]}
    np.testing.assert_array_equal(read_all(open_table(columns, vector_column="b"))[0], [[9], [8], [7]])


def test_a_folder_of_files(tmp_path, read_all):
    for name, rows in [("part-1", LISTS[2:]), ("part-0", LISTS[:2])]:
        pq.write_table(pa.table({"v": rows}), tmp_path / f"{name}.parquet")
    (tmp_path / "_SUCCESS").touch()
    source = open_vectors(tmp_path)
    assert source.count == 3
    np.testing.assert_array_equal(read_all(source)[0], LISTS)


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"v": [[1.0, 2.0], [3.0]]}, {}, "row 1: expected 2 numbers, as the first row has, got 1"),
        ({"v": [[1.0, 2.0], None]}, {}, "row 1: expected no null in column 'v'"),
        ({"v": [[1.0, 2.0], [3.0, None]]}, {}, "row 1: expected no null in column 'v'"),
        ({"v": [[1.0, 2.0], [3.0, np.inf]]}, {}, "row 1: expected finite numbers, got inf in dimension 1"),
        ({"v": [[1e300], [1.0]]}, {}, r"row 0: expected numbers within the range of float32, got 1e\+300"),
        ({"v": [None, [1.0]]}, {}, "row 0: expected a list in column 'v'"),
        ({"x": [1.0, None]}, {}, "row 1: expected no null in column 'x'"),
        ({"v": [[1.0]], "id": pa.array([None], pa.int64())}, {"id_column": "id"}, "row 0: expected no null in .* 'id'"),
        ({"v": [[1.0]], "id": [0.5]}, {"id_column": "id"}, "expected integers or strings in column 'id', got double"),
        ({"v": [[1.0]]}, {"id_column": "id"}, "expected one column 'id', got the columns v"),
        ({"v": [1.0]}, {"vector_column": "v"}, "expected lists of numbers in column 'v', got double"),
        ({"a": LISTS, "b": LISTS}, {}, "expected one column of lists, got a, b"),
        ({"id": [1], "x": [1.0]}, {}, "expected columns of one kind as dimensions, got integers in id"),
        ({"name": ["a"]}, {}, "expected a column of lists or columns of numbers, got name of string"),
        ({"v": [[], []]}, {}, "expected a column of lists or columns of numbers"),
        ({"v": pa.array([[], []], pa.list_(pa.float32()))}, {}, "expected vectors of 1 to 65535 dimensions, got 0"),
    ],
)
def test_tables_that_are_refused(open_table, read_all, columns, options, message):
    with pytest.raises(VectorFileError, match=f"v.parquet: {message}"):
        read_all(open_table(columns, **options))


def test_folders_that_are_refused(tmp_path):
    with pytest.raises(VectorFileError, match="expected a folder of Parquet files, found none"):
        open_vectors(tmp_path)
    pq.write_table(pa.table({"v": LISTS}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"v": [1.0]}), tmp_path / "b.parquet")
    with pytest.raises(VectorFileError, match=r"b\.parquet: expected column 'v' of list<.*>, as in a\.parquet"):
        open_vectors(tmp_path)
