"""Quality on the hold-out: of the model beside the baselines, by segment, and how far into the catalogue it reaches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pipeline.report.charts import Bar, Figure, bars
from pipeline.report.render import figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What is measured by its name in the evaluation, in the order it is shown.
SYSTEMS: Final = {
    "model": "model",
    "item_knn": "item k-NN",
    "recent_popularity": "recent popularity",
    "popularity": "popularity",
}
_ACCURACY: Final = ("recall", "precision", "ndcg", "map", "mrr", "hit_rate")
_CATALOGUE: Final = {
    "coverage": "share of the catalogue that is in some list",
    "gini": "inequality of how often items are recommended; 0 is even, 1 is one item alone",
    "novelty": "mean −log₂ of the share of users who have an item: more is less known",
    "diversity": "mean cosine distance of the items in a list",
}
_SHOWN_CUTOFF: Final = 20


@dataclass(frozen=True)
class Measure:
    """A measure of every system.

    Attributes
    ----------
    name
        As ``"ndcg@20"``.
    values
        By system; None where it was not measured.
    intervals
        Bootstrap intervals by system, where there are.
    about
        What it is, where the name does not say it.
    """

    name: str
    values: Mapping[str, float | None]
    intervals: Mapping[str, tuple[float, float]]
    about: str = ""


@dataclass(frozen=True)
class Quality:
    """What the section on quality shows; see ``templates/report.html``."""

    evaluation: Mapping[str, Any]
    systems: Mapping[str, str]
    accuracy: Sequence[Measure]
    catalogue: Sequence[Measure]
    figures: Sequence[Figure]
    segments: Sequence[Figure]


def quality(evaluation: Mapping[str, Any], gate_metric: str) -> Quality:
    """Choose what is shown of an evaluation.

    Parameters
    ----------
    evaluation
        What :mod:`pipeline.evaluation.files` wrote.
    gate_metric
        The measure that gates look at, as ``"ndcg@20"``: shown first.
    """
    measures = {"model": evaluation["model"], **evaluation.get("baselines", {"popularity": evaluation["popularity"]})}
    systems = {name: title for name, title in SYSTEMS.items() if name in measures}
    cutoffs = sorted({int(key.partition("@")[2]) for key in evaluation["model"]})
    intervals = evaluation.get("intervals", {})

    def measure(name: str, about: str = "") -> Measure:
        return Measure(
            name,
            {system: measures[system].get(name) for system in systems},
            {system: tuple(intervals[system][name]) for system in systems if name in intervals.get(system, {})},
            about,
        )

    cutoff = min(cutoffs, key=lambda k: abs(k - _SHOWN_CUTOFF))
    shown = list(dict.fromkeys([gate_metric, f"recall@{cutoff}"]))
    return Quality(
        evaluation,
        systems,
        [measure(f"{name}@{k}") for k in cutoffs for name in _ACCURACY if f"{name}@{k}" in evaluation["model"]],
        [
            measure(f"{name}@{cutoff}", about)
            for name, about in _CATALOGUE.items()
            if f"{name}@{cutoff}" in evaluation["model"]
        ],
        [_compared(measure(name), systems) for name in shown],
        _segments(evaluation.get("segments", {}), gate_metric, cutoff),
    )


def _compared(measure: Measure, systems: Mapping[str, str]) -> Figure:
    rows = []
    for system, title in systems.items():
        value = measure.values[system]
        if value is not None:
            style = "s1" if system == "model" else "s10"
            rows.append(Bar(title, value, figure(value), style, measure.intervals.get(system)))
    words = "; ".join(f"{row.name} {row.shown}{_interval(row)}" for row in rows)
    key = measure.name.replace("@", "-at-")
    caption = f"{measure.name}, with 95 % bootstrap intervals over users."
    return Figure(bars(f"quality-{key}", f"{measure.name} of the model and the baselines", words, rows), caption)


def _interval(row: Bar) -> str:
    return f" ({figure(row.interval[0])} to {figure(row.interval[1])})" if row.interval else ""


def _segments(segments: Mapping[str, Any], gate_metric: str, cutoff: int) -> list[Figure]:
    of_users, of_items = segments.get("by_activity", []), segments.get("by_popularity", [])
    figures = []
    if of_users and all(gate_metric in segment["measures"] for segment in of_users):
        names = [f"{each['name']}: {_range(each)} items, {each['users']:,} users" for each in of_users]
        figures.append(_segment_figure(f"{gate_metric} by the activity of users", names, of_users, gate_metric))
    if of_items:
        names = [f"{each['name']}: {each['items']:,} items with {_range(each)} users" for each in of_items]
        for title, measure in (
            (f"recall@{cutoff} by the popularity of items", f"recall@{cutoff}"),
            ("Share of the recommended places by the popularity of items", f"share@{cutoff}"),
        ):
            figures.append(_segment_figure(title, names, of_items, measure))
    return figures


def _segment_figure(title: str, names: Sequence[str], segments: Sequence[Mapping[str, Any]], measure: str) -> Figure:
    values = [segment["measures"][measure] for segment in segments]
    rows = [Bar(name, value, figure(value)) for name, value in zip(names, values, strict=True)]
    words = "; ".join(f"{row.name}: {row.shown}" for row in rows)
    key = f"segments-{title.replace('@', '-at-').replace(' ', '-').lower()}"
    return Figure(bars(key, title, words, rows), f"{title}.")


def _range(segment: Mapping[str, Any]) -> str:
    least, most = segment["least"], segment["most"]
    return f"{least:,}" if least == most else f"{least:,} to {most:,}"
