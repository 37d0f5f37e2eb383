"""Every page of the documentation does what it says."""

from __future__ import annotations

import gzip
import re
import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = ("pipeline/docs", "annlib/docs")
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    *(page for folder in FOLDERS for page in sorted((REPOSITORY / folder).glob("*.md"))),
]

#: The blocks that are not run, each with a reason in its page: so many of each, and no more.
NOT_RUN = {"README.md": 1, "CONTRIBUTING.md": 1, "operations.md": 1, "exports.md": 2}

_LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_ARTISTS = ["Radiohead", "Portishead", "Björk", "Depeche Mode", *(f"Artist {number}" for number in range(36))]
_CONFIG = """
[run]
root = "runs/lastfm"

[interactions]
path = "plays.csv"
user = "user"
item = "artist"

[entities.artist]
column = "artist"
names = { path = "artists.csv", id = "id", name = "name" }

[factorize]
factors = 4
iterations = 2

[gates]
min_against_popularity = 0.0
"""


def _readme(folder: Path) -> dict[str, Any]:
    """What the README calls yours: data, a configuration, the roots of other runs, vectors."""
    rng = np.random.default_rng(0)
    plays = [f"{user},{artist}" for user in range(60) for artist in rng.choice(len(_ARTISTS), 12, replace=False)]
    (folder / "plays.csv").write_text("\n".join(["user,artist", *plays, ""]))
    names = [f"{number},{name}" for number, name in enumerate(_ARTISTS)]
    (folder / "artists.csv").write_text("\n".join(["id,name", *names, ""]))
    (folder / "config.toml").write_text(_CONFIG)
    (folder / "runs").mkdir()
    for name in ("a", "b"):
        (folder / "runs" / name).symlink_to("lastfm")
    _write_words(folder / "GoogleNews-vectors-negative300.bin.gz", ["king", "queen", "man", "woman", "apple"], rng)
    vectors = rng.standard_normal((200, 8)).astype(np.float32)
    return {"vectors": vectors, "ids": [f"track {row}" for row in range(200)], "queries": vectors[:3]}


def _write_words(path: Path, words: list[str], rng: np.random.Generator) -> None:
    """A file as word2vec wrote it."""
    with gzip.open(path, "wb") as file:
        file.write(f"{len(words)} 4\n".encode())
        for word in words:
            file.write(f"{word} ".encode() + struct.pack("<4f", *rng.standard_normal(4)) + b"\n")


STAND_INS = {"README.md": _readme}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_every_block_of_a_page_does_what_it_says(path, run_page):
    run_page(path, STAND_INS.get(path.name))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_links_lead_somewhere(path):
    for link in _LINK.findall(path.read_text(encoding="utf-8")):
        target, _, anchor = link.partition("#")
        linked = path if not target else path.parent / target
        assert linked.exists(), link
        if anchor:
            assert anchor in {_anchor(title) for title in _HEADING.findall(linked.read_text(encoding="utf-8"))}, link


@pytest.mark.parametrize("picture", sorted(REPOSITORY.glob("*/docs/*.svg")), ids=lambda path: path.name)
def test_pictures_are_drawn_for_every_reader(picture):
    root = ElementTree.parse(picture).getroot()  # noqa: S314 - our own picture
    texts = [root.find(f"{{http://www.w3.org/2000/svg}}{part}").text for part in ("title", "desc", "style")]
    assert all(texts)
    assert "prefers-color-scheme: dark" in texts[-1]
    assert "href" not in picture.read_text(encoding="utf-8")


def _anchor(title: str) -> str:
    """How a heading is linked to."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_few_blocks_are_not_run_and_each_says_why(documentation):
    blocks = {path.name: documentation.Page.read(path).blocks for path in PAGES}
    not_run = {name: sum(block.not_run is not None for block in of_page) for name, of_page in blocks.items()}
    assert {name: count for name, count in not_run.items() if count} == NOT_RUN
