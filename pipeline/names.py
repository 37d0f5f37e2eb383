"""From what a person typed to one row of a vocabulary."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz import fuzz, process

from pipeline.errors import UnknownNameError

if TYPE_CHECKING:
    from pipeline.data.vocabulary import Vocabulary

#: How many names an error suggests, and how alike (0 to 100) they must be.
_SUGGESTIONS = 5
_MIN_LIKENESS = 60.0


def find_row(vocabulary: Vocabulary, entity: str, query: int | str) -> int:
    """The row that an id or a name means.

    A name counts before an id of the same text; the exact name before one that differs in case, accents or blanks.

    Parameters
    ----------
    vocabulary
        Ids and names of the entity type.
    entity
        Name of the entity type, for messages.
    query
        An id, or the text of a name or an id.

    Raises
    ------
    UnknownNameError
        If nothing matches (the message names the closest), or several do (it names their ids).
    """
    if isinstance(query, str) and vocabulary.names is not None:
        for rows in (_exact_matches(vocabulary, query), _folded_matches(vocabulary, query)):
            if len(rows) == 1:
                return int(rows[0])
            if len(rows) > 1:
                raise _ambiguous(vocabulary, entity, query, rows.tolist())
    row = vocabulary.row(vocabulary.parse(query) if isinstance(query, str) else query)
    if row < 0:
        raise _unknown(vocabulary, entity, query)
    return row


def fold(text: str) -> str:
    """A name without what people do not type alike: case, accents, width and outer or repeated blanks."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(letters.split())


def _exact_matches(vocabulary: Vocabulary, name: str) -> np.ndarray:
    matches = pc.fill_null(pc.equal(vocabulary.names, pa.scalar(name, pa.string())), False)
    return np.flatnonzero(matches.to_numpy(zero_copy_only=False))


def _folded_matches(vocabulary: Vocabulary, name: str) -> np.ndarray:
    wanted = fold(name)
    names = [] if vocabulary.names is None else vocabulary.names.to_pylist()
    return np.array([row for row, other in enumerate(names) if other is not None and fold(other) == wanted], dtype=int)


def _ambiguous(vocabulary: Vocabulary, entity: str, query: str, rows: list[int]) -> UnknownNameError:
    shown = ", ".join(f"{vocabulary.name(row)!r} (id {vocabulary.id(row)})" for row in rows[:_SUGGESTIONS])
    more = f" and {len(rows) - _SUGGESTIONS} more" if len(rows) > _SUGGESTIONS else ""
    return UnknownNameError(
        f"{query!r} is the name of {len(rows)} entities of type {entity}: {shown}{more}", hint="Ask by the id."
    )


def _unknown(vocabulary: Vocabulary, entity: str, query: int | str) -> UnknownNameError:
    # What is much shorter than the query is a part of it by chance: letters and syllables are parts of every word.
    names = [name for name in vocabulary.display_names().to_pylist() if 3 * len(name) >= 2 * len(str(query))]
    closest = process.extract(
        str(query), names, scorer=fuzz.WRatio, processor=fold, limit=_SUGGESTIONS, score_cutoff=_MIN_LIKENESS
    )
    hint = f"Closest: {', '.join(repr(name) for name, _, _ in closest)}." if closest else "No name is close to it."
    return UnknownNameError(f"no {entity} has the name or id {query!r}", hint=hint)
