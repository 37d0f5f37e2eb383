"""The tables: their scores, what is left of the lists of the run before, and who gets the places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline.data.popularity import interactions_of
from pipeline.report.axes import Axis, linear_axis
from pipeline.report.charts import Bar, Figure, Line, bars, histogram, lines
from pipeline.report.render import count, share
from pipeline.report.table_sample import overlap, read_sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.published import PublishedRun
    from pipeline.report.table_sample import TableSample

_BINS: Final = 40
_PARTS: Final = 10
#: Where in a list scores are looked at, and in which colour they are drawn.
_PLACES: Final = {"first of the list": (0.0, "s1"), "middle": (0.5, "s2"), "last": (1.0, "s3")}


@dataclass(frozen=True)
class TableReport:
    """What is shown of a table.

    Attributes
    ----------
    name, manifest
        The table.
    lists
        Lists that were looked at; all, where ``complete``.
    figures
        Plots of scores, of the overlap with the run before, and of the places.
    covered
        Share of the targets that are in one of the lists looked at.
    against
        What there is to say of the table of the run before.
    """

    name: str
    manifest: Mapping[str, Any]
    lists: int
    complete: bool
    figures: Sequence[Figure]
    covered: float
    against: str


def table_reports(run: PublishedRun, previous: PublishedRun | None) -> list[TableReport]:
    """Look at every table of a run."""
    popularity: dict[str, NDArray[np.int64]] = {}
    return [_report(run, previous, name, folder, popularity) for name, folder in run.tables.items()]


def _report(
    run: PublishedRun,
    previous: PublishedRun | None,
    name: str,
    folder: Path,
    popularity: dict[str, NDArray[np.int64]],
) -> TableReport:
    manifest = run.manifest(name)
    target = manifest["parameters"]["to"]
    sample = read_sample(folder)
    figures, covered = [], 0.0
    against, of_overlap = _against(sample, name, folder, previous)
    if len(sample.starts):
        places = sample.places(run.vocabulary(target))
        covered = float(np.count_nonzero(places) / len(places))
        figures.append(_scores(name, manifest, sample))
        figures += of_overlap
        if run.has_interactions and target not in run.imported:
            if target not in popularity:
                popularity[target] = interactions_of(run.encoded, target)
            figures.append(_long_tail(name, target, places, popularity[target]))
    return TableReport(name, manifest, len(sample.starts), sample.complete, figures, covered, against)


def _scores(name: str, manifest: Mapping[str, Any], sample: TableSample) -> Figure:
    scores = {place: sample.scores_at(at) for place, (at, _) in _PLACES.items()}
    every = np.concatenate(list(scores.values()))
    low, high = float(every.min()), float(every.max())
    edges = np.linspace(low, high if high > low else low + 1.0, _BINS + 1)
    middles = ((edges[:-1] + edges[1:]) / 2).tolist()
    shares = {place: np.histogram(values, edges)[0] / len(values) for place, values in scores.items()}
    series = [Line(place, middles, shares[place].tolist(), style) for place, (_, style) in _PLACES.items()]
    label = f"score ({manifest['parameters'].get('score_type', manifest['parameters']['metric'])})"
    words = "; ".join(f"{place}: median {np.median(values):.3g}" for place, values in scores.items())
    y = linear_axis(np.concatenate(list(shares.values())), "share of lists", from_zero=True)
    svg = lines(f"scores-{name}", f"Scores in {name}", words, series, linear_axis(edges, label), y)
    legend = [(style, place) for place, (_, style) in _PLACES.items()]
    return Figure(svg, f"Scores: {words}.", legend)


def _against(sample: TableSample, name: str, folder: Path, previous: PublishedRun | None) -> tuple[str, list[Figure]]:
    """What there is to say of the table of the run before, and its plot where there is something to compare."""
    if previous is None:
        return "This is the first run: there is none to compare with.", []
    before = previous.tables.get(name)
    if before is None:
        return f"The run of {previous.date} has no such table.", []
    if before == folder:
        return f"The very table of the run of {previous.date}: nothing it is made of has changed.", []
    if not (before / "_SUCCESS").exists():
        return f"The table of the run of {previous.date} has been deleted.", []
    found = overlap(sample, before)
    if found is None or not len(found.shares):
        return f"No list of it is in the table of the run of {previous.date}.", []
    kept = float(found.shares.mean())
    edges = np.linspace(0.0, 1.0, 21)
    heights = np.histogram(found.shares, edges)[0].tolist()
    title = f"Overlap of {name} with the run of {previous.date}"
    words = (
        f"On average {share(kept)} of a list was in it before, over {count(len(found.shares))} lists; "
        f"{count(found.new)} lists are new."
    )
    y = linear_axis(heights, "lists", from_zero=True)
    svg = histogram(f"overlap-{name}", title, words, edges.tolist(), heights, Axis(0.0, 1.0, "share of the list"), y)
    return "", [Figure(svg, f"Overlap with the run of {previous.date}. {words}")]


def _long_tail(name: str, target: str, places: NDArray[np.int64], popularity: NDArray[np.int64]) -> Figure:
    """The places that go to each tenth of the entities by popularity, beside the interactions that they have."""
    order = np.argsort(-popularity, kind="stable")
    parts = [part for part in np.array_split(order, _PARTS) if len(part)]
    of_places = [float(places[part].sum()) / max(int(places.sum()), 1) for part in parts]
    of_interactions = [float(popularity[part].sum()) / max(int(popularity.sum()), 1) for part in parts]
    tenths = list(range(1, len(parts) + 1))
    title = f"Who gets the places of {name}"
    words = (
        f"The most popular tenth of the {target}s has {share(of_places[0])} of the places and "
        f"{share(of_interactions[0])} of the interactions."
    )
    series = [Line("places", tenths, of_places, "s1"), Line("interactions", tenths, of_interactions, "s10")]
    x = Axis(1.0, max(float(len(parts)), 2.0), f"tenths of the {target}s, most popular first")
    y = linear_axis([*of_places, *of_interactions], "share", from_zero=True)
    svg = lines(f"tail-{name}", title, words, series, x, y, dots=True)
    return Figure(svg, f"The long tail. {words}", [("s1", "places in lists"), ("s10", "interactions")])


def recall_figure(reports: Sequence[TableReport]) -> Figure | None:
    """Neighbour recall of the tables that have one."""
    rows = [
        Bar(report.name, report.manifest["neighbor_recall"], f"{report.manifest['neighbor_recall']:.4f}")
        for report in reports
        if report.manifest["neighbor_recall"] is not None
    ]
    if not rows:
        return None
    words = "; ".join(f"{row.name}: {row.shown}" for row in rows)
    return Figure(bars("recall", "Neighbour recall of each table", words, rows), "Measured on a sample of each table.")
