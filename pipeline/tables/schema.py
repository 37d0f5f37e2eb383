"""The columns of a table, and how its files are encoded."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from pipeline.config import USER, TableSettings

#: Version of the columns, the manifest and the files' metadata.
TABLE_SCHEMA_VERSION = 1


def key_column(source: str) -> str:
    """Name of the first column: whose neighbours a row belongs to."""
    return "user_id" if source == USER else "target_item_id"


def table_schema(settings: TableSettings, source_ids: pa.DataType, target_ids: pa.DataType) -> pa.Schema:
    """The columns of a table.

    Parameters
    ----------
    settings
        The table.
    source_ids, target_ids
        Types of the ids of either side, int64 or string: ids keep the type they came with.
    """
    return pa.schema(
        [
            pa.field(key_column(settings.source), source_ids, nullable=False),
            pa.field("item_id", target_ids, nullable=False),
            pa.field("score", pa.float32(), nullable=False),
            pa.field("rank", pa.int32(), nullable=False),
            # The model's own score, where a rule changed what the list is ranked by.
            pa.field("relevance", pa.float32()),
            # Null, or why the row is there, such as "popular".
            pa.field("source", pa.string()),
        ]
    )


def file_metadata(parameters: dict[str, Any], step_fingerprint: str) -> dict[str, str]:
    """The key fields of the manifest, as they stand in the metadata of every Parquet file."""
    fields = {"schema_version": TABLE_SCHEMA_VERSION, "fingerprint": step_fingerprint, **parameters}
    return {key: str(value) for key, value in fields.items()}
