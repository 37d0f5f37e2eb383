"""Exports: each format read back is the table, whole or not there at all, and a killed one goes on."""

from __future__ import annotations

import csv
import errno
import gzip
import io
import json
import math
import os
import resource
import sqlite3
import subprocess
import sys

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from pipeline.errors import ConfigError, DataError, OutputError, StoreError, UnknownNameError
from pipeline.export import export as exporting
from pipeline.export import lines
from pipeline.export.duckdb import DuckdbWriter
from pipeline.export.export import ExportFormat, RedisOptions, default_output, export_to_file, export_to_stream
from pipeline.export.lines import LineWriter, RedisType
from pipeline.export.source import PublishedTable
from pipeline.export.sqlite import SqliteWriter
from pipeline.tables.reading import RowGroup

FORMATS = list(ExportFormat)
DATABASES = [ExportFormat.SQLITE, ExportFormat.DUCKDB]


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def read_csv(path, name):
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        return next(reader), list(reader)


def read_jsonl(path, name):
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    return [json.loads(line) for line in text.decode().split("\n")[:-1]]


def read_sqlite(path, name):
    with sqlite3.connect(path) as connection:
        found = connection.execute(f"SELECT * FROM {quoted(name)}")  # noqa: S608
        names = [column[0] for column in found.description]
        rows = found.fetchall()
    connection.close()
    return names, rows


def read_duckdb(path, name):
    with duckdb.connect(str(path), read_only=True) as connection:
        found = connection.execute(f"SELECT * FROM {quoted(name)}")  # noqa: S608
        return [(column[0], str(column[1])) for column in found.description], found.fetchall()


def commands_of(data):
    """The commands in Redis's protocol, each a list of bytes; every length is checked."""
    stream = io.BytesIO(data)
    while line := stream.readline():
        assert line.startswith(b"*")
        command = []
        for _ in range(int(line[1:])):
            length = stream.readline()
            assert length.startswith(b"$")
            command.append(stream.read(int(length[1:])))
            assert stream.read(2) == b"\r\n"
        yield command


def redis_after(data):
    """What a Redis server has after some commands: lists of members, with scores where they have some."""
    server = {}
    for verb, key, *arguments in commands_of(data):
        match verb:
            case b"DEL":
                assert arguments == []
                server.pop(key, None)
            case b"RPUSH":
                server.setdefault(key, []).extend(arguments)
            case b"ZADD":
                server.setdefault(key, {}).update(zip(arguments[1::2], map(float, arguments[::2]), strict=True))
    return server


def without_nan(values):
    return [None if value is None or math.isnan(value) else value for value in values]


def check(path, to, name, rows):
    """A file holds the rows of a table, all that its format can say of them."""
    columns = {column: rows[column].to_pylist() for column in rows.column_names}
    match to:
        case ExportFormat.CSV:
            names, found = read_csv(path, name)
            assert names == rows.column_names
            for column, got in zip(names, zip(*found, strict=True), strict=True):
                wanted = columns[column]
                if pa.types.is_floating(rows[column].type):
                    wanted = ["" if value is None else value for value in wanted]
                    got = ["" if text == "" else float(np.float32(text)) for text in got]
                    np.testing.assert_array_equal(
                        [math.inf if value == "" else value for value in got],
                        [math.inf if value == "" else value for value in wanted],
                    )
                else:
                    assert list(got) == ["" if value is None else str(value) for value in wanted]
        case ExportFormat.JSONL:
            for line, wanted in zip(read_jsonl(path, name), rows.to_pylist(), strict=True):
                for column, value in wanted.items():
                    got = line[column]
                    if isinstance(value, float):
                        assert (got is None) == math.isnan(value)
                        assert got is None or np.float32(got) == np.float32(value)
                    else:
                        assert got == value
        case ExportFormat.SQLITE:
            names, found = read_sqlite(path, name)
            assert names == rows.column_names
            columns["relevance"] = without_nan(columns["relevance"])
            assert found == sorted(zip(*columns.values(), strict=True), key=lambda row: (row[0], row[3]))
        case ExportFormat.DUCKDB:
            described, found = read_duckdb(path, name)
            types = {"int64": "BIGINT", "int32": "INTEGER", "float": "FLOAT", "string": "VARCHAR"}
            assert described == [(column.name, types[str(column.type)]) for column in rows.schema]
            for column, got in zip(rows.column_names, zip(*found, strict=True), strict=True):
                assert list(map(repr, got)) == list(map(repr, columns[column]))  # NaN is not equal to NaN
        case ExportFormat.REDIS:
            wanted = {}
            for user, item, score in zip(
                columns[rows.column_names[0]], columns["item_id"], columns["score"], strict=True
            ):
                wanted.setdefault(f"{name}:{user}".encode(), {})[str(item).encode()] = score
            found = redis_after(path.read_bytes())
            assert list(found) == list(wanted)
            for key, members in wanted.items():
                assert list(found[key]) == list(members)
                assert [np.float32(score) for score in found[key].values()] == list(members.values())


