"""The report of a run, put together."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from pipeline.report.atlas import atlas
from pipeline.report.charts import Bar, Figure, bars
from pipeline.report.distributions import distributions
from pipeline.report.lookups import cosine_table, lookups, shown_entities
from pipeline.report.quality import quality
from pipeline.report.render import count, render
from pipeline.report.tables import recall_figure, table_reports
from pipeline.report.training import training

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.config import Config
    from pipeline.data.files import FileStamp
    from pipeline.evaluation.gates import Gate
    from pipeline.factors.fitted import FittedModel
    from pipeline.progress import Progress
    from pipeline.published import PublishedRun

#: Packages whose versions are shown.
_PACKAGES: Final = ("cfpipe", "numpy", "scipy", "pyarrow", "implicit", "scikit-learn", "luigi")
#: Settings that say where files are.
_PLACES: Final = ("path", "root", "test")
#: Maps of a report, at most, so that it stays small; and look-ups, so that it stays short.
_MAPS: Final = 4
_LOOKED_UP: Final = 4


@dataclass(frozen=True)
class Step:
    """A step of a run.

    Attributes
    ----------
    name
        As ``"WriteTable similar_artists"``.
    fingerprint
        Of its output.
    took
        What it took when it ran, see :meth:`pipeline.measuring.Meter.read`; None where it is not known.
    """

    name: str
    fingerprint: str
    took: Mapping[str, Any] | None


@dataclass(frozen=True)
class Subject:
    """What a report is about.

    Attributes
    ----------
    run
        The run, published or about to be.
    previous
        The run before it, if there is one.
    settings
        The configuration of the run.
    inputs
        The files of each path that is read.
    gates
        What the run is held against; if one is not passed, the run is not published.
    models
        The fitted models by what they were fitted on; none without interactions.
    steps
        The steps of the run, each after what it requires.
    """

    run: PublishedRun
    previous: PublishedRun | None
    settings: Config
    inputs: Sequence[Sequence[FileStamp]]
    gates: Sequence[Gate]
    models: Mapping[str, FittedModel]
    steps: Sequence[Step]


def report_html(subject: Subject, progress: Progress) -> str:
    """The report as HTML that needs nothing beside it.

    Memory is of the matrix's counts and of a few row groups of a table at a time.
    """
    run, settings = subject.run, subject.settings
    entities = shown_entities(run)
    progress(0.1, "distributions")
    figures = distributions(run)
    progress(0.3, "tables")
    tables = table_reports(run, subject.previous)
    progress(0.8, "look-ups and maps")
    content = {
        "name": settings.run.name,
        "date": run.date,
        "failed": [gate for gate in subject.gates if not gate.passed],
        "gates": subject.gates,
        "tiles": _tiles(subject),
        "inputs": _inputs(subject),
        "versions": {"python": platform.python_version()} | {package: version(package) for package in _PACKAGES},
        "settings": _settings(subject),
        "chosen": _chosen(subject),
        "trials": _trials(subject),
        "previous": None if subject.previous is None else subject.previous.date,
        "funnel": _funnel(run),
        "encoded": run.encoded.stats if run.has_interactions else None,
        "imported": {entity: vectors.stats[entity] for entity, vectors in run.imported.items()},
        "distributions": figures,
        "training": training(subject.models) if subject.models else None,
        "quality": quality(run.evaluation, settings.gates.metric) if run.has_interactions else None,
        "tables": tables,
        "recall": recall_figure(tables),
        "steps": subject.steps,
        "lookups": {entity: lookups(run, entity, settings.report) for entity in entities[:_LOOKED_UP]},
        "cosines": cosine_table(run, entities[0]),
        "maps": [atlas(entity, run.map(entity), len(run.vocabulary(entity))) for entity in entities[:_MAPS]],
    }
    progress(0.95, "writing")
    return render(content)


def _tiles(subject: Subject) -> list[tuple[str, str, str]]:
    """The figures that are read first: each with its name and a remark."""
    run = subject.run
    tiles = []
    if run.has_interactions:
        stats, measures = run.encoded.stats, run.evaluation
        metric = subject.settings.gates.metric
        value, popularity = measures["model"][metric], measures["popularity"][metric]
        tiles += [
            ("users", count(stats["users"]), f"{count(stats['rows_used'])} events"),
            (f"{run.encoded.item_entity}s", count(stats["items"]), f"{count(stats['nnz'])} pairs with a user"),
            (metric, f"{value:.4f}", f"{value / popularity:.2f} × popularity" if popularity else "popularity has none"),
        ]
    for entity, vectors in run.imported.items():
        stats = vectors.stats[entity]
        tiles.append((f"{entity}s", count(stats["vectors"]), f"vectors of {stats['dimensions']} dimensions"))
    rows = sum(run.manifest(name)["rows"] for name in run.tables)
    tiles.append(("rows", count(rows), f"in {len(run.tables)} {'table' if len(run.tables) == 1 else 'tables'}"))
    passed = sum(gate.passed for gate in subject.gates)
    remark = "may be published" if passed == len(subject.gates) else "not published"
    tiles.append(("gates passed", f"{passed} of {len(subject.gates)}", remark))
    return tiles


def _inputs(subject: Subject) -> list[tuple[str, int, int]]:
    """The name of the first file of each path, how many files there are, and their bytes.

    Names are those of fingerprints, which leave out where files are: so does the report.
    """
    found = {stamps[0].path: (len(stamps), sum(stamp.size for stamp in stamps)) for stamps in subject.inputs}
    return [(name, files, nbytes) for name, (files, nbytes) in found.items()]


def _settings(subject: Subject) -> dict[str, Any]:
    """The configuration by key, but for where files are; the model's settings as it was fitted with."""
    settings = subject.settings
    document = settings.model_dump(mode="json", by_alias=True, exclude={"entities": True})
    document["entities"] = {name: entity.model_dump(mode="json") for name, entity in settings.entities.items()}
    document["tables"] = {table.pop("name"): table for table in document["tables"]}
    document["factorize"] = {"model": document["factorize"]["model"], **document["factorize"]["settings"]}
    if not subject.models:
        for section in ("interactions", "weighting", "factorize", "evaluation"):
            document.pop(section, None)
    for model in subject.models.values():
        parameters = model.parameters()
        document["factorize"] = {"model": model.name, **parameters["factorize"]}
        document["weighting"] = parameters["weighting"]
        break  # the tables' model
    return {key: value for key, value in _flat(document).items() if key.rpartition(".")[2] not in _PLACES}


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, dict):
            settings |= _flat(value, f"{prefix}{key}.")
        elif value is not None and value != []:
            settings[f"{prefix}{key}"] = ", ".join(map(str, value)) if isinstance(value, list) else value
    return settings


def _chosen(subject: Subject) -> Mapping[str, Any]:
    """The settings that were chosen from the data for the tables' model."""
    for model in subject.models.values():
        return {} if model.chosen is None else model.chosen.values
    return {}


def _trials(subject: Subject) -> str | None:
    """What trials of these came to, as a sentence."""
    for model in subject.models.values():
        return None if model.chosen is None or model.chosen.trials is None else str(model.chosen.trials)
    return None


def _funnel(run: PublishedRun) -> Figure | None:
    """What is left of the rows on their way into the matrix."""
    if not run.has_interactions:
        return None
    stats = run.encoded.stats
    read = stats["rows_read"]
    stages = {
        "rows read": read,
        "within the window and the filter": read - stats["rows_outside_filters"],
        "of users and items with enough of them": stats["rows_used"],
        "distinct pairs: the matrix": stats["nnz"],
    }
    rows = [Bar(name, value, f"{count(value)} · {100 * value / read:.3g} %") for name, value in stages.items()]
    words = "; ".join(f"{row.name}: {row.shown}" for row in rows)
    return Figure(bars("funnel", "From rows to the matrix", words, rows), "Rows that are left after each step.")
