"""The closest spellings of a word among millions, without reading them.

Every string that one edit makes of the word, and if none of those is known every string that two edits make, is looked
up, after P. Norvig, "How to write a spelling corrector" (2007). A lookup is one probe of a hash table, so this takes
a fraction of a second whatever the size of the vocabulary, where comparing the word with every other takes minutes.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

__all__ = ["closest_spellings", "other_cases"]

_ALPHABETS = (string.ascii_lowercase, "αβγδεζηθικλμνξοπρστυφχψω", "абвгдежзийклмнопрстуфхцчшщъыьэюяё")
#: Two edits make too many strings of longer words: the letters put in are then the word's own, or one edit must do.
_LONGEST_FOR_ANY_LETTERS, _LONGEST_FOR_TWO_EDITS = 10, 20
_SHORTEST_BEGINNING = 3


def other_cases(word: str) -> list[str]:
    """Return the word in small letters, with initial capitals and in capitals, where those differ from it."""
    return [case for case in dict.fromkeys([word.lower(), word.title(), word.upper()]) if case != word]


def closest_spellings(word: str, find_rows: Callable[[list[str]], NDArray[np.int64]], limit: int = 5) -> list[str]:
    """Return known words that are one edit from ``word``, else two, else that are how it begins.

    Parameters
    ----------
    word
        A word that is not known. Upper and lower case count as the same.
    find_rows
        Returns the row numbers of words, -1 for those that are not known.
    limit
        How many to return, at most.

    Returns
    -------
    list[str]
        Those that begin as the word does first, then those of lower row numbers: files of word vectors are sorted by
        falling frequency.
    """
    folded = word.lower()
    once = _edits(folded, _letters(folded))
    found = _known(word, _cases(once), find_rows)
    if not found and len(folded) <= _LONGEST_FOR_TWO_EDITS:
        letters = _letters(folded) if len(folded) <= _LONGEST_FOR_ANY_LETTERS else folded
        twice: set[str] = set()
        for edited in _edits(folded, letters):
            twice |= _edits(edited, letters)
        # So many are tried as they are, and where the word is in capitals in those.
        found = _known(word, sorted(map(_case_of(word), twice)), find_rows)
    if not found:
        beginnings = [folded[:length] for length in range(len(folded) - 1, _SHORTEST_BEGINNING - 1, -1)]
        found = sorted(_known(word, _cases(beginnings), find_rows), key=len, reverse=True)
    return found[:limit]


def _letters(word: str) -> str:
    """Return what an edit may put in: the alphabets that the word is written in, and what else is in it."""
    used = [alphabet for alphabet in _ALPHABETS if not set(alphabet).isdisjoint(word)]
    return "".join(sorted(set(word).union(*used)))


def _edits(word: str, letters: str) -> set[str]:
    """Every string that leaving out, swapping, replacing or inserting one letter makes."""
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    left_out = {head + tail[1:] for head, tail in cuts if tail}
    swapped = {head + tail[1] + tail[0] + tail[2:] for head, tail in cuts if len(tail) > 1}
    replaced = {head + letter + tail[1:] for head, tail in cuts if tail for letter in letters}
    inserted = {head + letter + tail for head, tail in cuts for letter in letters}
    return (left_out | swapped | replaced | inserted) - {word, ""}


def _case_of(word: str) -> Callable[[str], str]:
    """Return what puts words in the case of another."""
    return next((case for case in (str.upper, str.title) if case(word) == word != word.lower()), str.lower)


def _cases(words: Iterable[str]) -> list[str]:
    return [case for word in sorted(words) for case in dict.fromkeys([word, word.title(), word.upper()])]


def _known(word: str, candidates: list[str], find_rows: Callable[[list[str]], NDArray[np.int64]]) -> list[str]:
    """Return the candidates that are known, the likeliest first."""
    if not candidates:
        return []
    rows = find_rows(candidates)
    places = np.flatnonzero(rows >= 0)
    first = word[:1].lower()
    ranked = sorted(places.tolist(), key=lambda place: (candidates[place][:1].lower() != first, int(rows[place])))
    return [candidates[place] for place in ranked]
