from __future__ import annotations

import gzip

import numpy as np
import pyarrow as pa
import pytest
from scipy import sparse

from pipeline.data.sources import open_source
from pipeline.data.where import parse_where
from pipeline.errors import ConfigError, DataError, MissingInputError


@pytest.fixture
def read(file_settings, date):
    """All rows of a source as a mapping of lists, and the source."""

    def read_all(path, columns, *, where=None, format="auto"):  # noqa: A002
        source = open_source(file_settings(path, format), date=date)
        batches = source.batches(columns, None if where is None else parse_where(where))
        rows = {name: [] for name in columns}
        for batch in batches:
            for name, values in batch.rows.to_pydict().items():
                rows[name] += values
        return rows, source

    return read_all


def test_parquet_of_a_file(write, read):
    path = write("a.parquet", {"id": [3, 1], "name": ["c", None], "other": [0.5, 1.5]})
    rows, source = read(path, ["name", "id"])
    assert rows == {"name": ["c", None], "id": [3, 1]}
    assert (source.rows_seen, source.estimated_rows(), source.text) == (2, 2, False)
    assert source.schema.names == ["id", "name", "other"]


def test_parquet_of_a_relative_path(write, read, monkeypatch, tmp_path):
    write("data/a.parquet", {"id": [1]})
    monkeypatch.chdir(tmp_path)
    rows, source = read("data/*.parquet", ["id"])
    assert rows == {"id": [1]}
    assert [stamp.path for stamp in source.stamps()] == ["a.parquet"]


def test_hive_partitions_are_columns(write, read, tmp_path):
    write("plays/dt=2026-01-30/shard=1/a.parquet", {"id": [1, 2]})
    write("plays/dt=2026-01-31/shard=2/a.parquet", {"id": [3]})
    write("plays/dt=__HIVE_DEFAULT_PARTITION__/shard=2/a.parquet", {"id": [4]})
    columns = ["id", "dt", "shard"]
    rows, source = read(tmp_path / "plays", columns)
    assert rows == {
        "id": [1, 2, 3, 4],
        "dt": ["2026-01-30", "2026-01-30", "2026-01-31", None],
        "shard": [1, 1, 2, 2],
    }
    assert source.schema.field("shard").type == pa.int64()
    rows, source = read(tmp_path / "plays", ["id"], where="dt >= '2026-01-31' and shard == 2")
    assert rows == {"id": [3]}
    assert source.rows_seen == 4
    rows, _ = read(tmp_path / "plays", ["id"], where="dt is null")
    assert rows == {"id": [4]}


def test_a_column_of_the_file_wins_over_a_partition(write, read, tmp_path):
    write("plays/dt=1/a.parquet", {"id": [7], "dt": ["mine"]})
    assert read(tmp_path / "plays", ["dt"])[0] == {"dt": ["mine"]}
    assert read(tmp_path / "plays", ["id"], where="dt == 'mine'")[0] == {"id": [7]}


