"""A names index from the names of a vocabulary: everything by sorting whole arrays, nothing name by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.names.folding import words_of_all
from pipeline.names.index import WORD_START, NameIndex, Postings, Strings, trigram_codes

if TYPE_CHECKING:
    from numpy.typing import NDArray


def build_name_index(names: pa.Array, popularity: NDArray[Any] | None = None) -> NameIndex:
    """Make the index of some names.

    Parameters
    ----------
    names
        Strings, one for each row, without nulls; see :meth:`pipeline.data.vocabulary.Vocabulary.display_names`.
    popularity
        A number for each row, shape ``(n,)``; the highest comes first, equal ones by row. None: by row.
    """
    order = np.arange(len(names)) if popularity is None else np.argsort(-popularity, kind="stable")
    rows = order.astype(np.int32)
    names = names.take(pa.array(rows))
    texts = words_of_all(names)
    words, word_names = _word_names(texts)
    trigrams, trigram_words = _trigram_words(words)
    return NameIndex(
        rows=rows,
        names=_strings(names),
        texts=_strings(texts),
        by_text=_order_of_texts(texts),
        words=words,
        word_names=word_names,
        trigrams=trigrams,
        trigram_words=trigram_words,
    )


def _order_of_texts(texts: pa.Array) -> NDArray[np.int32]:
    joined = pa.table({"text": pc.replace_substring(texts, " ", ""), "name": np.arange(len(texts))})
    order = pc.sort_indices(joined, sort_keys=[("text", "ascending"), ("name", "ascending")])
    places: NDArray[np.int32] = order.to_numpy().astype(np.int32)
    return places


def _word_names(texts: pa.Array) -> tuple[Strings, Postings]:
    lists = pc.split_pattern(texts, " ")
    encoded = pc.list_flatten(lists).dictionary_encode()
    order = pc.array_sort_indices(encoded.dictionary).to_numpy()
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    owners = pc.list_parent_indices(lists).to_numpy()
    return (
        _strings(encoded.dictionary.take(pa.array(order))),
        _postings(place[encoded.indices.to_numpy()], owners, len(order), len(texts)),
    )


def _trigram_words(words: Strings) -> tuple[NDArray[np.int32], Postings]:
    """The trigrams of each word with what marks its start before it."""
    lengths = np.diff(words.offsets)
    starts = words.offsets[:-1] + len(WORD_START) * np.arange(len(words))
    marked = np.empty(len(words.data) + len(WORD_START) * len(words), dtype=np.uint8)
    is_mark = np.zeros(len(marked), dtype=bool)
    for position, byte in enumerate(WORD_START):
        marked[starts + position] = byte
        is_mark[starts + position] = True
    marked[~is_mark] = words.data
    # A trigram begins at as many bytes of a marked word as the word has itself.
    begins = np.repeat(starts - words.offsets[:-1], lengths) + np.arange(len(words.data))
    owners = np.repeat(np.arange(len(words)), lengths)
    codes = trigram_codes(marked)[begins] if len(begins) else np.empty(0, dtype=np.int32)
    trigrams, numbers = np.unique(codes, return_inverse=True)
    return trigrams, _postings(numbers, owners, len(trigrams), len(words))


def _postings(keys: NDArray[Any], values: NDArray[Any], n_keys: int, n_values: int) -> Postings:
    """The distinct values of each key, ascending."""
    pairs = np.unique(keys.astype(np.int64) * max(n_values, 1) + values)
    keys, values = np.divmod(pairs, max(n_values, 1))
    indptr = np.searchsorted(keys, np.arange(n_keys + 1))
    return Postings(indptr.astype(np.int64), values.astype(np.int32))


def _strings(array: pa.Array) -> Strings:
    array = pa.concat_arrays([array])  # without an offset into a larger one
    if not len(array):
        return Strings(np.zeros(1, dtype=np.int64), np.empty(0, dtype=np.uint8))
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32, count=len(array) + 1).astype(np.int64)
    used = np.frombuffer(data, dtype=np.uint8)[ends[0] : ends[-1]] if data is not None else np.empty(0, dtype=np.uint8)
    return Strings(ends - ends[0], used)
