from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.compare import tables as module
from pipeline.compare.tables import compare_tables
from pipeline.data.vocabulary import Vocabulary

Lists = dict[int | str, list[str]]
VOCABULARY = Vocabulary(pa.array([f"i{n:02d}" for n in range(40)]), pa.array([f"Item {n}" for n in range(40)]))


@pytest.fixture
def write(tmp_path):
    """Write lists as the folder of a table, in parts of a few rows."""

    def make(name, lists: Lists, *, rows_per_part=50):
        folder = tmp_path / name
        folder.mkdir()
        rows = [(source, item, rank) for source, items in sorted(lists.items()) for rank, item in enumerate(items, 1)]
        ids = pa.array([row[0] for row in rows], pa.string() if any(isinstance(s, str) for s in lists) else pa.int64())
        items = pa.array([row[1] for row in rows], pa.string())
        table = pa.table([ids, items, pa.array([row[2] for row in rows], pa.int32())], ["user_id", "item_id", "rank"])
        for part, start in enumerate(range(0, max(len(rows), 1), rows_per_part)):
            pq.write_table(table.slice(start, rows_per_part), folder / f"part-{part:05d}.parquet")
        return folder

    return make


def _random_lists(rng: np.random.Generator, *, text: bool) -> Lists:
    chosen = rng.choice(60, size=rng.integers(1, 60), replace=False).tolist()
    items = [f"i{n:02d}" for n in range(40)]
    return {
        (f"u{source:02d}" if text else source): rng.permutation(items)[: rng.integers(1, 12)].tolist()
        for source in chosen
    }


@pytest.mark.parametrize("batch_rows", [1, 7, 1 << 18])
@pytest.mark.parametrize("seed", range(4))
def test_matches_the_readable_twin(write, monkeypatch, batch_rows, seed):
    monkeypatch.setattr(module, "_BATCH_ROWS", batch_rows)
    rng = np.random.default_rng(seed)
    first, second = (_random_lists(rng, text=seed % 2 == 0) for _ in range(2))
    second |= dict(list(first.items())[:3])
    result = compare_tables("t", write("a", first), write("b", second), (VOCABULARY, VOCABULARY))
    common = [source for source in first if source in second]
    shared = {source: len(set(first[source]) & set(second[source])) for source in common}
    assert (result.first_lists, result.second_lists, result.common_lists) == (len(first), len(second), len(common))
    longest = {source: max(len(first[source]), len(second[source])) for source in common}
    assert result.overlap == pytest.approx(np.mean([shared[source] / longest[source] for source in common]))
    union = {source: len(set(first[source]) | set(second[source])) for source in common}
    assert result.jaccard == pytest.approx(np.mean([shared[source] / union[source] for source in common]))
    assert result.unchanged == sum(first[source] == second[source] for source in common) > 0
    for mover in result.movers:
        for lists, count in ((first, mover.first_lists), (second, mover.second_lists)):
            assert sum(mover.id in items for items in lists.values()) == count
        assert mover.name == f"Item {int(mover.id[1:])}"
    changes = [abs(mover.second_lists - mover.first_lists) for mover in result.movers]
    assert changes == sorted(changes, reverse=True)
    assert len(changes) == 10


def test_lists_in_another_order_are_changed_but_overlap(write):
    first, second = write("a", {1: ["i00", "i01"]}), write("b", {1: ["i01", "i00"]})
    result = compare_tables("t", first, second, (VOCABULARY, VOCABULARY))
    assert (result.overlap, result.jaccard, result.unchanged, result.movers) == (1.0, 1.0, 0, [])


def test_a_table_with_itself(write):
    folder = write("a", _random_lists(np.random.default_rng(9), text=False))
    result = compare_tables("t", folder, folder, (VOCABULARY, VOCABULARY))
    assert result.overlap == result.jaccard == 1.0
    assert result.unchanged == result.common_lists > 0


def test_tables_without_a_list_in_common_and_without_any(write):
    first, second, nothing = write("a", {1: ["i00"]}), write("b", {2: ["i00", "i05"]}), write("c", {})
    apart = compare_tables("t", first, second, (VOCABULARY, VOCABULARY))
    assert (apart.overlap, apart.jaccard, apart.common_lists) == (None, None, 0)
    assert [(mover.id, mover.first_lists, mover.second_lists) for mover in apart.movers] == [("i05", 0, 1)]
    empty = compare_tables("t", first, nothing, (VOCABULARY, VOCABULARY))
    assert (empty.first_lists, empty.second_lists, empty.overlap) == (1, 0, None)


def test_memory_is_of_a_few_batches_however_far_the_sides_are_apart(write, monkeypatch):
    monkeypatch.setattr(module, "_BATCH_ROWS", 10)
    first = {source: ["i00", "i01", "i02"] for source in range(100)}
    second = {source: ["i03"] for source in range(100, 130)}
    folders = write("a", first), write("b", second)
    pieces = list(module._aligned(*(module._batches(folder) for folder in folders)))
    assert sum(piece.num_rows for pair in pieces for piece in pair) == 330
    assert max(piece.num_rows for pair in pieces for piece in pair) <= 20


def test_names_of_entities_that_only_one_run_has(write):
    older, newer = Vocabulary(pa.array(["a", "b"])), Vocabulary(pa.array(["b", "c"]), pa.array(["New B", "New C"]))
    result = compare_tables("t", write("a", {1: ["a", "b"]}), write("b", {1: ["c"]}), (older, newer))
    assert {mover.id: mover.name for mover in result.movers} == {"a": "a", "b": "New B", "c": "New C"}
