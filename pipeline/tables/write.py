"""A table on disk: a folder of Parquet files, a manifest and ``_SUCCESS``, written as the rows are computed."""

from __future__ import annotations

import hashlib
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from pipeline.errors import DataError
from pipeline.progress import Progress, no_progress
from pipeline.store import json_text
from pipeline.tables.neighbors import Lists, NeighborRecall, neighbor_lists
from pipeline.tables.oracle import Oracle
from pipeline.tables.ranking import RuleCounts, RuledLists
from pipeline.tables.schema import TABLE_SCHEMA_VERSION, file_metadata, table_schema
from pipeline.tables.searches import ModelSearch, Search
from pipeline.tables.strangers import Strangers
from pipeline.tables.weighted import WeightedSearch
from pipeline.tables.writer import TableWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    import annlib
    from pipeline.config import TableSettings
    from pipeline.data.vocabulary import Vocabulary
    from pipeline.tables.rules import Rules

#: Lists checked against the oracle: as many as this work allows, between the two limits.
RECALL_MULTIPLY_ADDS = 1_000_000_000
RECALL_SAMPLE = (10, 100)


@dataclass(frozen=True)
class Side:
    """One side of a table.

    Attributes
    ----------
    vocabulary
        The ids of the entities.
    vectors
        float32, shape ``(len(vocabulary), d)``; may be memory-mapped.
    """

    vocabulary: Vocabulary
    vectors: NDArray[np.float32]


