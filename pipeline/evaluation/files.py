"""The files of an evaluation: its JSON, and a Parquet file of each user's measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.store import json_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.data.vocabulary import Vocabulary
    from pipeline.evaluation.evaluate import UserQuality

EVALUATION_FILE = "evaluation.json"
USERS_FILE = "users.parquet"


def write_evaluation(folder: Path, document: Mapping[str, Any], users: UserQuality, vocabulary: Vocabulary) -> None:
    """Write an evaluation into an empty folder.

    Parameters
    ----------
    folder
        Where to write.
    document
        What :data:`EVALUATION_FILE` says.
    users
        Columns of :data:`USERS_FILE`, a row for each user evaluated, in the order of their ids.
    vocabulary
        The users' ids.
    """
    (folder / EVALUATION_FILE).write_text(json_text(document), encoding="utf-8")
    ids = vocabulary.ids.take(pa.array(users.rows))
    table = pa.table({"user_id": ids, **{name: pa.array(values) for name, values in users.values.items()}})
    pq.write_table(table, folder / USERS_FILE, compression="zstd")
