"""The pages of the documentation, which are installed with the code they describe."""

from __future__ import annotations

from importlib.resources import files

from pipeline.errors import UnknownNameError

#: The packages whose folder ``docs`` has pages.
_PACKAGES = ("pipeline", "annlib")
#: What a new user reads first.
_FIRST = ("getting-started", "concepts")


def pages() -> dict[str, str]:
    """The Markdown of each page by its name, in the order to read them."""
    found = {
        file.name.removesuffix(".md"): file.read_text(encoding="utf-8")
        for package in _PACKAGES
        for file in sorted((files(package) / "docs").iterdir(), key=lambda file: file.name)
        if file.name.endswith(".md")
    }
    return {name: found[name] for name in (*_FIRST, *(name for name in found if name not in _FIRST))}


def page(name: str) -> str:
    """The Markdown of a page.

    Raises
    ------
    UnknownNameError
        If there is no such page; the message names those there are.
    """
    known = pages()
    if name not in known:
        raise UnknownNameError(f"no page {name!r}", hint=f"The pages: {', '.join(known)}.")
    return known[name]


def title(text: str) -> str:
    """The title of a page, its first heading."""
    return next(line for line in text.splitlines() if line.startswith("# ")).removeprefix("# ")
