"""The figures of a run, read from what it wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.evaluation.evaluate import Evaluation
from pipeline.evaluation.gates import RunFigures, TableFigures
from pipeline.store import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.store import Store

Manifests = dict[str, dict[str, Any]]


def read_figures(store: Store, content: Mapping[str, Any], *, comparable_to: Manifests | None = None) -> RunFigures:
    """The figures that the gates judge.

    Parameters
    ----------
    store
        The root of the run.
    content
        The paths of its ``tables`` and, where vectors were fitted, ``evaluation``, as ``current.json`` gives them.
    comparable_to
        Manifests of another run's tables: tables made with other parameters, say another k, are left out.
    """
    manifests = read_manifests(store, content)
    if comparable_to is not None:
        manifests = {
            name: manifest
            for name, manifest in manifests.items()
            if name in comparable_to and manifest["parameters"] == comparable_to[name]["parameters"]
        }
    path = content.get("evaluation")
    evaluation = None if path is None else Evaluation.from_json(read_json(store.path(path)))
    return RunFigures([_table_figures(name, manifest) for name, manifest in manifests.items()], evaluation)


def read_manifests(store: Store, content: Mapping[str, Any]) -> Manifests:
    """The manifest of each table."""
    return {name: read_json(store.path(path, "manifest.json")) for name, path in content["tables"].items()}


def _table_figures(name: str, manifest: Mapping[str, Any]) -> TableFigures:
    sources = manifest["sources"]
    return TableFigures(
        name=name,
        rows=manifest["rows"],
        sources=sources["wanted"],
        covered=sources["with_rows"],
        neighbor_recall=manifest["neighbor_recall"],
        neighbor_recall_error=manifest.get("neighbor_recall_error", 0.0),
        wanted_recall=manifest["parameters"].get("recall", 1.0),
    )
