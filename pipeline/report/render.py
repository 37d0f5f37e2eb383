"""From what a report says to its HTML: everything that comes from data is escaped, and nothing can be fetched."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.report.axes import short

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Letters of a name that people read.
_LONGEST_NAME: Final = 120


def render(content: Mapping[str, Any]) -> str:
    """The page.

    Parameters
    ----------
    content
        What ``templates/report.html`` names.
    """
    environment = Environment(
        loader=PackageLoader("pipeline.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "plain": plain,
        "label": label,
        "count": count,
        "short": short,
        "figure": figure,
        "share": share,
        "bytes": size,
        "seconds": seconds,
        "data": as_script_data,
    }
    style, script = _asset("report.css"), _asset("map.js")
    return environment.get_template("report.html").render(
        **content, style=style, script=script, policy=_policy(style, script)
    )


def plain(value: object) -> str:
    """Text from data as it is shown: what cannot be printed, such as control characters, is marked."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(value))


def label(name: object, longest: int = _LONGEST_NAME) -> str:
    """A name from data as it is shown: as :func:`plain` has it, and cut where it is longer than so many letters."""
    text = plain(name)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def count(value: float) -> str:
    """A whole number with its thousands apart."""
    return f"{value:,.0f}"


def figure(value: float | None) -> str:
    """A measure with four digits after the point, or with as many as it takes to see it."""
    if value is None:
        return "–"
    return f"{value:.4f}" if abs(value) >= 0.001 or value == 0.0 else f"{value:.2e}"


def share(value: float) -> str:
    """A share as a percentage."""
    return f"{100 * value:.1f} %"


def size(value: float | None) -> str:
    """Bytes in the unit that suits them."""
    if value is None:
        return "–"
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if value >= 1 << power:
            return f"{value / (1 << power):.3g} {unit}"
    return f"{value:.0f} B"


def seconds(value: float) -> str:
    """A duration."""
    if value < 60:
        return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"
    return f"{value // 60:.0f} min {value % 60:.0f} s"


def as_script_data(value: object) -> Markup:
    """JSON for a script element of type ``application/json``; nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)  # noqa: S704 - what could be markup is written as an escape


def _asset(name: str) -> Markup:
    text = files("pipeline.report").joinpath("templates", name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 - a file of this package


def _policy(style: Markup, script: Markup) -> str:
    """A content security policy that allows this style, this script, and no request at all."""
    hashes = {
        kind: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for kind, text in (("style", style), ("script", script))
    }
    return f"default-src 'none'; style-src 'sha256-{hashes['style']}'; script-src 'sha256-{hashes['script']}'"