@pytest.mark.parametrize("to", FORMATS)
def test_every_format_holds_the_whole_table(table, rows, to, tmp_path):
    output = tmp_path / "out" / default_output("t", to).name
    output.parent.mkdir()
    reported = []
    done = export_to_file(table, to, output, progress=lambda *how: reported.append(how))
    assert (done.rows, done.resumed_rows, done.bytes) == (rows.num_rows, 0, output.stat().st_size)
    assert reported[-1] == (1.0, "66 of 66 rows")
    check(output, to, table.name, rows)
    assert [path.name for path in output.parent.iterdir()] == [output.name]


@pytest.mark.parametrize("to", FORMATS)
def test_integer_ids_stay_what_they_are(integer_table, to, tmp_path):
    output = tmp_path / default_output("t", to).name
    export_to_file(integer_table, to, output)
    rows = pa.Table.from_batches([batch for group in integer_table.groups for batch in group.batches()])
    check(output, to, "similar", rows)
    if to is ExportFormat.JSONL:
        assert read_jsonl(output, "similar")[0]["target_item_id"] == 2**62


@pytest.mark.parametrize("to", FORMATS)
def test_a_table_without_rows_is_a_file_without_rows(empty_table, to, tmp_path):
    output = tmp_path / default_output("t", to).name
    assert export_to_file(empty_table, to, output).rows == 0
    match to:
        case ExportFormat.CSV:
            assert read_csv(output, empty_table.name) == (empty_table.schema.names, [])
        case ExportFormat.SQLITE:
            assert read_sqlite(output, empty_table.name) == (empty_table.schema.names, [])
        case ExportFormat.DUCKDB:
            assert read_duckdb(output, empty_table.name)[1] == []
        case _:
            assert output.read_bytes() == b""


@pytest.mark.parametrize("to", [ExportFormat.CSV, ExportFormat.JSONL])
def test_an_ending_in_gz_compresses(table, rows, to, tmp_path):
    output = tmp_path / "t.gz"
    export_to_file(table, to, output)
    assert output.read_bytes()[:2] == b"\x1f\x8b"
    check(output, to, table.name, rows)


def test_a_key_of_sqlite_is_found_without_reading_the_table(table, tmp_path):
    export_to_file(table, ExportFormat.SQLITE, tmp_path / "t.sqlite")
    with sqlite3.connect(tmp_path / "t.sqlite") as connection:
        (plan,) = connection.execute('EXPLAIN QUERY PLAN SELECT * FROM "odd ""name" WHERE user_id = \'x\'')
    connection.close()
    assert "USING PRIMARY KEY (user_id=?)" in plan[-1]


def test_redis_lists_keep_the_ranks_and_replace_what_was_there(table, rows, tmp_path):
    output = tmp_path / "t.redis"
    export_to_file(table, ExportFormat.REDIS, output, redis=RedisOptions("p/", RedisType.LIST))
    data = output.read_bytes()
    server = redis_after(data + data)
    assert server[b"p/ blank "] == [b"", b" blank "]
    assert sum(map(len, server.values())) == rows.num_rows
    verbs = [command[0] for command in commands_of(data)]
    assert verbs.count(b"DEL") == len(server)
    assert verbs.count(b"RPUSH") > len(server), "a list that is in two groups of rows is in two commands"


def test_a_score_that_is_no_number_is_refused_by_redis_alone(tmp_path, integer_table, monkeypatch):
    def batches(group):
        for batch in original(group):
            yield batch.set_column(2, batch.schema.field("score"), pa.array([math.nan] * len(batch), pa.float32()))

    original = RowGroup.batches
    monkeypatch.setattr(RowGroup, "batches", batches)
    with pytest.raises(DataError, match="a score is NaN"):
        export_to_file(integer_table, ExportFormat.REDIS, tmp_path / "x")
    export_to_file(integer_table, ExportFormat.REDIS, tmp_path / "x", redis=RedisOptions(type=RedisType.LIST))


