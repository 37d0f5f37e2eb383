"""Maps: the most popular entities of a type in two dimensions, near each other where their vectors are.

The nearest neighbours are ours, and exact; t-SNE (van der Maaten & Hinton, JMLR 2008), by scikit-learn, lays their
graph out. It starts from the two directions of most variance, which keeps far apart what is far apart (Kobak & Berens,
Nature Communications 2019), and all is computed on one thread, so that the same input gives the same bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

import annlib

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.data.vocabulary import Vocabulary

#: Raised whenever what :func:`save_map` writes changes, so that nothing older is taken for it.
SCHEMA_VERSION: Final = 2

#: Neighbours that each entity is drawn towards, about.
_PERPLEXITY: Final = 20.0
#: Steps of the layout; on 2,000 entities, as many again move them by less than the size of a point.
_STEPS: Final = 500
#: How coarsely far-off entities are summed up in a step: 0 is exact.
_ANGLE: Final = 0.8
#: Fewer entities are placed by variance alone: they have no neighbourhoods to speak of.
_FEWEST: Final = 10
#: Clusters that a map is coloured by, at most: more colours are not told apart.
_CLUSTERS: Final = 10
#: An attribute colours a map if it has no more values than this.
MOST_VALUES: Final = 30


def choose_rows(popularity: NDArray[Any], vectors: NDArray[np.float32], limit: int) -> NDArray[np.int64]:
    """The rows of the most popular entities that have a direction, most popular first, ties by row.

    Parameters
    ----------
    popularity
        Of each entity, shape ``(n,)``.
    vectors
        float32, shape ``(n, d)``; may be memory-mapped, and only the rows in question are read.
    limit
        How many, at most.
    """
    limit = min(limit, len(popularity))
    # A partial order first: of a million entities, a few thousand are wanted.
    least = np.partition(popularity, len(popularity) - limit)[len(popularity) - limit] if limit else 0
    among = np.flatnonzero(popularity >= least)
    rows = among[np.argsort(-popularity[among], kind="stable")][:limit]
    return rows[np.any(vectors[rows], axis=1)] if limit else rows


def place(vectors: NDArray[np.float32], *, seed: int) -> NDArray[np.float32]:
    """Lay entities out in the plane by the graph of their nearest neighbours under the cosine.

    Parameters
    ----------
    vectors
        float32, shape ``(n, d)``, none of them zero.
    seed
        Of the index and of the layout.

    Returns
    -------
    float32, shape ``(n, 2)``, within 0 and 1; both axes have one scale.
    """
    if not len(vectors):
        return np.zeros((0, 2), dtype=np.float32)
    # Takes a second, which only a new map is worth; and before the limit, which is of the libraries that are loaded.
    from sklearn.manifold import TSNE

    with threadpool_limits(1):
        start = _principal_plane(_units(vectors))
        if len(vectors) < _FEWEST:
            return _within_unit_square(start)
        perplexity = min(_PERPLEXITY, (len(vectors) - 1) / 3.5)
        layout = TSNE(
            metric="precomputed",
            init=start,
            perplexity=perplexity,
            angle=_ANGLE,
            max_iter=_STEPS,
            random_state=seed,
        )
        return _within_unit_square(layout.fit_transform(_neighbor_graph(vectors, int(3 * perplexity + 1), seed)))


def cluster(vectors: NDArray[np.float32], *, seed: int) -> list[str]:
    """Number of the cluster of each entity, as text: ``"1"`` is that of the first, the next new one is ``"2"``.

    Parameters
    ----------
    vectors
        float32, shape ``(n, d)``, none of them zero; clustered by direction, with k-means.
    seed
        Of the first centres.
    """
    units = _units(vectors)
    n_clusters = min(_CLUSTERS, round(np.sqrt(len(units))), len(np.unique(units, axis=0)))
    if n_clusters < 2:
        return ["1"] * len(units)
    from sklearn.cluster import KMeans  # before the limit, as above

    with threadpool_limits(1):
        labels = KMeans(n_clusters, n_init=4, random_state=seed).fit_predict(units)
    numbers = {label: str(number) for number, label in enumerate(dict.fromkeys(labels.tolist()), start=1)}
    return [numbers[label] for label in labels.tolist()]


def attribute_groups(item_values: csr_matrix, names: pa.Array, rows: NDArray[np.int64]) -> list[str | None]:
    """The value of an attribute that each item has; of several the one that fewest items have, which says most.

    Parameters
    ----------
    item_values
        Which items have which values, shape ``(n_items, n_values)``.
    names
        Names of the values, shape ``(n_values,)``.
    rows
        The items wanted.

    Returns
    -------
    A name for each of ``rows``, None for an item without a value.
    """
    items = np.bincount(item_values.indices, minlength=item_values.shape[1])
    groups: list[str | None] = []
    for row in rows.tolist():
        values = item_values.indices[item_values.indptr[row] : item_values.indptr[row + 1]]
        groups.append(names[int(values[np.argmin(items[values])])].as_py() if len(values) else None)
    return groups


def save_map(
    path: Path,
    vocabulary: Vocabulary,
    rows: NDArray[np.int64],
    places: NDArray[np.float32],
    groups: list[str] | list[str | None],
) -> None:
    """Write a map as Parquet, with columns ``id, name, x, y, group``; the same content gives the same bytes.

    Parameters
    ----------
    path
        The file.
    vocabulary
        Ids and names of the entity type.
    rows
        The entities on the map, most popular first.
    places
        float32, shape ``(len(rows), 2)``.
    groups
        What each is coloured by.
    """
    indices = pa.array(rows)
    table = {
        "id": vocabulary.ids.take(indices),
        "name": vocabulary.display_names().take(indices),
        "x": pa.array(places[:, 0]),
        "y": pa.array(places[:, 1]),
        "group": pa.array(groups, pa.string()),
    }
    pq.write_table(pa.table(table), path, compression="zstd")


def _units(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    # In float64, in which no square of a float32 vanishes or overflows.
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    units: NDArray[np.float32] = (vectors / lengths).astype(np.float32)
    return units


def _neighbor_graph(vectors: NDArray[np.float32], k: int, seed: int) -> csr_matrix:
    """Distances of each entity, itself first, to its k nearest: chords, whose squares are 2 - 2 cosine."""
    index = annlib.Index.build(vectors, metric="cosine", seed=seed)
    rows, cosines = index.neighbor_rows(k)
    itself = np.arange(len(rows))[:, np.newaxis]
    chords = np.sqrt(np.maximum(2.0 - 2.0 * cosines.astype(np.float64), 0.0))
    indptr = np.arange(len(rows) + 1) * (k + 1)
    columns, distances = np.hstack([itself, rows]), np.hstack([np.zeros(itself.shape), chords])
    return csr_matrix((distances.ravel(), columns.ravel(), indptr), shape=(len(rows), len(rows)))


def _principal_plane(units: NDArray[np.float32]) -> NDArray[np.float32]:
    """The two directions of most variance, scaled as t-SNE wants its start: float32, shape ``(n, 2)``."""
    centred = units.astype(np.float64) - units.mean(axis=0, dtype=np.float64)
    plane = np.zeros((len(units), 2))
    _, directions = np.linalg.eigh(centred.T @ centred)
    for axis in range(min(2, units.shape[1])):
        direction = directions[:, -1 - axis]
        # An eigenvector's sign is open: its largest component is positive.
        plane[:, axis] = centred @ (direction * np.sign(direction[np.argmax(np.abs(direction))]))
    spread = plane[:, 0].std()
    return (1e-4 * plane / spread if spread > 0.0 else plane).astype(np.float32)


def _within_unit_square(places: NDArray[np.float32]) -> NDArray[np.float32]:
    low, high = places.min(axis=0).astype(np.float64), places.max(axis=0).astype(np.float64)
    span = float((high - low).max())
    centred = (places - (low + high) / 2.0) / (span if span > 0.0 else 1.0) + 0.5
    within: NDArray[np.float32] = np.clip(centred, 0.0, 1.0).astype(np.float32)
    return within
