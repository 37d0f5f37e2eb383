"""From what a person typed to one row of a vocabulary."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz import fuzz, process

from pipeline.data.ids import INTEGER, STRING
from pipeline.errors import UnknownNameError
from pipeline.names.folding import fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

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
    row = _Matcher(vocabulary, entity).row(query)
    if row < 0:
        raise _unknown(vocabulary, entity, query)
    return row


def find_rows(
    vocabulary: Vocabulary, entity: str, queries: Sequence[int | str], *, skip_unknown: bool = False
) -> NDArray[np.int32]:
    """The rows that many ids or names mean: :func:`find_row` of each, those written as stored all at once.

    Parameters
    ----------
    skip_unknown
        Whether what matches nothing gets the row -1; what matches several is an error all the same.

    Returns
    -------
    int32, shape ``(len(queries),)``.
    """
    distinct = list(dict.fromkeys(queries))
    rows = _rows_as_stored(vocabulary, distinct)
    matcher = _Matcher(vocabulary, entity)
    for query in distinct:
        if query not in rows:
            rows[query] = matcher.row(query)
            if rows[query] < 0 and not skip_unknown:
                raise _unknown(vocabulary, entity, query)
    return np.fromiter((rows[query] for query in queries), dtype=np.int32, count=len(queries))


class _Matcher:
    """Finds what matches one query after another, in a vocabulary whose names are folded once, if ever."""

    def __init__(self, vocabulary: Vocabulary, entity: str) -> None:
        self._vocabulary = vocabulary
        self._entity = entity

    def row(self, query: int | str) -> int:
        """The row that a query means, -1 where nothing matches."""
        vocabulary = self._vocabulary
        if isinstance(query, str) and vocabulary.names is not None:
            rows = _exact_matches(vocabulary, query) or self._folded.get(fold(query), [])
            if len(rows) > 1:
                raise _ambiguous(vocabulary, self._entity, query, rows)
            if rows:
                return rows[0]
        return vocabulary.row(vocabulary.parse(query) if isinstance(query, str) else query)

    @cached_property
    def _folded(self) -> dict[str, list[int]]:
        """Rows of the names, folded."""
        rows: dict[str, list[int]] = {}
        for row, name in enumerate([] if self._vocabulary.names is None else self._vocabulary.names.to_pylist()):
            if name is not None:
                rows.setdefault(fold(name), []).append(row)
        return rows


def _rows_as_stored(vocabulary: Vocabulary, queries: Sequence[int | str]) -> dict[int | str, int]:
    """Rows of the queries that are an id, where no name can mean another, or a name that is there once, as stored."""
    texts = [query for query in queries if isinstance(query, str)]
    ids = [query for query in queries if not isinstance(query, str) and -(2**63) <= query < 2**63]
    rows: dict[int | str, int] = {}
    if vocabulary.ids.type == INTEGER:
        rows |= zip(ids, vocabulary.rows(pa.array(ids, INTEGER)).tolist(), strict=True)
    if vocabulary.names is not None:
        rows |= zip(texts, _rows_of_unique_names(vocabulary.names, texts).tolist(), strict=True)
    elif vocabulary.ids.type == STRING:
        rows |= zip(texts, vocabulary.rows(pa.array(texts, STRING)).tolist(), strict=True)
    return {query: row for query, row in rows.items() if row >= 0}


def _rows_of_unique_names(names: pa.Array, texts: Sequence[str]) -> NDArray[np.int64]:
    """Rows of names that are there once; -1 for others."""
    encoded = names.dictionary_encode()
    rows = np.flatnonzero(names.is_valid().to_numpy(zero_copy_only=False))
    codes = encoded.indices.drop_null().to_numpy()
    row_of = np.full(len(encoded.dictionary) + 1, -1, dtype=np.int64)  # the last is of texts that are no name
    row_of[codes] = rows
    row_of[np.flatnonzero(np.bincount(codes, minlength=len(row_of)) > 1)] = -1
    found = pc.fill_null(pc.index_in(pa.array(texts, STRING), value_set=encoded.dictionary), len(row_of) - 1)
    result: NDArray[np.int64] = row_of[found.to_numpy(zero_copy_only=False)]
    return result


def _exact_matches(vocabulary: Vocabulary, name: str) -> list[int]:
    matches = pc.fill_null(pc.equal(vocabulary.names, pa.scalar(name, STRING)), False)
    rows: list[int] = np.flatnonzero(matches.to_numpy(zero_copy_only=False)).tolist()
    return rows


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
