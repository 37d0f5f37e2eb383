"""Tables in nested form: the same lists, a row for each."""

from __future__ import annotations

import json

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pipeline
from pipeline.compare.tables import compare_tables
from pipeline.config import TableSettings
from pipeline.data.vocabulary import Vocabulary
from pipeline.export.export import ExportFormat, export_to_file
from pipeline.export.source import PublishedTable
from pipeline.tables.neighbors import Lists
from pipeline.tables.reading import read_long, row_groups, schema_of
from pipeline.tables.schema import table_schema
from pipeline.tables.writer import TableWriter

K = 4
SOURCES, TARGETS = pa.array([f"u{n:02d}" for n in range(50)]), pa.array(range(100, 120))


def random_lists(seed=0):
    """Lists of zero to K entries, some of them popular, in batches of seven."""
    rng = np.random.default_rng(seed)
    shape = (len(SOURCES), K)
    rows = np.argsort(rng.random((len(SOURCES), len(TARGETS))), axis=1)[:, :K].astype(np.int64)
    scores = -np.sort(-rng.random(shape, dtype=np.float32), axis=1)
    relevance = np.where(rng.random(shape) < 0.5, rng.random(shape), np.nan).astype(np.float32)
    popular = rng.random(shape) < 0.3
    padding = np.arange(K) >= rng.integers(0, K + 1, size=(len(SOURCES), 1))
    rows[padding], scores[padding] = -1, np.nan
    for start in range(0, len(SOURCES), 7):
        part = slice(start, start + 7)
        yield Lists(np.arange(len(SOURCES))[part], rows[part], scores[part], relevance[part], popular[part])


@pytest.fixture
def write(tmp_path):
    """Write the lists in a form; the writer, and the folder."""

    def run(form, **rules):
        settings = {"name": "t", "from": "user", "to": "track", "k": K, "form": form, **rules}
        schema = table_schema(TableSettings.model_validate(settings), SOURCES.type, TARGETS.type)
        folder = tmp_path / "-".join([form, *rules])
        folder.mkdir()
        with TableWriter(folder, schema, SOURCES, TARGETS, K, row_group_rows=16, part_rows=64) as writer:
            for lists in random_lists():
                writer.add(lists)
        return writer, folder

    return run


def read(folder):
    return pa.Table.from_batches(list(read_long(folder, 5)))


def test_both_forms_hold_the_same(write):
    rules = {"popularity_penalty": 0.5, "fallback": "popular"}
    (long, long_folder), (nested, nested_folder) = write("long", **rules), write("nested", **rules)
    assert read(nested_folder).equals(read(long_folder))
    assert (nested.rows, nested.sources, nested.short_lists) == (long.rows, long.sources, long.short_lists)
    (part, *_), lists = nested.parts, pa.concat_tables(pq.read_table(path) for path in nested.parts)
    assert len(nested.parts) > 1
    assert lists.num_rows == nested.sources
    assert pq.ParquetFile(part).num_row_groups > 1
    assert sum(group.rows for group in row_groups(nested.parts)) == nested.rows
    assert schema_of(part).equals(schema_of(long.parts[0]))


@pytest.mark.parametrize(
    ("rules", "fields"),
    [
        ({}, ["item_id", "score"]),
        ({"min_support": 2}, ["item_id", "score"]),
        ({"popularity_penalty": 0.5}, ["item_id", "score", "relevance"]),
        ({"fallback": "popular"}, ["item_id", "score", "relevance", "source"]),
    ],
)
def test_an_entry_has_what_its_rules_make(write, rules, fields):
    _, folder = write("nested", **rules)
    schema = pq.read_schema(folder / "part-00000.parquet")
    assert schema.names == ["user_id", "items"]
    assert schema.field("items").type.value_type.names == fields
    assert read(folder).schema.names == ["user_id", "item_id", "score", "rank", "relevance", "source"]


def test_a_table_without_lists_has_the_columns_it_would_have(tmp_path):
    settings = {"name": "t", "from": "user", "to": "track", "k": K, "form": "nested"}
    schema = table_schema(TableSettings.model_validate(settings), SOURCES.type, TARGETS.type)
    with TableWriter(tmp_path, schema, SOURCES, TARGETS, K):
        pass
    assert pq.read_table(tmp_path / "part-00000.parquet").schema.names == ["user_id", "items"]
    assert list(read_long(tmp_path)) == []


def test_both_forms_compare_as_equal(write):
    folders = [write(form)[1] for form in ("long", "nested")]
    vocabulary = Vocabulary(TARGETS)
    comparison = compare_tables("t", *folders, (vocabulary, vocabulary))
    assert comparison.unchanged == comparison.common_lists == comparison.first_lists
    assert comparison.movers == []


def test_a_run_with_a_nested_table_is_published_looked_up_and_exported(project, command):
    assert command("cfpipe", "run", project.config).returncode == 0
    long = pipeline.open_run(project.root)
    result = command("cfpipe", "run", project.config, "--set", 'tables.similar_artists.form="nested"')
    assert result.returncode == 0, result.stderr
    run = pipeline.open_run(project.root)
    manifest, before = run.manifest("similar_artists"), long.manifest("similar_artists")
    assert manifest["parameters"]["form"] == "nested"
    assert "form" not in before["parameters"]
    for key in ("rows", "sources", "targets", "neighbor_recall"):
        assert manifest[key] == before[key]
    assert run.tables["tracks_for_users"] == long.tables["tracks_for_users"], "the other table is not made again"
    assert run.similar("artist", 3, k=3) == long.similar("artist", 3, k=3)

    files = [project.folder / f"{name}.jsonl" for name in ("nested", "long")]
    for opened, file in zip((run, long), files, strict=True):
        export_to_file(PublishedTable(opened, "similar_artists"), ExportFormat.JSONL, file)
    assert files[0].read_bytes() == files[1].read_bytes()

    parts = run.tables["similar_artists"] / "part-*.parquet"
    query = f"SELECT target_item_id, unnest(items, recursive := true) FROM '{parts}'"  # noqa: S608
    rows = duckdb.sql(query).fetchall()
    lines = [json.loads(line) for line in files[0].read_text().splitlines()]
    assert [row[:2] for row in rows] == [(line["target_item_id"], line["item_id"]) for line in lines]
