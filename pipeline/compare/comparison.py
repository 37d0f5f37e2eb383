"""All that is compared of two runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from pipeline.compare.quality import QualityComparison, compare_quality
from pipeline.compare.tables import TableComparison, compare_tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.published import PublishedRun


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side.

    Attributes
    ----------
    runs
        Root, date and id of each.
    quality
        Their measures; None where one has no interactions, and so none.
    tables
        The tables that both have, between the same entity types with ids of the same type.
    not_compared
        Names of the tables that are not among them.
    """

    runs: tuple[dict[str, str], dict[str, str]]
    quality: QualityComparison | None
    tables: Sequence[TableComparison]
    not_compared: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """As a dictionary JSON can hold."""
        return asdict(self)


def compare_runs(first: PublishedRun, second: PublishedRun) -> Comparison:
    """Compare two runs, of one root or of two.

    Raises
    ------
    StoreError
        If a run was published before the measures of each user were kept.
    """
    both = [name for name in first.tables if name in second.tables and _comparable(name, first, second)]
    return Comparison(
        runs=(_describe(first), _describe(second)),
        quality=compare_quality(first, second) if first.has_interactions and second.has_interactions else None,
        tables=[_compare(name, first, second) for name in both],
        not_compared=[name for name in dict.fromkeys([*first.tables, *second.tables]) if name not in both],
    )


def _describe(run: PublishedRun) -> dict[str, str]:
    return {"root": str(run.root), "date": run.date, "run": str(run.content["run"])}


def _comparable(name: str, first: PublishedRun, second: PublishedRun) -> bool:
    sides = [[run.manifest(name)["parameters"][side] for side in ("from", "to")] for run in (first, second)]
    columns = [run.manifest(name)["columns"] for run in (first, second)]
    return sides[0] == sides[1] and list(columns[0].items())[:2] == list(columns[1].items())[:2]


def _compare(name: str, first: PublishedRun, second: PublishedRun) -> TableComparison:
    entity = first.manifest(name)["parameters"]["to"]
    targets = (first.vocabulary(entity), second.vocabulary(entity))
    return compare_tables(name, first.tables[name], second.tables[name], targets)