def test_row_groups_a_condition_rules_out_are_not_read(write, read, tmp_path):
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": range(100), "name": range(100)}), path, row_group_size=10)
    content = bytearray(path.read_bytes())
    metadata = pq.read_metadata(path)
    for group in range(9):  # destroys the data pages of all but the last row group
        column = metadata.row_group(group).column(1)
        start = column.dictionary_page_offset or column.data_page_offset
        content[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(bytes(content))
    assert read(path, ["name"], where="id >= 95")[0] == {"name": [95, 96, 97, 98, 99]}
    with pytest.raises(DataError, match=r"a\.parquet: cannot be read as Parquet"):
        read(path, ["name"])


def test_csv_is_text_as_it_is_written(write, read):
    path = write("a.csv", '\ufeffid,name\r\n007,"Weird ""Al"", \r\nYankovic"\r\n\r\n8, NA \r\n9,\r\n10,""\r\n')
    rows, source = read(path, ["id", "name"])
    assert rows == {
        "id": ["007", "8", "9", "10"],
        "name": ['Weird "Al", \r\nYankovic', " NA ", None, ""],
    }
    assert (source.rows_seen, source.text) == (4, True)


def test_tsv_has_no_quotes(write, read):
    content = 'id\tname\n1\t"Weird Al" Yankovic\n2\tRoyce da 5\'9"\n3\t"\n4\t ✝✝✝ (Crosses) \n5\ta\\,"b\n'
    names = ['"Weird Al" Yankovic', "Royce da 5'9\"", '"', " ✝✝✝ (Crosses) ", 'a\\,"b']
    assert read(write("a.tsv", content), ["name"])[0] == {"name": names}
    assert read(write("a.dat", content), ["name"], format="tsv")[0] == {"name": names}


def test_compressed_text(write, read):
    content = "id,name\n" + "".join(f"{row},name {row}\n" for row in range(1000))
    rows, source = read(write("a.csv.gz", gzip.compress(content.encode())), ["id"])
    assert rows["id"] == [str(row) for row in range(1000)]
    assert source.estimated_rows() == pytest.approx(1000, rel=0.1)


def test_text_of_several_files_with_columns_in_another_order_and_partitions(write, read, tmp_path):
    write("t/dt=1/a.csv", "id,name\n1,x\n")
    write("t/dt=2/b.csv", "name,id\ny,2\n")
    rows, _ = read(tmp_path / "t", ["id", "dt", "name"])
    assert rows == {"id": ["1", "2"], "dt": ["1", "2"], "name": ["x", "y"]}
    assert read(tmp_path / "t", ["id"], where="dt > 1")[0] == {"id": ["2"]}


def test_a_condition_on_text_goes_by_the_types_of_the_beginning(write, read):
    path = write("a.csv", "id,n,when,flag\n007,1,2026-01-01,true\n8, 2,2026-01-02,false\n9,,2026-01-03,true\n")
    assert read(path, ["id"], where="n >= 2")[0] == {"id": ["8"]}
    assert read(path, ["id", "n"], where="n is null")[0] == {"id": ["9"], "n": [None]}
    assert read(path, ["id"], where="when > '2026-01-01' and flag")[0] == {"id": ["9"]}
    assert read(path, ["id"], where="id == 7")[0] == {"id": ["007"]}  # numbers, as far as a condition goes


def test_a_late_value_that_does_not_fit_a_condition_is_an_error(write, read):
    path = write("a.csv", "id,n\n" + "1,2\n" * 300_000 + "1,x\n")
    with pytest.raises(DataError, match="Failed to parse string: 'x' as a scalar of type int64"):
        read(path, ["id"], where="n > 1")
    rows, source = read(path, ["n"])
    assert rows["n"][-1] == "x"
    assert source.estimated_rows() == pytest.approx(300_001, rel=0.01)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "Empty CSV file"),
        ("id,name\n1,2,3\n", "Expected 2 columns, got 3"),
        (b"id,name\n1,\xff\xfe\n", "invalid UTF8 data"),
        ("id,id,name\n1,2,3\n", "expected one column 'id', got 2"),
    ],
)
def test_text_that_cannot_be_read(write, read, content, message):
    with pytest.raises(DataError, match=rf"a\.csv: .*{message}"):
        read(write("a.csv", content), ["id", "name"])


def test_text_with_nothing_but_a_header(write, read):
    rows, source = read(write("a.csv", "id,name\n"), ["id"])
    assert rows == {"id": []}
    assert source.estimated_rows() == 0


@pytest.mark.parametrize("content", [b"", b"PAR1 but not Parquet", b"id,name\n1,2\n"])
def test_what_is_not_parquet(write, read, content):
    with pytest.raises(DataError, match=r"a\.parquet: cannot be read as Parquet"):
        read(write("a.parquet", content), ["id"])


def test_parquet_cut_short(write, read):
    whole = write("whole.parquet", {"id": list(range(1000))}).read_bytes()
    with pytest.raises(DataError, match=r"cut\.parquet: cannot be read as Parquet"):
        read(write("cut.parquet", whole[:-50]), ["id"])


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", "userId,title\n"), ("a.parquet", {"userId": [1], "title": [1]})]
)
def test_a_missing_column_names_those_there_are_the_closest_first(write, read, name, content):
    with pytest.raises(MissingInputError, match=r"there is no column 'titel'; there are: title, userId"):
        read(write(name, content), ["titel"])
    with pytest.raises(MissingInputError, match="there is no column 'country'"):
        read(write(name, content), ["title"], where="country == 'se'")


