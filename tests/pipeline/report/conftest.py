"""Runs whose reports are looked at."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import numpy as np
import pytest

import pipeline

if TYPE_CHECKING:
    from pathlib import Path

#: Elements of HTML and SVG that have no end tag.
_VOID = {"br", "input", "meta", "link", "img", "hr"}

HOSTILE_NAMES = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></svg><b>bold</b>",
    "a & b &lt; c",
    "bell \x07 and \u202eoverride",
    "{{ 7 * 7 }}",
    "long" * 25_000,
]


class _Reader(HTMLParser):
    """Elements with their attributes and text; fails where tags do not match."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs), (tag, attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open, tag
        assert self._open[-1] == tag, (tag, self._open)
        self._open.pop()

    def handle_data(self, data):
        if self._open and self._open[-1] not in ("script", "style"):
            self.texts.append(data)

    def close(self):
        super().close()
        assert self._open == []


@dataclass(frozen=True)
class Report:
    """A report, read."""

    path: Path
    html: str
    elements: list[tuple[str, dict[str, str | None]]]
    text: str

    @property
    def drawings(self) -> list[str]:
        return re.findall(r"<svg .*?</svg>", self.html, re.DOTALL)


@pytest.fixture(scope="session")
def read_report():
    """Read a report, checking that its tags match."""

    def read(path):
        html = path.read_text(encoding="utf-8")
        reader = _Reader()
        reader.feed(html)
        reader.close()
        return Report(path, html, reader.elements, " ".join(" ".join(reader.texts).split()))

    return read


def _report_of(root, read_report):
    run = pipeline.open_run(root)
    return read_report(run.root / run.content["report"])


@pytest.fixture(scope="session")
def report(published, read_report):
    """Of the small project's first run."""
    return _report_of(published.root, read_report)


@pytest.fixture(scope="session")
def second_report(published, command, read_report, tmp_path_factory):
    """Of a second run, with other vectors."""
    root = tmp_path_factory.mktemp("second") / "runs"
    shutil.copytree(published.root, root)
    settings = [f"run.root={root}", "factorize.factors=6", "gates.max_fall=1.0"]
    arguments = ["--date", "2026-02-01", *(each for setting in settings for each in ("--set", setting))]
    result = command("cfpipe", "run", published.config, *arguments)
    assert result.returncode == 0, result.stderr
    return _report_of(root, read_report)


@pytest.fixture(scope="session")
def hostile_report(published, command, read_report, tmp_path_factory):
    """Of a run without timestamps and without tables, of tracks with hostile names."""
    folder = tmp_path_factory.mktemp("hostile")
    shutil.copy(published.folder / "plays.csv", folder)
    lines = ["id\ttitle"]
    lines += [f"t{track:03d}\t{HOSTILE_NAMES[track % len(HOSTILE_NAMES)]}" for track in range(60)]
    (folder / "names.tsv").write_text("\n".join([*lines, ""]), encoding="utf-8")
    lookups = '["t003", "<i>nobody</i>", "{{ 7 * 7 }}"]'
    (folder / "config.toml").write_text(
        f"""
        tables = []
        [run]
        name = "<h1>run</h1>"
        root = "{folder}/runs"
        date = 2026-01-31
        [interactions]
        path = "{folder}/plays.csv"
        user = "user"
        item = "track"
        [entities.track]
        column = "track"
        names = {{ path = "{folder}/names.tsv", id = "id", name = "title" }}
        [factorize]
        model = "spectral"
        factors = 8
        [report]
        lookups = {{ track = {lookups} }}
        """
    )
    result = command("cfpipe", "run", folder / "config.toml")
    assert result.returncode == 0, result.stderr
    return _report_of(folder / "runs", read_report)


@pytest.fixture(scope="session")
def words_report(command, read_report, tmp_path_factory):
    """Of a run whose vectors come from a file."""
    folder = tmp_path_factory.mktemp("words")
    vectors = np.random.default_rng(0).normal(size=(80, 6)).round(3)
    lines = [" ".join([f"word{number}", *map(str, vector)]) for number, vector in enumerate(vectors.tolist())]
    (folder / "words.txt").write_text("\n".join(["80 6", *lines, ""]))
    (folder / "config.toml").write_text(
        f"""
        [run]
        name = "words"
        root = "{folder}/runs"
        date = 2026-01-31
        [entities.word]
        vectors = {{ path = "{folder}/words.txt" }}
        """
    )
    result = command("cfpipe", "run", folder / "config.toml")
    assert result.returncode == 0, result.stderr
    return _report_of(folder / "runs", read_report)


@pytest.fixture(params=["report", "second_report", "hostile_report", "words_report"])
def any_report(request):
    """Each of the reports."""
    return request.getfixturevalue(request.param)
