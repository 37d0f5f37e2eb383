"""Sanity gates: what a run must hold to be published. Pure functions of a run's figures."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline.config import GateSettings
    from pipeline.evaluation.evaluate import Evaluation


#: Standard errors that a sample's recall may lie below a table's.
_RECALL_ERRORS = 3.0


@dataclass(frozen=True)
class TableFigures:
    """What the gates look at in a table's manifest.

    Attributes
    ----------
    name
        Name of the table.
    rows
        Rows of the table.
    sources
        Source entities the table was asked for.
    covered
        Source entities that have a row.
    neighbor_recall
        Measured recall of the neighbours on a sample, against the exact ones; None where no list could be sampled.
    neighbor_recall_error
        Standard error of ``neighbor_recall``.
    wanted_recall
        The recall that the table was asked for.
    """

    name: str
    rows: int
    sources: int
    covered: int
    neighbor_recall: float | None
    neighbor_recall_error: float = 0.0
    wanted_recall: float = 1.0

    @property
    def coverage(self) -> float:
        """Share of the source entities that have a row; 0 where there are none."""
        return self.covered / self.sources if self.sources else 0.0


@dataclass(frozen=True)
class RunFigures:
    """What the gates look at in a run; there is no quality to look at where no vectors were fitted."""

    tables: Sequence[TableFigures]
    evaluation: Evaluation | None


@dataclass(frozen=True)
class Gate:
    """One gate and what came of it.

    Attributes
    ----------
    name
        Such as ``"rows of similar_artists"``.
    value
        What was measured; NaN fails every gate.
    limit
        What the value must reach.
    passed
        Whether it did.
    message
        One line for people: what was measured, what was expected, which setting says so.
    """

    name: str
    value: float
    limit: float
    passed: bool
    message: str

    def to_json(self) -> dict[str, Any]:
        """As a dictionary JSON can hold: NaN becomes None."""
        figures = {"value": self.value, "limit": self.limit}
        return asdict(self) | {name: None if math.isnan(figure) else figure for name, figure in figures.items()}


def check_gates(settings: GateSettings, run: RunFigures, previous: RunFigures | None) -> list[Gate]:
    """Hold a run against the limits, and against the run published before it.

    Parameters
    ----------
    settings
        The limits.
    run
        The run that would be published.
    previous
        The published run, or None where there is none. A table or measure it does not have is not compared.

    Returns
    -------
    Every gate, passed or not; the run may be published if all are.
    """
    earlier = {table.name: table for table in previous.tables} if previous else {}
    gates: list[Gate] = []
    for table in run.tables:
        gates += _table_gates(settings, table)
        if table.name in earlier:
            gates += _table_falls(settings, table, earlier[table.name])
    if run.evaluation is not None:
        gates += _quality_gates(settings, run.evaluation, previous.evaluation if previous else None)
    return gates


def failures(gates: Sequence[Gate]) -> list[Gate]:
    """The gates that stop a run."""
    return [gate for gate in gates if not gate.passed]


def _table_gates(settings: GateSettings, table: TableFigures) -> Iterator[Gate]:
    yield _at_least(f"rows of {table.name}", table.rows, settings.min_rows, "gates.min_rows")
    yield _at_least(f"coverage of {table.name}", table.coverage, settings.min_coverage, "gates.min_coverage")
    if table.neighbor_recall is not None:
        yield _recall_gate(settings, table, table.neighbor_recall)


def _recall_gate(settings: GateSettings, table: TableFigures, measured: float) -> Gate:
    name, limit, why = f"neighbor recall of {table.name}", settings.min_neighbor_recall, "gates.min_neighbor_recall"
    if table.wanted_recall < 1.0:
        # A target is met on average: a sample's mean may lie below it.
        wanted = table.wanted_recall - _RECALL_ERRORS * table.neighbor_recall_error
        if wanted < limit:
            limit, why = wanted, f"tables.{table.name}.recall = {table.wanted_recall:g}, less sampling error"
    return _at_least(name, measured, limit, why)


def _table_falls(settings: GateSettings, table: TableFigures, earlier: TableFigures) -> Iterator[Gate]:
    yield _fall(settings, f"rows of {table.name}", table.rows, earlier.rows)
    yield _fall(settings, f"coverage of {table.name}", table.coverage, earlier.coverage)


def _quality_gates(settings: GateSettings, evaluation: Evaluation, earlier: Evaluation | None) -> Iterator[Gate]:
    value = _measure(evaluation.model, settings.metric)
    popularity = _measure(evaluation.popularity, settings.metric)
    yield _at_least(
        f"{settings.metric} against popularity",
        value,
        settings.min_against_popularity * popularity,
        f"gates.min_against_popularity = {settings.min_against_popularity:g}, popularity has {popularity:.6g}",
    )
    if earlier is not None and settings.metric in earlier.model:
        yield _fall(settings, settings.metric, value, earlier.model[settings.metric])


def _fall(settings: GateSettings, what: str, value: float, before: float) -> Gate:
    why = f"gates.max_fall = {settings.max_fall:g}, the published run has {before:.6g}"
    return _at_least(f"{what} against the published run", value, (1.0 - settings.max_fall) * before, why)


def _measure(measures: Mapping[str, float], metric: str) -> float:
    return measures.get(metric, math.nan)


def _at_least(name: str, value: float, limit: float, why: str) -> Gate:
    passed = value >= limit  # False for NaN on either side
    verdict = "ok" if passed else "FAILED"
    message = f"{verdict}: {name}: {value:.6g}, expected at least {limit:.6g} ({why})"
    return Gate(name=name, value=float(value), limit=float(limit), passed=passed, message=message)