def test_a_column_missing_from_a_later_file_names_the_file(write, read, tmp_path):
    write("t/a.parquet", {"id": [1], "name": ["x"]})
    write("t/b.parquet", {"id": [1]})
    with pytest.raises(MissingInputError, match=r"b\.parquet: there is no column 'name'"):
        read(tmp_path / "t", ["id", "name"])


def test_what_is_absent_has_no_stamps_and_is_an_error_only_when_read(read, tmp_path, file_settings, date):
    source = open_source(file_settings(tmp_path / "absent" / "*.parquet"), date=date)
    assert source.stamps() == []
    assert source.estimated_rows() == 0
    with pytest.raises(MissingInputError, match="no file matches"):
        list(source.batches(["id"]))
    with pytest.raises(MissingInputError, match="no file matches"):
        _ = source.schema


def test_a_matrix_that_scipy_saved_is_its_entries(read, tmp_path):
    matrix = sparse.csr_matrix(([2.0, 0.5, 7.0], ([0, 2, 2], [3, 0, 1])), shape=(4, 5))
    sparse.save_npz(tmp_path / "a.npz", matrix)
    rows, source = read(tmp_path / "a.npz", ["column", "row", "value"])
    assert rows == {"column": [3, 0, 1], "row": [0, 2, 2], "value": [2.0, 0.5, 7.0]}
    assert (source.rows_seen, source.estimated_rows(), source.schema.names) == (3, 3, ["row", "column", "value"])
    assert read(tmp_path / "a.npz", ["row"], where="value > 1")[0] == {"row": [0, 2]}
    with pytest.raises(MissingInputError, match="there is no column 'user'; there are: "):
        read(tmp_path / "a.npz", ["user"])
    for dtype in (np.bool_, np.int8, np.float32):
        sparse.save_npz(tmp_path / "a.npz", matrix.astype(dtype).tocoo())
        assert read(tmp_path / "a.npz", ["value"])[0] == {"value": matrix.data.astype(dtype).astype(float).tolist()}


@pytest.mark.parametrize("content", [b"", b"PK no archive", b"id,name\n1,2\n"])
def test_what_is_not_a_matrix(write, read, content):
    with pytest.raises(DataError, match=r"a\.npz: cannot be read as a matrix that scipy\.sparse\.save_npz wrote"):
        read(write("a.npz", content), ["row"])


def test_a_matrix_that_is_damaged(write, read, tmp_path):
    with (tmp_path / "arrays.npz").open("wb") as file:
        np.savez(file, a=np.zeros(3))
    with pytest.raises(DataError, match=r"arrays\.npz: cannot be read as a matrix"):
        read(tmp_path / "arrays.npz", ["row"])
    sparse.save_npz(tmp_path / "complex.npz", sparse.csr_matrix(np.array([[1j]])))
    with pytest.raises(DataError, match="expected a matrix of real numbers, got 2 dimensions of complex128"):
        read(tmp_path / "complex.npz", ["row"])
    whole = sparse.csr_matrix(np.eye(300))
    sparse.save_npz(tmp_path / "whole.npz", whole)
    with pytest.raises(DataError, match=r"cut\.npz: cannot be read as a matrix"):
        read(write("cut.npz", (tmp_path / "whole.npz").read_bytes()[:-50]), ["row"])
    whole.indices[7] = 300
    sparse.save_npz(tmp_path / "outside.npz", whole)
    with pytest.raises(DataError, match=r"outside\.npz: cannot be read as a matrix .* index 300"):
        read(tmp_path / "outside.npz", ["row"])


def test_the_sample_is_a_source(read, file_settings, date):
    rows, source = read("sample://artists", ["artist_id"], where="artist_id <= 2")
    assert rows == {"artist_id": [1, 2]}
    assert source.estimated_rows() == source.rows_seen == 600
    assert len(source.stamps()) == 1
    with pytest.raises(MissingInputError, match="there is no column 'nom'; there are: name"):
        read("sample://artists", ["nom"])
    with pytest.raises(ConfigError, match="unknown sample 'sample://songs': expected one of sample://listening"):
        open_source(file_settings("sample://songs"), date=date)
