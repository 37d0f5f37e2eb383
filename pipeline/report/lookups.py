"""Look-ups for the eye to judge: what is nearest to entities that everybody knows, and how alike these are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.config import USER
from pipeline.errors import UnknownNameError
from pipeline.names import find_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.config import ReportSettings
    from pipeline.published import PublishedRun

#: Entities looked up where no setting names any, and neighbours shown of each.
_LOOKUPS: Final = 12
_NEIGHBORS: Final = 8
#: Steps of the colour that a cosine is given, from 0 to 1.
_SHADES: Final = 10


@dataclass(frozen=True)
class Lookup:
    """An entity and what is nearest to it: names with their cosines. Without neighbours, what was asked is unknown."""

    name: str
    neighbors: Sequence[tuple[str, float]] | None


@dataclass(frozen=True)
class CosineTable:
    """Cosines between entities: for each its name, and the cosine with those before it, with the shade of its cell."""

    entity: str
    names: Sequence[str]
    rows: Sequence[Sequence[tuple[float, int]]]


def shown_entities(run: PublishedRun) -> list[str]:
    """The entity types that are looked up, those first that say most to a person: attributes of the items."""
    files = list(run.imported)
    item = [run.encoded.item_entity] if run.has_interactions else []
    attributes = [name for name in run.entities if name not in (USER, *item, *files)]
    return attributes + item + files


def lookups(run: PublishedRun, entity: str, settings: ReportSettings) -> list[Lookup]:
    """Look up what the settings name, or what is most popular."""
    vocabulary = run.vocabulary(entity)
    found = []
    rows = []
    for query in settings.lookups.get(entity, ()):
        try:
            rows.append(find_row(vocabulary, entity, query))
        except UnknownNameError:
            found.append(Lookup(str(query), None))
    if entity not in settings.lookups:
        rows = well_known(run, entity).tolist()
    index = run.index(entity, "cosine")
    neighbors, cosines = index.neighbor_rows(_NEIGHBORS, rows=np.array(rows, dtype=np.int64))
    for row, near, scores in zip(rows, neighbors.tolist(), cosines.tolist(), strict=True):
        names = [(vocabulary.name(other), score) for other, score in zip(near, scores, strict=True) if other >= 0]
        found.append(Lookup(vocabulary.name(row), names))
    return found


def cosine_table(run: PublishedRun, entity: str) -> CosineTable:
    """Cosines between the most popular entities of a type."""
    rows = well_known(run, entity)
    vectors = run.vectors(entity)[rows].astype(np.float64)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = (units @ units.T).tolist()
    vocabulary = run.vocabulary(entity)
    return CosineTable(
        entity,
        [vocabulary.name(row) for row in rows.tolist()],
        [[(cosine, _shade(cosine)) for cosine in row[:number]] for number, row in enumerate(cosines)],
    )


def well_known(run: PublishedRun, entity: str) -> NDArray[np.int64]:
    """Rows of the most popular entities, as the map has them; they have a direction."""
    ids = run.map(entity).column("id").slice(0, _LOOKUPS).combine_chunks()
    return run.vocabulary(entity).rows(ids).astype(np.int64)


def _shade(cosine: float) -> int:
    return round(_SHADES * min(max(cosine, 0.0), 1.0))