def write_table(
    folder: Path,
    settings: TableSettings,
    rules: Rules,
    index: annlib.Index,
    *,
    source: Side,
    target: Side,
    inputs: dict[str, Any],
    seed: int,
    fingerprints: dict[str, str],
    model: Mapping[str, Any] | None = None,
    chosen: Mapping[str, Any] | None = None,
    num_threads: int = 0,
    progress: Progress = no_progress,
) -> None:
    """Compute a table and write it into an existing, empty folder.

    Parameters
    ----------
    folder
        Receives the parts, ``manifest.json`` and, last, ``_SUCCESS``.
    settings
        The table.
    rules
        Whom it is made for, and what is left out of whose list.
    index
        Index of the target entities under the table's metric, its rows those of the vocabulary.
    source, target
        The two sides, of vectors of one space.
    inputs
        Counts of what was read to make them, for the record.
    seed
        Seed of the run, for the record.
    fingerprints
        Of this step (``table``) and of what it was made from.
    model
        The settings that the vectors were fitted with, for the record; None where they come from files.
    chosen
        What of these was chosen from the data, and from what, for the record; None where all was given.
    """
    started = time.perf_counter()
    metric = settings.effective_metric
    wanted = rules.wanted
    parameters: dict[str, Any] = {
        "table": settings.name,
        "from": settings.source,
        "to": settings.target,
        "k": settings.k,
        "recall": settings.recall,
        "metric": metric,
        "score_type": _score_type(settings),
        "exclude_seen": settings.excludes_seen,
        "seed": seed,
        **(model or {}),
        **({} if settings.form == "long" else {"form": settings.form}),
        **_rule_parameters(settings),
    }
    source_ids, target_ids = source.vocabulary.ids, target.vocabulary.ids
    strangers = None
    if rules.strangers is not None and rules.popular is not None:
        length = min(settings.k, len(target_ids))
        strangers = Strangers(source_ids, rules.strangers, rules.popular, rules.caps, length)
        source_ids = strangers.ids
    n_wanted = len(wanted) + (0 if rules.strangers is None else len(rules.strangers))
    schema = table_schema(settings, source_ids.type, target_ids.type)
    schema = schema.with_metadata(file_metadata(parameters, fingerprints["table"]))
    recall = NeighborRecall(wanted, int(np.clip(RECALL_MULTIPLY_ADDS // max(target.vectors.size, 1), *RECALL_SAMPLE)))

    with (
        TableWriter(folder, schema, source_ids, target_ids, settings.k) as writer,
        _lists(index, settings, rules, source.vectors, target.vectors, folder, num_threads) as (batches, counts),
    ):
        done = 0
        for lists in batches:
            recall.add(lists)
            for part in (lists,) if strangers is None else strangers.merge(lists):
                writer.add(part)
            done += len(lists.source_rows)
            progress(0.95 * done / len(wanted), f"{done:,} of {len(wanted):,} lists, {writer.rows:,} rows")
        if strangers is not None:
            for part in strangers.rest():
                writer.add(part)
            counts.add(strangers.counts)
    progress(0.95, "measuring neighbour recall")
    measured = recall.measure(Oracle(target.vectors, source.vectors, metric, rules, settings.k).rows)

    manifest = {
        "schema_version": TABLE_SCHEMA_VERSION,
        "parameters": parameters,
        "columns": {column.name: str(column.type) for column in schema},
        "seed": seed,
        **({} if chosen is None else {"chosen_from_data": chosen}),
        "fingerprints": fingerprints,
        "inputs": inputs,
        "rows": writer.rows,
        "sources": {
            "wanted": n_wanted,
            "with_rows": writer.sources,
            "without_rows": n_wanted - writer.sources,
            "short_lists": writer.short_lists,
        },
        "targets": len(target_ids),
        **({"rules": {**rules.counts, **asdict(counts)}} if settings.rules_of_catalogue else {}),
        "neighbor_recall": measured.mean,
        "neighbor_recall_error": measured.standard_error,
        "files": [_describe(part) for part in writer.parts],
        "timing": {"seconds": round(time.perf_counter() - started, 3)},
    }
    (folder / "manifest.json").write_text(json_text(manifest), encoding="utf-8")
    (folder / "_SUCCESS").touch()


@contextmanager
def _lists(
    index: annlib.Index,
    settings: TableSettings,
    rules: Rules,
    vectors: NDArray[np.float32],
    targets: NDArray[np.float32],
    folder: Path,
    num_threads: int,
) -> Iterator[tuple[Iterable[Lists], RuleCounts]]:
    """The lists of a table, and what the rules do to them as they are computed."""
    # Items are asked for as the index's own: it has measured what a recall takes for these.
    own = settings.source == settings.target
    model_vectors, model_exclude = (None, None) if own else (vectors, rules.exclude)
    if rules.are_filters:
        yield (
            neighbor_lists(
                index,
                model_vectors,
                rules.wanted,
                k=settings.k,
                recall=settings.recall,
                exclude=model_exclude,
                allow=rules.allow,
                num_threads=num_threads,
            ),
            RuleCounts(),
        )
        return
    with TemporaryDirectory(dir=folder) as scratch:
        search: Search
        if rules.weights is None:
            search = ModelSearch(
                index,
                model_vectors,
                exclude=model_exclude,
                allow=rules.allow,
                recall=settings.recall,
                num_threads=num_threads,
            )
        else:
            search = WeightedSearch(
                targets,
                vectors,
                settings.effective_metric,
                rules.weights,
                folder=Path(scratch),
                exclude=rules.exclude,
                allow=rules.allow,
                num_threads=num_threads,
            )
        lists = RuledLists(
            search, targets, vectors, settings.effective_metric, rules, k=settings.k, num_threads=num_threads
        )
        yield lists, lists.counts


def _score_type(settings: TableSettings) -> str:
    """What the column ``score`` holds."""
    if settings.diversity is not None:
        return "maximal_marginal_relevance"
    weighted = settings.popularity_penalty is not None or settings.boosts is not None
    return f"weighted_{settings.effective_metric}" if weighted else settings.effective_metric


def _rule_parameters(settings: TableSettings) -> dict[str, Any]:
    """The rules of the catalogue as the manifest gives them; nothing for a table without."""
    rules = settings.rules_of_catalogue
    if not rules:
        return {}
    # Where a file is does not matter; what is in it, the fingerprint says.
    without = {key: {"path"} for key in settings.rule_files}
    return {"rules": settings.model_dump(mode="json", include=set(rules), exclude=without, by_alias=True)}


def check_table(folder: Path, manifest: dict[str, Any]) -> None:
    """Check a table's files against the sizes and checksums its manifest gives.

    Raises
    ------
    DataError
        If a file is missing or altered.
    """
    for expected in manifest["files"]:
        path = folder / expected["name"]
        if not path.exists() or _describe(path) != expected:
            raise DataError(f"{path}: not the file its manifest describes: missing or altered")


def _describe(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "name": path.name,
        "rows": pq.read_metadata(path).num_rows,
        "bytes": path.stat().st_size,
        "sha256": digest,
    }
