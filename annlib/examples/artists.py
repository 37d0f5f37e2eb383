r"""Artists by what their listeners share: a table of cosines, and a map of the most played.

    cfpipe run configs/lastfm.toml
    python -m annlib.examples.artists runs/lastfm/indexes/*/artist.cosine.ann \
        --plays $CFPIPE_DATA/lastfm-2k/user_artists.dat -o artists.png

The index is one with names, of metric cosine. The map is t-SNE (van der Maaten & Hinton, JMLR 2008; scikit-learn's) of
our graph of nearest neighbours. An index does not know how often an artist was played: ``--plays`` tells, a table of
which two columns are an id and a count. Without it the longest vectors are taken, since the factors of what few have
played stay short.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.font_manager import FontProperties, findfont, get_font
from sklearn.manifold import TSNE

from annlib import Index
from annlib.compat.sklearn import KNeighborsTransformer
from annlib.examples._figure import add_output, new_figure, save

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.transforms import BboxBase
    from numpy.typing import NDArray

__all__ = ["cosine_table", "main", "map_of", "most_played"]

WELL_KNOWN = (
    "The Beatles", "The Rolling Stones", "Pink Floyd", "Radiohead", "Coldplay", "Metallica",
    "Iron Maiden", "Madonna", "Lady Gaga", "Britney Spears", "Daft Punk", "Depeche Mode",
)  # fmt: skip
_NEIGHBORS = 60
_PERPLEXITY = 15.0


def cosine_table(index: Index, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the cosines between named items, float64 ``(m, m)``; ValueError for a name that is not there."""
    known = _names(index)
    rows = []
    for name in names:
        found = np.flatnonzero(known == name)
        if found.size == 0:
            raise ValueError(f"{index.path}: expected the name of an item, got {name!r}")
        rows.append(int(found[0]))
    vectors = index.vectors[rows].astype(np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(unit @ unit.T)


def _names(index: Index) -> NDArray[np.object_]:
    names = index.names
    if names is None or index.metric != "cosine":
        raise ValueError(f"{index!r}: expected an index of metric cosine with names")
    return names


def print_table(names: Sequence[str], cosines: NDArray[np.float64]) -> None:
    """Print the lower half, the columns numbered as the rows are."""
    width = max(map(len, names))
    print(" " * (width + 4) + "".join(f"{number:>6}" for number in range(1, len(names))))
    for number, (name, row) in enumerate(zip(names, cosines, strict=True)):
        print(f"{number + 1:>2}  {name:{width}}" + "".join(f"{cosine:>6.2f}" for cosine in row[:number]))


def most_played(index: Index, count: int, plays: Path | None, id_column: str, count_column: str) -> NDArray[np.int64]:
    """Return the rows of the items most played; without ``plays``, of the longest vectors."""
    if plays is None:
        return np.argsort(-np.linalg.norm(index.vectors, axis=1), kind="stable")[:count]
    totals: Counter[str] = Counter()
    with plays.open(newline="", encoding="utf-8") as file:
        dialect = "excel" if plays.suffix == ".csv" else "excel-tab"
        reader = csv.DictReader(file, dialect=dialect)
        if missing := {id_column, count_column} - set(reader.fieldnames or ()):
            raise ValueError(f"{plays}: expected columns {id_column} and {count_column}, got no {', '.join(missing)}")
        for row in reader:
            totals[row[id_column]] += int(row[count_column])
    rows = {str(item_id): row for row, item_id in enumerate(index.ids)}
    ranked = [rows[item_id] for item_id, _ in totals.most_common() if item_id in rows]
    return np.array(ranked[:count], dtype=np.int64)


def map_of(index: Index, rows: NDArray[np.int64], seed: int = 0) -> NDArray[np.float32]:
    """Place items in two dimensions by t-SNE of their graph of nearest neighbours; float32 ``(m, 2)``."""
    k = min(_NEIGHBORS, len(rows) - 1)
    graph = KNeighborsTransformer(n_neighbors=k, metric="cosine").fit_transform(index.vectors[rows])
    perplexity = min(_PERPLEXITY, (k - 1) / 3)
    tsne = TSNE(metric="precomputed", init="random", perplexity=perplexity, random_state=seed)
    return np.asarray(tsne.fit_transform(graph), dtype=np.float32)


def draw_map(figure: Figure, places: NDArray[np.float32], names: Sequence[str], title: str) -> None:
    """Draw a point for each item, and the names, most played first, that do not hide others."""
    axes = figure.subplots()
    axes.scatter(places[:, 0], places[:, 1], s=np.linspace(60, 8, len(places)), alpha=0.6, linewidths=0)
    axes.set(
        title=title,
        xticks=[],
        yticks=[],
        xlabel="near each other: played by the same listeners (names that would overlap are left out)",
    )
    axes.margins(0.06)
    labels = [
        axes.annotate(name.strip(), place, xytext=(0, 3), textcoords="offset points", ha="center", fontsize=7)
        for name, place in zip(names, places, strict=True)
        if _has_glyphs(name)
    ]
    _hide_overlaps(figure, labels)


def _has_glyphs(name: str) -> bool:
    """Say whether the font can draw a name: matplotlib's own has few letters but Latin, Greek and Cyrillic ones."""
    font = get_font(findfont(FontProperties()))
    return all(font.get_char_index(ord(letter)) != 0 for letter in name)


def _hide_overlaps(figure: Figure, labels: Sequence[Text]) -> None:
    figure.draw_without_rendering()
    shown: list[BboxBase] = []
    for label in labels:
        box = label.get_window_extent()
        if any(box.overlaps(other) for other in shown):
            label.set_visible(False)
        else:
            shown.append(box)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", type=Path, metavar="INDEX", help="of metric cosine, with names")
    parser.add_argument("--names", nargs="+", default=list(WELL_KNOWN), help="of the table (default: a dozen)")
    parser.add_argument("--plays", type=Path, metavar="TABLE", help="of plays, .csv or else separated by tabs")
    parser.add_argument("--id-column", default="artistID", help="of the table of plays (default: %(default)s)")
    parser.add_argument("--count-column", default="weight", help="of the table of plays (default: %(default)s)")
    parser.add_argument("--count", type=int, default=300, help="artists on the map (default: %(default)s)")
    add_output(parser, "artists.png")
    options = parser.parse_args(arguments)

    index = Index.open(options.index)
    print_table(options.names, cosine_table(index, options.names))
    rows = most_played(index, options.count, options.plays, options.id_column, options.count_column)
    names = _names(index)[rows].tolist()
    figure = new_figure(14, 10)
    draw_map(figure, map_of(index, rows), names, f"{len(rows)} artists of {len(index):,}: t-SNE of annlib's neighbours")
    save(figure, options.output)


if __name__ == "__main__":
    main()
