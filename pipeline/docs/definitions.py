"""The definitions of the measures in the page about evaluation: the docstrings of what computes them."""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path

from pipeline.evaluation.metrics import CatalogueMetrics, Diversity, ranking_metrics

#: The page, and where in it the definitions stand.
PAGE = Path(__file__).with_name("evaluation.md")
BEGIN, END = "<!-- definitions: begin -->\n", "<!-- definitions: end -->\n"

_ENTRY = re.compile(r"^- (.+?)[;.]?$", re.MULTILINE)


def with_definitions(page: str) -> str:
    """A page with the definitions in their place."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{definitions()}{END}{after}"


def definitions() -> str:
    """What each measure is and what it is divided by, as a Markdown list."""
    entries = [*_entries(ranking_metrics), _paragraph(Diversity, "``diversity@k``"), *_entries(CatalogueMetrics)]
    return "".join(
        f"{textwrap.fill(f'- {entry}.', 120, subsequent_indent='  ', break_on_hyphens=False)}\n" for entry in entries
    )


def _entries(documented: object) -> list[str]:
    """The entries of the list in a docstring."""
    text = re.sub(r"\n  +", " ", _text(documented).partition("\nParameters\n")[0])
    return [_plain(entry) for entry in _ENTRY.findall(text)]


def _paragraph(documented: object, begin: str) -> str:
    """The paragraph of a docstring that begins so."""
    paragraphs = _text(documented).split("\n\n")
    return _plain(next(text for text in paragraphs if text.startswith(begin))).removesuffix(".")


def _text(documented: object) -> str:
    return inspect.getdoc(documented) or ""


def _plain(text: str) -> str:
    """Text without the markup of docstrings."""
    return " ".join(text.replace(r"\\|", "|").replace("``", "`").split())
