"""How active users are, how popular items are, and when things happened."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline.config import USER
from pipeline.data.popularity import interactions_of
from pipeline.report.axes import Axis, linear_axis, log_axis
from pipeline.report.charts import Figure, Line, histogram, lines
from pipeline.report.render import count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.data.encode import Encoded
    from pipeline.published import PublishedRun

_DAY: Final = 86_400_000_000
_BLOCK: Final = 1 << 22
_BINS: Final = 30
#: Days are counted together where there are more than this.
_POINTS: Final = 180


def distributions(run: PublishedRun) -> list[Figure]:
    """Histograms of the interactions of each entity type, and the events over time; nothing without interactions."""
    if not run.has_interactions:
        return [_norms(run, entity) for entity in run.imported]
    encoded = run.encoded
    figures = [_activity(encoded), _popularity(encoded, encoded.item_entity)]
    attributes = [name for name in run.entities if name not in (USER, encoded.item_entity, *run.imported)]
    figures += [_popularity(encoded, name) for name in attributes]
    if encoded.events is not None:
        figures.append(_over_time(encoded.events.timestamps))
    return figures + [_norms(run, entity) for entity in run.imported]


def counts_histogram(key: str, title: str, values: NDArray[Any], x_label: str, y_label: str) -> Figure:
    """A histogram of counts, on logarithmic axes, and its quantiles in words."""
    positive = values[values > 0]
    if not len(positive):
        positive = np.ones(1)
    edges = _log_edges(int(positive.max()))
    heights = np.histogram(positive, edges)[0].tolist()
    middle, ninety, most = np.quantile(positive, [0.5, 0.9, 1.0], method="inverted_cdf")
    words = f"Median {count(middle)}; nine in ten have at most {count(ninety)}; the most is {count(most)}."
    # From below 1, so that a bar of one is to be seen.
    y = Axis(0.6, max(*heights, 10) * 1.2, y_label, log=True)
    x = log_axis([edges[0], edges[-1]], x_label)
    return Figure(histogram(key, title, words, edges, heights, x, y), f"{title}. {words}")


def _activity(encoded: Encoded) -> Figure:
    items = interactions_of(encoded, USER)
    return counts_histogram("activity", "Activity of users", items, f"{encoded.item_entity}s of a user", "users")


def _popularity(encoded: Encoded, entity: str) -> Figure:
    popularity = interactions_of(encoded, entity)
    label = "users of an item" if entity == encoded.item_entity else f"interactions with a {entity}"
    label = label.replace("an item", f"a {entity}")
    return counts_histogram(f"popularity-{entity}", f"Popularity of {entity}s", popularity, label, f"{entity}s")


def _log_edges(most: int) -> list[float]:
    """Edges between whole numbers, ever further apart."""
    edges = np.unique(np.floor(np.geomspace(1, most + 1, _BINS + 1)))
    if edges[-1] <= most:
        edges = np.append(edges, most + 1)
    result: list[float] = edges.tolist()
    return result if len(result) > 1 else [1.0, 2.0]


def _over_time(timestamps: NDArray[np.int64]) -> Figure:
    """Events of each day, or of each few days; read in blocks."""
    blocks = range(0, len(timestamps), _BLOCK)
    first = min(int(timestamps[start : start + _BLOCK].min()) for start in blocks) // _DAY
    last = max(int(timestamps[start : start + _BLOCK].max()) for start in blocks) // _DAY
    width = -(-(last - first + 1) // _POINTS)
    events = np.zeros((last - first) // width + 1, dtype=np.int64)
    for start in blocks:
        day_numbers = timestamps[start : start + _BLOCK] // _DAY - first
        events += np.bincount(day_numbers // width, minlength=len(events))
    begin, end = (datetime.date(1970, 1, 1) + datetime.timedelta(days=int(day)) for day in (first, last))
    per = "day" if width == 1 else f"{width} days"
    title = f"Events per {per}"
    words = f"From {begin} to {end}; at most {count(events.max())} in {'a' if width == 1 else 'any'} {per}."
    since = [float(number * width) for number in range(len(events))]
    x, y = (
        linear_axis([0, max(since)], f"days since {begin}", from_zero=True),
        linear_axis(events, "events", from_zero=True),
    )
    line = Line("events", since, events.tolist(), "s1")
    return Figure(lines("over-time", title, words, [line], x, y), f"{title}. {words}")


def _norms(run: PublishedRun, entity: str) -> Figure:
    """Lengths of vectors that come from a file; of many, of a part that is evenly spread."""
    vectors = run.vectors(entity)
    step = max(1, len(vectors) // 100_000)
    lengths = np.linalg.norm(vectors[::step], axis=1)
    heights, edges = np.histogram(lengths, _BINS)
    title = f"Lengths of the vectors of {entity}s"
    words = f"Median {np.median(lengths):.3g}, from {lengths.min():.3g} to {lengths.max():.3g}."
    x, y = linear_axis(edges, "length"), linear_axis(heights, f"{entity}s", from_zero=True)
    svg = histogram(f"lengths-{entity}", title, words, edges.tolist(), heights.tolist(), x, y)
    return Figure(svg, f"{title}. {words}")
