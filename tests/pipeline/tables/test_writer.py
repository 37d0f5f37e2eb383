"""The writer of tables: row groups, parts, types of ids, and lists that are short or empty."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config import TableSettings
from pipeline.errors import DataError
from pipeline.tables.neighbors import Lists
from pipeline.tables.schema import table_schema
from pipeline.tables.write import check_table
from pipeline.tables.writer import TableWriter

K = 4


@pytest.fixture
def make_writer(tmp_path):
    def make(sources: pa.Array, targets: pa.Array, **sizes: int) -> TableWriter:
        settings = TableSettings.model_validate({"name": "t", "from": "user", "to": "track", "k": K})
        schema = table_schema(settings, sources.type, targets.type)
        return TableWriter(tmp_path, schema, sources, targets, K, **sizes)

    return make


def random_lists(n_sources: int, n_targets: int, seed: int = 0, batch: int = 7) -> list[Lists]:
    """Lists of zero to K neighbours, as the search pads them, in batches."""
    rng = np.random.default_rng(seed)
    rows = np.argsort(rng.random((n_sources, n_targets)), axis=1)[:, :K].astype(np.int64)
    scores = -np.sort(-rng.random((n_sources, K), dtype=np.float32), axis=1)
    padding = np.arange(K) >= rng.integers(0, K + 1, size=(n_sources, 1))
    rows[padding], scores[padding] = -1, np.nan
    starts = range(0, n_sources, batch)
    return [Lists(np.arange(n_sources)[s : s + batch], rows[s : s + batch], scores[s : s + batch]) for s in starts]


@pytest.mark.parametrize("kind", ["int64", "string"])
def test_rows_are_the_lists_without_their_padding(make_writer, tmp_path, kind):
    sources = pa.array(range(100, 150)).cast(kind)
    targets = pa.array([f"t{n}" for n in range(20)]) if kind == "string" else pa.array(range(20))
    batches = random_lists(50, 20)
    with make_writer(sources, targets, row_group_rows=16, part_rows=64) as writer:
        for lists in batches:
            writer.add(lists)
    expected = [
        (sources[int(source)].as_py(), targets[int(row)].as_py(), float(score), rank, None, None)
        for lists in batches
        for source, rows, scores in zip(lists.source_rows, lists.target_rows, lists.scores, strict=True)
        for rank, (row, score) in enumerate(zip(rows, scores, strict=True), start=1)
        if row >= 0
    ]
    table = pa.concat_tables(pq.read_table(part) for part in sorted(tmp_path.glob("part-*.parquet")))
    assert table.column_names == ["user_id", "item_id", "score", "rank", "relevance", "source"]
    assert [tuple(row.values()) for row in table.to_pylist()] == expected
    assert writer.rows == len(expected)
    lengths = np.concatenate([(lists.target_rows >= 0).sum(axis=1) for lists in batches])
    assert writer.sources == (lengths > 0).sum()
    assert writer.short_lists == (lengths < K).sum()


def test_row_groups_and_parts_are_bounded(make_writer, tmp_path):
    with make_writer(pa.array(range(500)), pa.array(range(20)), row_group_rows=50, part_rows=200) as writer:
        for lists in random_lists(500, 20, batch=33):
            writer.add(lists)
    parts = sorted(tmp_path.glob("part-*.parquet"))
    assert [part.name for part in parts] == [f"part-{n:05d}.parquet" for n in range(len(parts))]
    assert len(parts) > 2
    sizes = []
    for part in parts:
        metadata = pq.read_metadata(part)
        sizes += [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        assert metadata.num_rows <= 200
    assert sizes[:-1] == [50] * (len(sizes) - 1)
    assert 50 <= sizes[-1] < 100
    assert sum(sizes) == writer.rows


def test_equal_lists_give_equal_bytes_in_any_batches(make_writer, tmp_path):
    content = []
    for batch in (7, 100):
        with make_writer(pa.array(range(100)), pa.array(range(20)), row_group_rows=30, part_rows=60) as writer:
            for lists in random_lists(100, 20, batch=batch):
                writer.add(lists)
        content.append([part.read_bytes() for part in writer.parts])
    assert content[0] == content[1]


def test_a_table_without_rows_has_its_columns(make_writer, tmp_path):
    with make_writer(pa.array(range(3)), pa.array(["a"])) as writer:
        writer.add(Lists(np.arange(3), np.full((3, 1), -1, np.int64), np.full((3, 1), np.nan, np.float32)))
    table = pq.read_table(tmp_path / "part-00000.parquet")
    assert table.num_rows == 0
    assert table.schema.field("item_id").type == pa.string()
    assert (writer.rows, writer.sources, writer.short_lists) == (0, 0, 3)


def test_check_table_finds_what_was_altered(published):
    import pipeline

    run = pipeline.open_run(published.root)
    folder, manifest = run.tables["similar_artists"], run.manifest("similar_artists")
    check_table(folder, manifest)
    altered = {**manifest, "files": [{**manifest["files"][0], "sha256": "0" * 64}]}
    with pytest.raises(DataError, match=r"part-00000\.parquet: not the file its manifest describes"):
        check_table(folder, altered)
