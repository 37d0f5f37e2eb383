"""A published table of many row groups, with whatever a string can hold."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.export.source import PublishedTable

if TYPE_CHECKING:
    from pathlib import Path

#: Sorted by their UTF-8 bytes, as vocabularies are; one has a NUL.
WORDS = [
    "",
    " blank ",
    '"quoted", with commas',
    "$5\r\nresp",
    "'",
    "\\back\tslash",
    "a\nline\r\nbreak",
    "nul\0here",
    "ß",
    "日本",
    "🎧",
]

NAME = 'odd "name'

SCHEMA = pa.schema(
    [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("rank", pa.int32(), nullable=False),
        pa.field("relevance", pa.float32()),
        pa.field("source", pa.string()),
    ]
)


def publish(
    folder: Path, rows: pa.Table, *, group_rows: int, fingerprint: str, name: str = 'odd "name'
) -> PublishedTable:
    """Write a table as the pipeline does, in two files, and open it as part of a run."""
    folder.mkdir()
    half = rows.num_rows // 2
    files = []
    for number, part in enumerate((rows.slice(0, half), rows.slice(half))):
        files.append({"name": f"part-{number:05d}.parquet"})
        pq.write_table(part, folder / files[-1]["name"], row_group_size=group_rows)
    manifest = {"rows": rows.num_rows, "files": files, "fingerprints": {"table": fingerprint}}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    run = SimpleNamespace(tables={name: folder}, manifest=lambda _: manifest, date="2026-01-31")
    return PublishedTable(run, name)


@pytest.fixture
def rows() -> pa.Table:
    """Lists of every length up to eleven, whose order is that of the table; relevance has nulls and NaN."""
    lists = [(user, item, rank) for user in range(len(WORDS)) for rank, item in enumerate(range(user + 1), start=1)]
    users, items, ranks = zip(*lists, strict=True)
    n = len(lists)
    return pa.table(
        {
            "user_id": [WORDS[user] for user in users],
            "item_id": [WORDS[item] for item in items],
            "score": pa.array([1 / (3 * rank) - 0.1 for rank in ranks], pa.float32()),
            "rank": pa.array(ranks, pa.int32()),
            "relevance": pa.array([[None, float("nan"), 0.1, 1e-12][i % 4] for i in range(n)], pa.float32()),
            "source": [None if i % 3 else "popular" for i in range(n)],
        },
        schema=SCHEMA,
    )


@pytest.fixture
def table(tmp_path, rows) -> PublishedTable:
    """The rows as a published table of groups of seven."""
    return publish(tmp_path / "table", rows, group_rows=7, fingerprint="0123")


@pytest.fixture
def other_table(tmp_path, rows) -> PublishedTable:
    """The table of the same name of another run, of fewer rows."""
    return publish(tmp_path / "other", rows.slice(0, 30), group_rows=7, fingerprint="4567")


@pytest.fixture
def integer_table(tmp_path) -> PublishedTable:
    """A table whose ids are integers, the key far beyond 2**53."""
    rows = pa.table(
        {
            "target_item_id": pa.array([2**62, 2**62, 2**62 + 1], pa.int64()),
            "item_id": pa.array([5, -3, 5], pa.int64()),
            "score": pa.array([0.5, 0.1, 1.0], pa.float32()),
            "rank": pa.array([1, 2, 1], pa.int32()),
            "relevance": pa.nulls(3, pa.float32()),
            "source": pa.nulls(3, pa.string()),
        }
    )
    return publish(tmp_path / "integers", rows, group_rows=10, fingerprint="89ab", name="similar")


@pytest.fixture
def empty_table(tmp_path, rows) -> PublishedTable:
    """A table without rows."""
    return publish(tmp_path / "empty", rows.slice(0, 0), group_rows=7, fingerprint="cdef")
