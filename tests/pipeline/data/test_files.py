from __future__ import annotations

import datetime
import os

import pytest

from pipeline.data.files import choose_format, expand_date, find_files, partition_types, require_files
from pipeline.errors import ConfigError, MissingInputError

DATE = datetime.date(2026, 1, 31)


@pytest.fixture
def tree(tmp_path):
    for name in (
        "plays/dt=2026-01-30/country=se/part-0.parquet",
        "plays/dt=2026-01-31/country=__HIVE_DEFAULT_PARTITION__/part-0.parquet",
        "plays/dt=2026-01-31/country=a%20b/part-1.parquet",
        "plays/dt=2026-01-31/_SUCCESS",
        "plays/.hidden/part-9.parquet",
        "plays/_temporary/part-9.parquet",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def test_a_file_is_itself_whatever_its_name(tree):
    path = tree / "plays" / "dt=2026-01-31" / "_SUCCESS"
    assert [(file.path, file.name) for file in find_files(str(path))] == [(path, "_SUCCESS")]


def test_a_folder_is_its_files_at_any_depth_without_hidden_ones(tree):
    names = [file.name for file in find_files(str(tree / "plays"))]
    assert names == [
        "dt=2026-01-30/country=se/part-0.parquet",
        "dt=2026-01-31/country=__HIVE_DEFAULT_PARTITION__/part-0.parquet",
        "dt=2026-01-31/country=a%20b/part-1.parquet",
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("plays/**/*.parquet", 3),
        ("plays/dt=2026-01-31/*/*.parquet", 2),
        ("plays/dt=*", 3),
        ("plays/dt=2026-01-3[01]/country=se/part-?.parquet", 1),
        ("plays/**", 3),
        ("plays/*.csv", 0),
        ("absent/*.csv", 0),
    ],
)
def test_a_glob(tree, pattern, expected):
    assert len(find_files(str(tree / pattern))) == expected


def test_a_literal_path_wins_over_a_glob(tmp_path):
    (tmp_path / "a[1].csv").write_text("x\n")
    (tmp_path / "a1.csv").write_text("x\n")
    assert [file.name for file in find_files(str(tmp_path / "a[1].csv"))] == ["a[1].csv"]


def test_links_to_folders_are_followed(tree, tmp_path):
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "dt=2026-02-01").symlink_to(tree / "plays" / "dt=2026-01-30")
    assert [file.name for file in find_files(str(tmp_path / "linked"))] == ["dt=2026-02-01/country=se/part-0.parquet"]


def test_partitions_are_read_from_folder_names(tree):
    partitions = [dict(file.partitions) for file in find_files(str(tree / "plays" / "dt=*"))]
    assert partitions == [
        {"dt": "2026-01-30", "country": "se"},
        {"dt": "2026-01-31", "country": None},
        {"dt": "2026-01-31", "country": "a b"},
    ]


def test_partitions_are_integers_only_if_all_are_written_so(tmp_path):
    for name in ("year=2025/code=007", "year=2026/code=8"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.parquet").write_bytes(b"")
    types = partition_types(find_files(str(tmp_path)))
    assert {name: str(kind) for name, kind in types.items()} == {"year": "int64", "code": "string"}


def test_stamps_tell_a_change_and_not_where_the_folder_is(tree):
    before = [file.stamp() for file in find_files(str(tree / "plays"))]
    moved = tree / "elsewhere"
    (tree / "plays").rename(moved)
    assert [file.stamp() for file in find_files(str(moved))] == before
    os.utime(moved / "dt=2026-01-30/country=se/part-0.parquet", ns=(1, 1))
    after = [file.stamp() for file in find_files(str(moved))]
    assert after[0] != before[0]
    assert after[0].mtime_ns == 1
    assert after[1:] == before[1:]


def test_a_file_that_is_gone_has_no_stamp(tree):
    files = find_files(str(tree / "plays"))
    files[0].path.unlink()
    assert files[0].stamp() is None


def test_the_date_goes_into_the_path():
    assert expand_date("plays/dt={date}/{date:%Y/%m}", DATE) == "plays/dt=2026-01-31/2026/01"
    assert expand_date("plays/{{x}}", DATE) == "plays/{x}"


@pytest.mark.parametrize("path", ["a/{day}", "a/{", "a/{0}", "a/{date.nothing}"])
def test_other_braces_are_refused(path):
    with pytest.raises(ConfigError, match="expected no braces but"):
        expand_date(path, DATE)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.parquet", "parquet"), ("A.CSV", "csv"), ("a.b.tsv", "tsv"), ("a.csv.gz", "csv"), ("a.tsv.zst", "tsv")],
)
def test_the_format_goes_by_the_ending(tmp_path, name, expected):
    (tmp_path / name).write_bytes(b"")
    assert choose_format(find_files(str(tmp_path)), str(tmp_path)) == expected


@pytest.mark.parametrize("name", ["a.dat", "a", "a.gz"])
def test_an_unknown_ending_needs_a_format(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ConfigError, match=f"cannot tell the format of {name}"):
        choose_format(find_files(str(tmp_path)), str(tmp_path))


def test_files_of_two_formats_are_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"")
    (tmp_path / "b.parquet").write_bytes(b"")
    with pytest.raises(ConfigError, match="expected files of one format, got csv and parquet"):
        choose_format(find_files(str(tmp_path)), str(tmp_path))


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("a.csv", "no such file or folder: .*a.csv$"),
        ("b/a.csv", "there is no folder .*b either"),
        ("*.csv", r"no file matches .*\*.csv"),
        ("", "no files in the folder"),
        ("x" * 5000, "no such file or folder"),
    ],
)
def test_missing_files_are_told_apart(tmp_path, path, message):
    path = str(tmp_path / path)
    with pytest.raises(MissingInputError, match=message):
        require_files(find_files(path), path)
