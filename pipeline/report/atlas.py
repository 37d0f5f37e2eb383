"""Maps as SVG: a dot for each entity, the names that have room, and the data for whoever wants to hover and zoom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from markupsafe import Markup, escape

from pipeline.report.charts import drawing
from pipeline.report.render import count, label

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

#: Units of the drawing across; dots are drawn within a margin.
_WIDTH: Final = 1000.0
_MARGIN: Final = 30.0
#: Dots of a map, at most, so that a report stays small; the most popular entities.
_DOTS: Final = 4_000
#: Colours; what has none of them is grey.
_COLOURS: Final = 9
_OTHER: Final = 10
#: Height and an approximate width of letters, in units: of names that are always shown, and of those on wide screens.
_MAJOR: Final = (32.0, 0.56)
_MINOR: Final = (16.0, 0.54)
_LONGEST_NAME: Final = 28
_NAMED: Final = 400
#: Dots of the most popular ones are larger.
_LARGE: Final = 40


@dataclass(frozen=True)
class Atlas:
    """A map as the page shows it.

    Attributes
    ----------
    entity
        The entity type.
    svg
        The drawing, which needs no script.
    legend
        Style classes of the colours, what each stands for, and how many entities have it.
    data
        For the script: ``points``, each an x and a y in the drawing's units, the number of its colour and its name.
    total
        Entities of the type, of which the map has the most popular.
    """

    entity: str
    svg: Markup
    legend: Sequence[tuple[str, str, int]]
    data: dict[str, Any]
    total: int


def atlas(entity: str, table: pa.Table, total: int) -> Atlas:
    """Draw a map.

    Parameters
    ----------
    entity
        The entity type.
    table
        As :meth:`pipeline.published.PublishedRun.map` gives it.
    total
        Entities of the type.
    """
    table = table.slice(0, _DOTS)
    names = [label(name) for name in table.column("name").to_pylist()]
    places, height = _in_units(np.column_stack([table.column("x").to_numpy(), table.column("y").to_numpy()]))
    groups = table.column("group").to_pylist()
    colours, legend = _colours(groups, names)
    words = (
        f"{count(len(names))} of {count(total)} {entity}s, the most popular ones. Near each other: liked by the same "
        f"people. Among the best known: {', '.join(names[:8])}."
    )
    body = _dots(places, colours) + _labels(places, names, height)
    return Atlas(
        entity,
        drawing(f"map-{entity}", f"Map of {entity}s", words, body, _WIDTH, height),
        legend,
        {
            "height": height,
            "points": [
                [round(x), round(y), colour, name]
                for (x, y), colour, name in zip(places.tolist(), colours, names, strict=True)
            ],
        },
        total,
    )


def _in_units(places: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """Places in the drawing, y downwards, and the height that they need."""
    if not len(places):
        return np.zeros((0, 2)), _WIDTH / 2
    low, high = places.min(axis=0).astype(np.float64), places.max(axis=0).astype(np.float64)
    span = high - low
    if span[1] > span[0]:  # the longer side lies across
        places, low, high, span = places[:, ::-1], low[::-1], high[::-1], span[::-1]
    scale = (_WIDTH - 2 * _MARGIN) / (span[0] or 1.0)
    height = max(span[1] * scale, _WIDTH * 0.4)
    middle = (low + high) / 2
    x = _WIDTH / 2 + (places[:, 0] - middle[0]) * scale
    y = _MARGIN + height / 2 - (places[:, 1] - middle[1]) * scale
    return np.column_stack([x, y]), round(height + 2 * _MARGIN)


def _colours(groups: Sequence[str | None], names: Sequence[str]) -> tuple[list[int], list[tuple[str, str, int]]]:
    """The colour of each entity, and what the colours stand for: the largest groups have one of their own."""
    sizes: dict[str, int] = {}
    first: dict[str, str] = {}
    for group, name in zip(groups, names, strict=True):
        if group is not None:
            sizes[group] = sizes.get(group, 0) + 1
            first.setdefault(group, name)
    largest = sorted(sizes, key=lambda group: -sizes[group])[:_COLOURS]
    numbers = {group: number for number, group in enumerate(largest, start=1)}
    # A cluster is a number, and is known by who is in it.
    are_clusters = set(sizes) == {str(number) for number in range(1, len(sizes) + 1)}
    legend = [
        (f"s{number}", f"around {first[group]}" if are_clusters else label(group), sizes[group])
        for group, number in numbers.items()
    ]
    colours = [_OTHER if group is None else numbers.get(group, _OTHER) for group in groups]
    if _OTHER in colours:
        legend.append((f"s{_OTHER}", "others", colours.count(_OTHER)))
    return colours, legend


def _dots(places: NDArray[np.float64], colours: Sequence[int]) -> str:
    """A path for each colour and size, of lines of no length with round ends: a dot takes a dozen letters."""
    paths: dict[tuple[str, int], list[str]] = {}
    for number, ((x, y), colour) in enumerate(zip(places.tolist(), colours, strict=True)):
        size = "large" if number < _LARGE else "small"
        paths.setdefault((size, colour), []).append(f"M{x:.0f} {y:.0f}h0")
    drawn = [
        f'<path class="dots {size} s{colour}" d="{"".join(moves)}"/>'
        for (size, colour), moves in sorted(paths.items(), reverse=True)
    ]
    return f'<g class="points">{"".join(drawn)}</g>'


def _labels(places: NDArray[np.float64], names: Sequence[str], height: float) -> str:
    """Names that hide no others, most popular first; those that are large enough for a phone, then smaller ones."""
    boxes: list[tuple[float, float, float, float]] = []
    drawn = []
    for kind, (size, width) in (("major", _MAJOR), ("minor", _MINOR)):
        shown = set()
        for number, name in enumerate(names[:_NAMED]):
            text = label(name, _LONGEST_NAME)
            half = max(len(text) * size * width, size) / 2
            x, y = places[number]
            x = min(max(x, half), _WIDTH - half)
            # Over the dot, and with room for the smaller letters of a wide screen as well.
            box = (x - half, y - 6 - size, x + half, y - 6)
            if box[1] < 0 or any(_overlap(box, other) for other in boxes):
                continue
            boxes.append(box)
            shown.add(number)
            drawn.append(
                f'<text class="place {kind}" x="{x:.0f}" y="{min(y - 9, height):.0f}" text-anchor="middle">'
                f"{escape(text)}</text>"
            )
    return f'<g class="labels" aria-hidden="true">{"".join(drawn)}</g>'


def _overlap(first: tuple[float, float, float, float], second: tuple[float, float, float, float]) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]
