"""The columns of a table, and how its files are encoded."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from pipeline.config import USER, TableSettings

#: Version of the columns, the manifest and the files' metadata.
TABLE_SCHEMA_VERSION = 1


#: Column of a nested table that holds the lists.
LISTS_COLUMN = "items"
#: The rules that change what a list is ranked by, or who is in it for another reason.
_RULES_WITH_RELEVANCE = {"popularity_penalty", "boosts", "diversity", "fallback"}


def key_column(source: str) -> str:
    """Name of the first column: whose neighbours a row belongs to."""
    return "user_id" if source == USER else "target_item_id"


def table_schema(settings: TableSettings, source_ids: pa.DataType, target_ids: pa.DataType) -> pa.Schema:
    """The columns of a table, in the form that its settings say.

    Parameters
    ----------
    settings
        The table.
    source_ids, target_ids
        Types of the ids of either side, int64 or string: ids keep the type they came with.
    """
    long = long_schema(key_column(settings.source), source_ids, target_ids)
    return _nested_schema(long, settings) if settings.form == "nested" else long


def long_schema(key: str, source_ids: pa.DataType, target_ids: pa.DataType) -> pa.Schema:
    """The columns of a table in long form: a row for each entry of a list."""
    return pa.schema(
        [
            pa.field(key, source_ids, nullable=False),
            pa.field("item_id", target_ids, nullable=False),
            pa.field("score", pa.float32(), nullable=False),
            pa.field("rank", pa.int32(), nullable=False),
            # The model's own score, where a rule changed what the list is ranked by.
            pa.field("relevance", pa.float32()),
            # Null, or why the row is there, such as "popular".
            pa.field("source", pa.string()),
        ]
    )


def is_nested(schema: pa.Schema) -> bool:
    """Whether a table is in nested form: a row for each list."""
    return LISTS_COLUMN in schema.names


def _nested_schema(long: pa.Schema, settings: TableSettings) -> pa.Schema:
    """The key, and its list of structs; the rank is the place in the list, and what no rule makes is not there."""
    names = ["item_id", "score"]
    if _RULES_WITH_RELEVANCE & settings.rules_of_catalogue.keys():
        names.append("relevance")
    if settings.fallback is not None:
        names.append("source")
    element = pa.field("element", pa.struct([long.field(name) for name in names]), nullable=False)
    return pa.schema([long.field(0), pa.field(LISTS_COLUMN, pa.list_(element), nullable=False)])


def file_metadata(parameters: dict[str, Any], step_fingerprint: str) -> dict[str, str]:
    """The key fields of the manifest, as they stand in the metadata of every Parquet file."""
    fields = {"schema_version": TABLE_SCHEMA_VERSION, "fingerprint": step_fingerprint, **parameters}
    return {key: str(value) for key, value in fields.items()}
