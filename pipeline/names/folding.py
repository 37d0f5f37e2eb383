"""Names without what people do not type alike."""

from __future__ import annotations

import unicodedata

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

#: Left out rather than taken for the end of a word: people type "dont" for "don't".
_APOSTROPHES = frozenset("'`\u00b4\u02bc\u2018\u2019\u201b")
_ASCII_APOSTROPHES = "['`]"
_NOT_ASCII_WORDS = "[^a-z0-9]+"


def fold(text: str) -> str:
    """A name without what people do not type alike: case, accents, width and outer or repeated blanks."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(letters.split())


def words_of(text: str) -> str:
    """The words of a name as they are searched: folded, without punctuation, one blank between two of them.

    What is nothing but punctuation, as the name of the band "!!!" is, is one word.
    """
    folded = fold(text)
    kept = [
        letter if unicodedata.category(letter)[0] in "LMN" else " " for letter in folded if letter not in _APOSTROPHES
    ]
    return " ".join("".join(kept).split()) or folded.replace(" ", "")


def words_of_all(names: pa.Array) -> pa.Array:
    """:func:`words_of` of each name, those of ASCII letters all at once."""
    lowered = pc.replace_substring_regex(pc.ascii_lower(names), _ASCII_APOSTROPHES, "")
    words = pc.ascii_trim_whitespace(pc.replace_substring_regex(lowered, _NOT_ASCII_WORDS, " "))
    others = pc.or_(pc.invert(pc.string_is_ascii(names)), pc.equal(words, ""))
    if not pc.any(others, min_count=0).as_py():
        return words
    one_by_one = [words_of(name) for name in names.filter(others).to_pylist()]
    place = np.cumsum(others.to_numpy(zero_copy_only=False)) - 1
    return pc.if_else(others, pa.array(one_by_one, pa.string()).take(pa.array(np.maximum(place, 0))), words)