@pytest.mark.parametrize("to", [to for to in FORMATS if to not in DATABASES])
def test_a_stream_gets_what_a_file_gets(table, to, tmp_path):
    export_to_file(table, to, tmp_path / "file")
    with (tmp_path / "stream").open("wb") as stream:
        assert export_to_stream(table, to, stream).output is None
    assert (tmp_path / "stream").read_bytes() == (tmp_path / "file").read_bytes()


@pytest.mark.parametrize("to", DATABASES)
def test_a_database_is_no_stream(table, to):
    with pytest.raises(ConfigError, match=f"{to.value} is a file"):
        export_to_stream(table, to, io.BytesIO())


KILLED = """
import json, os, signal, sys
from pathlib import Path
from types import SimpleNamespace
from pipeline.export.export import ExportFormat, export_to_file
from pipeline.export.source import PublishedTable
from pipeline.tables.reading import RowGroup
folder, name, to, output, after = sys.argv[1:]
manifest = json.loads(Path(folder, "manifest.json").read_text())
run = SimpleNamespace(tables={name: Path(folder)}, manifest=lambda _: manifest)
def kill(fraction, message):
    if int(message.split()[0]) > int(after):
        os.kill(os.getpid(), signal.SIGKILL)
export_to_file(PublishedTable(run, name), ExportFormat(to), Path(output), overwrite=True, progress=kill)
"""


@pytest.fixture
def killed(table, tmp_path):
    """Export in another process, which is killed before it can commit what comes after so many rows."""

    def run(to, output, after):
        arguments = [tmp_path / "table", table.name, to.value, output, str(after)]
        result = subprocess.run([sys.executable, "-c", KILLED, *map(str, arguments)], cwd=tmp_path, check=False)
        assert result.returncode == -9

    return run


@pytest.mark.parametrize("to", FORMATS)
def test_a_killed_export_goes_on_from_the_groups_that_are_done(table, rows, to, tmp_path, killed):
    output = tmp_path / "out" / ("t.csv.gz" if to is ExportFormat.CSV else "t")
    output.parent.mkdir()
    killed(to, output, 25)
    assert not output.exists()
    assert all(path.name.startswith(".") for path in output.parent.iterdir())
    assert export_to_file(table, to, output).resumed_rows == 21
    check(output, to, table.name, rows)
    assert [path.name for path in output.parent.iterdir()] == [output.name]


@pytest.mark.parametrize("to", FORMATS)
def test_an_export_of_another_run_or_format_starts_over(table, other_table, rows, to, tmp_path, monkeypatch):
    output = tmp_path / "t"

    def stop(fraction, message):
        if fraction > 0.5:
            raise KeyboardInterrupt

    def left_by(what, *arguments):
        with pytest.raises(KeyboardInterrupt):
            export_to_file(what, *arguments, progress=stop)
        assert not output.exists()

    left_by(table, to, output)
    done = export_to_file(other_table, to, output)
    assert done.resumed_rows == 0
    check(output, to, table.name, rows.slice(0, 30))
    output.unlink()
    left_by(table, to, output)
    another = FORMATS[(FORMATS.index(to) + 1) % len(FORMATS)]
    assert export_to_file(table, another, output).resumed_rows == 0
    check(output, another, table.name, rows)


