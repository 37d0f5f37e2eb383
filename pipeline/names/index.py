"""Names searched as they are typed: by the beginnings of their words, typos forgiven, the most popular first.

Names are numbered by popularity, so that of two matches the lower number is the better one. Words are sorted: those
that begin with what was typed stand side by side, and so do the names that have them. Where too few names match, words
are sought that share trigrams with what was typed, and are kept by their edit distance to it (a typo is a letter too
many, too few, wrong, or in its neighbour's place). Everything is in flat arrays, which are mapped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import OSA

from pipeline.data.matrices import open_array, save_array
from pipeline.errors import StoreError
from pipeline.names.folding import words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

#: Raised whenever what :meth:`NameIndex.save` writes changes, so that nothing older is taken for it.
SCHEMA_VERSION = 1

_DOCUMENT = "names.json"
#: Of a query: what is read of it.
_MAX_LETTERS, _MAX_WORDS = 200, 8
#: How many of the most popular matches are put in the order of how well they match.
_POOL = 200
#: How many words that share trigrams are compared letter by letter, and how many are taken.
_MAX_COMPARED, _MAX_SIMILAR = 500, 100
#: What a typo costs, and one in a word that is not typed to its end yet; and a letter of a word that is not there.
_TYPO, _UNFINISHED, _MISSING_LETTER = 2, 1, 8
#: Before the first letter of a word, so that trigrams tell beginnings; no folded name has it.
WORD_START = b"\x01\x01"
#: Above every byte of UTF-8.
_LAST = b"\xff"


@dataclass(frozen=True)
class Strings:
    """Strings in UTF-8, one after another.

    Attributes
    ----------
    offsets
        int64, shape ``(n + 1,)``.
    data
        uint8, shape ``(offsets[-1],)``.
    """

    offsets: NDArray[np.int64]
    data: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def encoded(self, number: int) -> bytes:
        """One of them, as UTF-8."""
        return self.data[self.offsets[number] : self.offsets[number + 1]].tobytes()

    def text(self, number: int) -> str:
        """One of them."""
        return self.encoded(number).decode()


@dataclass(frozen=True)
class Postings:
    """For each of some keys, what has it.

    Attributes
    ----------
    indptr
        int64, shape ``(n_keys + 1,)``.
    values
        int32, ascending for each key.
    """

    indptr: NDArray[np.int64]
    values: NDArray[np.int32]

    def of(self, first: int, end: int) -> NDArray[np.int32]:
        """What has any key from ``first`` to before ``end``; repeated where it has several."""
        found: NDArray[np.int32] = self.values[self.indptr[first] : self.indptr[end]]
        return found


@dataclass(frozen=True)
class NameIndex:
    """The names of one entity type, numbered from 0 by falling popularity.

    Attributes
    ----------
    rows
        Row of the vocabulary of each name, int32, shape ``(n,)``.
    names
        The names as they are shown.
    texts
        Their words as they are searched.
    by_text
        The names in the order of their texts without blanks, equal ones by popularity, int32, shape ``(n,)``.
    words
        The distinct words of all names, sorted by their bytes.
    word_names
        For each word the names that have it.
    trigrams
        The distinct trigrams of the words' bytes, int32, ascending.
    trigram_words
        For each trigram the words that have it.
    """

    rows: NDArray[np.int32]
    names: Strings
    texts: Strings
    by_text: NDArray[np.int32]
    words: Strings
    word_names: Postings
    trigrams: NDArray[np.int32]
    trigram_words: Postings

    def __len__(self) -> int:
        return len(self.rows)

    def search(self, query: str, limit: int = 10) -> list[tuple[int, str]]:
        """Find names by what was typed of them so far.

        Names of which every typed word begins a word come first: of these the name that was typed, then those that
        begin with it, then the others, each by popularity; then names within a few typos, the fewer the better.

        Parameters
        ----------
        query
            Any text; its first 200 letters and 8 words count.
        limit
            How many names, at most.

        Returns
        -------
        Rows of the vocabulary and names, best first.
        """
        text = words_of(query[:_MAX_LETTERS])
        if not text or limit < 1:
            return []
        words = text.split()[:_MAX_WORDS]
        found = self._begun(" ".join(words), words, limit)
        if len(found) < limit:
            known = set(found)
            found += [name for name in self._mistyped(words, limit + len(found)) if name not in known]
        return [(int(self.rows[name]), self.names.text(name)) for name in found[:limit]]

    def most_popular(self, limit: int = 10) -> list[int]:
        """Rows of the most popular names."""
        rows: list[int] = self.rows[:limit].tolist()
        return rows

    def _begun(self, text: str, words: list[str], limit: int) -> list[int]:
        """Names of which every word that was typed begins one, or that begin with all of it whatever the blanks."""
        pool = max(limit, _POOL)
        joined = text.replace(" ", "").encode()
        first, end = self._texts_between(joined, joined + b"\x00"), self._texts_between(joined, joined + _LAST)
        same, beginning = self.by_text[first[0] : first[1]], self.by_text[end[0] : end[1]]
        candidates = [_smallest(part, pool) for part in (same, beginning, self._with_words(words))]
        found: list[int] = np.unique(np.concatenate(candidates)).tolist()
        return sorted(found, key=lambda name: (self._tier(name, text, joined), name))[:limit]

    def _tier(self, name: int, text: str, joined: bytes) -> int:
        own = self.texts.encoded(name)
        if own == text.encode():
            return 0
        without_blanks = own.replace(b" ", b"")
        return 1 if without_blanks == joined else 2 if without_blanks.startswith(joined) else 3

    def _with_words(self, words: list[str]) -> NDArray[np.int32]:
        """Names of which every one of the words begins one."""
        lists = sorted((self.word_names.of(*self._words_beginning(word)) for word in words), key=len)
        found = lists[0]
        for other in lists[1:]:
            has = np.zeros(len(self), dtype=bool)
            has[found] = True
            found = other[has[other]]
        return found

    def _mistyped(self, words: list[str], limit: int) -> list[int]:
        """Names that have most of the words, some of them with typos."""
        costs = np.zeros(len(self), dtype=np.uint16)
        for word in words:
            cost = np.full(len(self), _MISSING_LETTER * len(word), dtype=np.uint16)
            for similar, word_cost in self._similar_words(word):
                cost[self.word_names.of(similar, similar + 1)] = word_cost
            cost[self.word_names.of(*self._words_beginning(word))] = 0
            costs += cost
        # At most half of the letters may be of words that the name does not have.
        names = np.flatnonzero(costs <= _MISSING_LETTER * (sum(map(len, words)) // 2))
        keys = costs[names].astype(np.int64) * len(self) + names
        best: list[int] = (np.sort(_smallest(keys, limit)) % max(len(self), 1)).tolist()
        return best

    def _similar_words(self, word: str) -> list[tuple[int, int]]:
        """Words within a few typos of one, or of which the beginning is, and what that costs; the dearest first."""
        typos = _typos_forgiven(len(word))
        candidates = self._words_sharing_trigrams(word, typos)
        if typos == 0 or not len(candidates):
            return []
        texts = [self.words.text(number) for number in candidates.tolist()]
        whole = _distances(word, texts, typos)
        lengths = range(max(1, len(word) - 1), len(word) + 2)
        begun = np.min([_distances(word, (text[:length] for text in texts), typos) for length in lengths], axis=0)
        costs = np.minimum(_TYPO * whole, _TYPO * begun + _UNFINISHED)
        near = np.flatnonzero(np.minimum(whole, begun) <= typos)
        # Words are compared by their most popular name where they are as near.
        popularity = self.word_names.values[self.word_names.indptr[candidates[near]]]
        near = near[np.lexsort((popularity, costs[near]))][:_MAX_SIMILAR][::-1]
        return list(zip(candidates[near].tolist(), costs[near].tolist(), strict=True))

    def _words_sharing_trigrams(self, word: str, typos: int) -> NDArray[np.int64]:
        """Words that share enough trigrams with one to be within so many typos of it, those that share most."""
        encoded = WORD_START + word.encode()
        codes = trigram_codes(np.frombuffer(encoded, dtype=np.uint8))
        places = np.searchsorted(self.trigrams, codes)
        known = [place for place, code in zip(places, codes, strict=True) if code in self.trigrams[place : place + 1]]
        if not known:
            return np.empty(0, dtype=np.int64)
        sharing = np.concatenate([self.trigram_words.of(place, place + 1) for place in set(known)])
        shared = np.bincount(sharing, minlength=len(self.words))
        # Two letters changed for each other touch four trigrams; a letter is several bytes in most alphabets.
        touched = 4 * typos * max(map(len, (letter.encode() for letter in word)))
        candidates = np.flatnonzero(shared >= max(1, len(codes) - touched))
        order = np.argsort(-shared[candidates], kind="stable")[:_MAX_COMPARED]
        return candidates[order]

    def _words_beginning(self, word: str) -> tuple[int, int]:
        """The words that begin with one: the first, and the end."""
        encoded = word.encode()
        first = _bisect(len(self.words), self.words.encoded, encoded)
        return first, _bisect(len(self.words), self.words.encoded, encoded + _LAST)

    def _texts_between(self, low: bytes, high: bytes) -> tuple[int, int]:
        """Places in ``by_text`` of the texts, without blanks, from one to before another."""

        def text(place: int) -> bytes:
            return self.texts.encoded(int(self.by_text[place])).replace(b" ", b"")

        return _bisect(len(self), text, low), _bisect(len(self), text, high)

    def save(self, folder: Path) -> None:
        """Write into an existing empty folder."""
        for name, array in _flatten(self):
            save_array(folder / f"{name}.npy", array)
        document = {"schema_version": SCHEMA_VERSION, "names": len(self), "words": len(self.words)}
        (folder / _DOCUMENT).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> NameIndex:
        """Map what :meth:`save` wrote.

        Raises
        ------
        StoreError
            If the folder holds no names of this version.
        """
        path = folder / _DOCUMENT
        if not path.is_file():
            raise StoreError(f"{folder}: expected names, found no {_DOCUMENT}", hint="Run again: cfpipe run CONFIG.")
        version = json.loads(path.read_text(encoding="utf-8"))["schema_version"]
        if version != SCHEMA_VERSION:
            raise StoreError(
                f"{path}: expected version {SCHEMA_VERSION}, got {version}", hint="Run again: cfpipe run CONFIG."
            )

        def mapped(name: str) -> NDArray[Any]:
            return open_array(folder / f"{name}.npy")

        def strings(name: str) -> Strings:
            return Strings(mapped(f"{name}.offsets"), mapped(f"{name}.data"))

        def postings(name: str) -> Postings:
            return Postings(mapped(f"{name}.indptr"), mapped(f"{name}.values"))

        return cls(
            rows=mapped("rows"),
            names=strings("names"),
            texts=strings("texts"),
            by_text=mapped("by_text"),
            words=strings("words"),
            word_names=postings("word_names"),
            trigrams=mapped("trigrams"),
            trigram_words=postings("trigram_words"),
        )


def trigram_codes(data: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Each three bytes in a row as one number, shape ``(len(data) - 2,)``."""
    wide = data.astype(np.int32)
    codes: NDArray[np.int32] = (wide[:-2] << 16) | (wide[1:-1] << 8) | wide[2:]
    return codes


def _flatten(index: NameIndex) -> Iterable[tuple[str, NDArray[Any]]]:
    for field in fields(index):
        value = getattr(index, field.name)
        if isinstance(value, np.ndarray):
            yield field.name, value
        else:
            yield from ((f"{field.name}.{part.name}", getattr(value, part.name)) for part in fields(value))


def _typos_forgiven(length: int) -> int:
    return 0 if length < 3 else 1 if length < 6 else 2


def _distances(word: str, texts: Iterable[str], typos: int) -> NDArray[np.int64]:
    """Edit distances, neighbours changed for each other counted once; ``typos + 1`` stands for all beyond it."""
    distances: NDArray[np.int64] = process.cdist([word], list(texts), scorer=OSA.distance, score_cutoff=typos)[0]
    return distances.astype(np.int64)


def _smallest(values: NDArray[Any], count: int) -> NDArray[Any]:
    """The smallest of some values, in any order."""
    return values if len(values) <= count else np.partition(values, count - 1)[:count]


def _bisect(count: int, key: Callable[[int], bytes], bound: bytes) -> int:
    """The first of ``count`` sorted keys that is not below a bound."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        if key(middle) < bound:
            low = middle + 1
        else:
            high = middle
    return low
