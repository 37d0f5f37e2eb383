"""Plots as SVG, drawn for a narrow column: they are read on a phone as on a wide screen.

Every plot has words: a title, and a description that says what somebody who sees it would see.
Colours and type come from the page's style sheet, by the classes ``s1`` to ``s10``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.report.axes import Axis

_WIDTH: Final = 360.0
_HEIGHT: Final = 210.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 54.0, 10.0, 10.0, 40.0
_ROW: Final = 34.0
#: A bar of next to nothing is still to be seen.
_FLOOR: Final = 0.75
#: About the width of a letter of a bar's value, and what is between the two.
_LETTER, _GAP = 6.4, 8.0


@dataclass(frozen=True)
class Figure:
    """A plot, what stands under it, and what its colours mean.

    Attributes
    ----------
    svg
        The plot.
    caption
        A sentence or two.
    legend
        Style classes and what they stand for.
    """

    svg: Markup
    caption: str
    legend: Sequence[tuple[str, str]] = field(default_factory=tuple)


@dataclass(frozen=True)
class Line:
    """Points that are joined; ``style`` is a class of the style sheet, as ``"s1"``."""

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    style: str


@dataclass(frozen=True)
class Bar:
    """One bar, with an interval where there is one."""

    name: str
    value: float
    shown: str
    style: str = "s1"
    interval: tuple[float, float] | None = None


def histogram(
    key: str, title: str, words: str, edges: Sequence[float], counts: Sequence[float], x: Axis, y: Axis
) -> Markup:
    """Bars between edges.

    Parameters
    ----------
    key
        Unique on the page; letters, digits and hyphens.
    title, words
        What the plot is, and what is to be seen on it.
    edges, counts
        One more edge than counts.
    x, y
        The axes. On a logarithmic ``y``, a count of 1 is still to be seen.
    """
    bars = []
    for left, right, count in zip(edges[:-1], edges[1:], counts, strict=True):
        if count > 0:
            start, end = _across(x, left), _across(x, right)
            top = _down(y, count)
            bars.append(
                f'<rect x="{start:.1f}" y="{top:.1f}" width="{max(end - start - 0.6, 0.6):.1f}" '
                f'height="{_HEIGHT - _BOTTOM - top:.1f}"/>'
            )
    return _framed(key, title, words, f'<g class="fill s1">{"".join(bars)}</g>', x, y)


def lines(key: str, title: str, words: str, series: Iterable[Line], x: Axis, y: Axis, *, dots: bool = False) -> Markup:
    """Lines, each in a colour of its own; with ``dots``, each point is marked. See :func:`histogram`."""
    drawn = []
    for line in series:
        points = [(_across(x, at), _down(y, value)) for at, value in zip(line.xs, line.ys, strict=True)]
        path = "".join(f"{'L' if n else 'M'}{a:.1f} {b:.1f}" for n, (a, b) in enumerate(points))
        drawn.append(f'<path class="line {line.style}" d="{path}"/>')
        if dots or len(points) == 1:
            marks = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in points)
            drawn.append(f'<path class="dots {line.style}" d="{marks}"/>')
    return _framed(key, title, words, "".join(drawn), x, y)


def bars(key: str, title: str, words: str, rows: Sequence[Bar]) -> Markup:
    """Horizontal bars from zero, each under its name, with its value and its interval. See :func:`histogram`."""
    most = max((max(row.value, row.interval[1] if row.interval else 0.0) for row in rows), default=0.0) or 1.0
    # Room for the value to the right of the longest bar.
    length = _WIDTH - _GAP - _LETTER * max((len(row.shown) for row in rows), default=0)
    drawn = []
    for number, row in enumerate(rows):
        top = number * _ROW
        width = max(length * row.value / most, _FLOOR)
        drawn.append(f'<text class="name" x="0" y="{top + 12:.1f}">{escape(row.name)}</text>')
        drawn.append(
            f'<rect class="fill {row.style}" x="0" y="{top + 17:.1f}" width="{width:.1f}" height="10" rx="2"/>'
        )
        end = width
        if row.interval is not None:
            low, high = (length * end / most for end in row.interval)
            middle = top + 22
            drawn.append(
                f'<path class="whisker" d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 4}v8'
                f'M{high:.1f} {middle - 4}v8"/>'
            )
            end = max(end, high)
        drawn.append(f'<text class="value" x="{end + _GAP - 2:.1f}" y="{top + 26:.1f}">{escape(row.shown)}</text>')
    return drawing(key, title, words, "".join(drawn), _WIDTH, _ROW * len(rows))


def drawing(key: str, title: str, words: str, body: str, width: float, height: float) -> Markup:
    """An SVG with a title and a description; ``body`` is markup."""
    return Markup(  # noqa: S704 - texts are escaped, numbers are formatted
        f'<svg class="plot" role="img" viewBox="0 0 {width:g} {height:g}" aria-labelledby="{key}-title {key}-words">'
        f'<title id="{key}-title">{escape(title)}</title><desc id="{key}-words">{escape(words)}</desc>{body}</svg>'
    )


def _framed(key: str, title: str, words: str, body: str, x: Axis, y: Axis) -> Markup:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = []
    for value, text in y.marks():
        at = _down(y, value)
        parts.append(f'<path class="grid" d="M{_LEFT} {at:.1f}H{right}"/>')
        parts.append(f'<text class="mark" x="{_LEFT - 6}" y="{at + 3.5:.1f}" text-anchor="end">{text}</text>')
    for value, text in x.marks():
        at = _across(x, value)
        parts.append(f'<path class="tick" d="M{at:.1f} {bottom}v4"/>')
        parts.append(f'<text class="mark" x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">{text}</text>')
    parts.append(body)
    parts.append(f'<path class="axis" d="M{_LEFT} {bottom}H{right}"/>')
    middle = (_LEFT + right) / 2
    parts.append(f'<text class="label" x="{middle}" y="{_HEIGHT - 5}" text-anchor="middle">{escape(x.label)}</text>')
    turned = f'transform="translate(11 {(_TOP + bottom) / 2}) rotate(-90)"'
    parts.append(f'<text class="label" {turned} text-anchor="middle">{escape(y.label)}</text>')
    return drawing(key, title, words, "".join(parts), _WIDTH, _HEIGHT)


def _across(axis: Axis, value: float) -> float:
    return _LEFT + axis.place(value) * (_WIDTH - _LEFT - _RIGHT)


def _down(axis: Axis, value: float) -> float:
    return _TOP + (1.0 - axis.place(value)) * (_HEIGHT - _TOP - _BOTTOM)