@pytest.mark.parametrize("to", FORMATS)
def test_killed_as_it_starts_over_nothing_is_left_of_the_other_run(
    table, other_table, rows, to, tmp_path, killed, monkeypatch
):
    output = tmp_path / "t"
    killed(to, output, 25)

    def die(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        for writer in (LineWriter, SqliteWriter, DuckdbWriter):
            patch.setattr(writer, "start", die)
        with pytest.raises(KeyboardInterrupt):
            export_to_file(other_table, to, output)
    assert export_to_file(other_table, to, output).resumed_rows == 0
    check(output, to, table.name, rows.slice(0, 30))


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("left", [b"", b"nothing that it could be", b"SQLite format 3\0 and no more"])
def test_a_partial_file_that_is_none_starts_over(table, rows, to, left, tmp_path):
    output = tmp_path / "t"

    def stop(fraction, message):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_to_file(table, to, output, progress=stop)
    (tmp_path / ".t.partial").write_bytes(left)
    assert export_to_file(table, to, output).resumed_rows == 0
    check(output, to, table.name, rows)


def test_a_half_written_checkpoint_is_none(table, tmp_path):
    (tmp_path / ".t.partial.json").write_text('{"version": 1, "ta')
    (tmp_path / ".t.partial").write_text("x")
    assert export_to_file(table, ExportFormat.CSV, tmp_path / "t").resumed_rows == 0


def test_a_file_that_is_there_stays_unless_it_may_be_replaced(table, rows, tmp_path):
    output = tmp_path / "t"
    output.write_text("precious")
    with pytest.raises(OutputError, match="is there already"):
        export_to_file(table, ExportFormat.CSV, output)
    assert output.read_text() == "precious"
    export_to_file(table, ExportFormat.CSV, output, overwrite=True)
    check(output, ExportFormat.CSV, table.name, rows)
    with pytest.raises(OutputError, match="is a folder"):
        export_to_file(table, ExportFormat.CSV, tmp_path, overwrite=True)


@pytest.mark.parametrize("to", FORMATS)
def test_a_folder_that_is_not_there_is_named(table, to, tmp_path):
    with pytest.raises(OutputError, match=r"cannot write .*absent/t: No such file"):
        export_to_file(table, to, tmp_path / "absent" / "t")


@pytest.mark.parametrize("to", FORMATS)
def test_a_full_disk_is_a_clear_error_and_the_next_call_ends_it(table, rows, to, tmp_path):
    # No file of this process may be larger than this, which to a program is as a disk that is full.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, hard))
    try:
        with pytest.raises(OutputError, match="cannot write"):
            export_to_file(table, to, tmp_path / "t")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "t").exists()
    export_to_file(table, to, tmp_path / "t")
    check(tmp_path / "t", to, table.name, rows)


def test_the_systems_own_word_for_a_full_disk_is_shown(table, tmp_path, monkeypatch):
    def full(self, batch):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(lines.CsvWriter, "write", full)
    with pytest.raises(OutputError, match="No space left on device") as caught:
        export_to_file(table, ExportFormat.CSV, tmp_path / "t")
    assert "space on the disk" in caught.value.hint


def test_one_process_at_a_time_exports_to_a_file(table, tmp_path):
    def second(fraction, message):
        export_to_file(table, ExportFormat.CSV, tmp_path / "t")

    with pytest.raises(OutputError, match="another process exports to"):
        export_to_file(table, ExportFormat.CSV, tmp_path / "t", progress=second)


def test_rows_are_counted_against_the_manifest(table, tmp_path):
    folder = tmp_path / "table"
    manifest = json.loads((folder / "manifest.json").read_text())
    run = type("Run", (), {"tables": {"t": folder}, "manifest": lambda self, _: {**manifest, "rows": 65}})()
    with pytest.raises(StoreError, match="expected 65 rows by its manifest, got 66"):
        PublishedTable(run, "t")
    (folder / "part-00001.parquet").unlink()
    run.manifest = lambda _: manifest
    with pytest.raises(StoreError, match=r"part-00001\.parquet is gone"):
        PublishedTable(run, "t")


def test_rows_are_counted_as_they_are_written(table, tmp_path, monkeypatch):
    monkeypatch.setattr(RowGroup, "batches", lambda group: [])
    with pytest.raises(StoreError, match="expected 66 rows by its manifest, got 0"):
        export_to_file(table, ExportFormat.CSV, tmp_path / "t")
    assert not (tmp_path / "t").exists()


def test_an_unknown_table_is_named_with_those_there_are(tmp_path):
    run = type("Run", (), {"tables": {"b": tmp_path, "a": tmp_path}, "date": "2026-01-31"})()
    with pytest.raises(UnknownNameError, match="the run of 2026-01-31 has no table 'c'") as caught:
        PublishedTable(run, "c")
    assert "a, b" in caught.value.hint


def test_without_duckdb_the_extra_is_named(table, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ConfigError, match="needs duckdb") as caught:
        export_to_file(table, ExportFormat.DUCKDB, tmp_path / "t")
    assert "cfpipe[duckdb]" in caught.value.hint


def test_the_module_of_a_format_is_imported_when_it_is_asked_for():
    assert "duckdb" not in vars(exporting)
