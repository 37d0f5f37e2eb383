"""A look at large tables: whole lists of a few row groups, and what is left of them from another run."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.data.vocabulary import Vocabulary
from pipeline.report import table_sample
from pipeline.report.table_sample import overlap, read_sample
from pipeline.tables.schema import LISTS_COLUMN

N_LISTS, K, N_ITEMS = 300, 7, 500


def write_lists(folder, lists, *, group_rows, part_rows=10_000, ids=int):
    """Write a table of the columns that matter: a mapping from sources to items."""
    folder.mkdir()
    rows = [
        (ids(source), item, 1.0 / rank, rank)
        for source, items in sorted(lists.items())
        for rank, item in enumerate(items, start=1)
    ]
    types = [pa.int64() if ids is int else pa.string(), pa.int64(), pa.float32(), pa.int32()]
    columns = dict(zip(("target_item_id", "item_id", "score", "rank"), zip(*rows, strict=True), strict=True))
    table = pa.table(
        {name: pa.array(values, kind) for (name, values), kind in zip(columns.items(), types, strict=True)}
    )
    for number, start in enumerate(range(0, table.num_rows, part_rows)):
        part = table.slice(start, part_rows)
        pq.write_table(part, folder / f"part-{number:05d}.parquet", row_group_size=group_rows)
    return folder


@pytest.fixture
def lists():
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, K + 1, size=N_LISTS)
    return {source: rng.choice(N_ITEMS, size, replace=False).tolist() for source, size in enumerate(sizes.tolist())}


def listed(sample):
    """The lists of a sample by their sources."""
    found = {}
    for row in sample.rows.to_pylist():
        found.setdefault(row["source"], []).append(row["item_id"])
    return found


def test_a_small_table_is_read_whole(tmp_path, lists):
    sample = read_sample(write_lists(tmp_path / "table", lists, group_rows=2_000))
    assert sample.complete
    assert listed(sample) == lists
    assert len(sample.starts) == len(lists)


def test_of_a_large_one_whole_lists_are(tmp_path, lists):
    sample = read_sample(write_lists(tmp_path / "table", lists, group_rows=50, part_rows=400))
    found = listed(sample)
    assert not sample.complete
    assert 0 < len(found) < len(lists)
    assert all(lists[source] == items for source, items in found.items())
    # From the beginning to near the end of it.
    assert min(found) < N_LISTS / 10
    assert max(found) > N_LISTS * 2 / 3


def test_scores_and_places(tmp_path, lists):
    sample = read_sample(write_lists(tmp_path / "table", lists, group_rows=2_000))
    assert sample.scores_at(0.0).tolist() == [1.0] * N_LISTS
    assert sample.scores_at(1.0) == pytest.approx([1.0 / len(items) for items in lists.values()])
    counted = np.bincount([item for items in lists.values() for item in items], minlength=N_ITEMS)
    assert sample.places(Vocabulary(pa.array(range(N_ITEMS)))).tolist() == counted.tolist()


@pytest.mark.parametrize("compared", [50, 2_000])
def test_overlap_is_that_of_the_lists(tmp_path, lists, compared, monkeypatch):
    monkeypatch.setattr(table_sample, "COMPARED_LISTS", compared)
    rng = np.random.default_rng(1)
    before = {
        source: rng.choice(items + list(range(5)), rng.integers(1, len(items) + 1), replace=False).tolist()
        for source, items in lists.items()
        if source % 10
    }
    before = {source: list(dict.fromkeys(items)) for source, items in before.items()}
    sample = read_sample(write_lists(tmp_path / "table", lists, group_rows=2_000))
    found = overlap(sample, write_lists(tmp_path / "before", before, group_rows=60))
    sources = list(lists)
    if compared < len(sources):
        sources = [sources[at] for at in np.linspace(0, N_LISTS - 1, compared).astype(int)]
    both = [source for source in sources if source in before]
    expected = [
        len(set(lists[source]) & set(before[source])) / max(len(lists[source]), len(before[source])) for source in both
    ]
    assert found.shares == pytest.approx(expected)
    assert found.new == len(sources) - len(both)


def test_a_nested_table_is_read_as_a_long_one(tmp_path, lists):
    long = read_sample(write_lists(tmp_path / "long", lists, group_rows=2_000))
    entries = [[{"item_id": item, "score": 1.0 / n} for n, item in enumerate(items, 1)] for items in lists.values()]
    struct = pa.struct({"item_id": pa.int64(), "score": pa.float32()})
    nested = pa.table({"target_item_id": pa.array(list(lists)), LISTS_COLUMN: pa.array(entries, pa.list_(struct))})
    (tmp_path / "nested").mkdir()
    pq.write_table(nested, tmp_path / "nested" / "part-00000.parquet", row_group_size=100)
    sample = read_sample(tmp_path / "nested")
    assert sample.rows.to_pydict() == long.rows.to_pydict()
    assert (overlap(long, tmp_path / "nested").shares == 1.0).all()


def test_ids_of_another_type_have_nothing_in_common(tmp_path, lists):
    sample = read_sample(write_lists(tmp_path / "table", lists, group_rows=2_000))
    assert overlap(sample, write_lists(tmp_path / "before", lists, group_rows=60, ids=str)) is None


@pytest.mark.parametrize("row_groups", [0, 1])
def test_a_table_without_rows(tmp_path, row_groups):
    folder = tmp_path / "table"
    folder.mkdir()
    schema = pa.schema({"user_id": pa.int64(), "item_id": pa.int64(), "score": pa.float32(), "rank": pa.int32()})
    with pq.ParquetWriter(folder / "part-00000.parquet", schema) as writer:
        for _ in range(row_groups):
            writer.write_table(schema.empty_table())
    sample = read_sample(folder)
    assert sample.complete
    assert len(sample.starts) == 0
