"""Names as they are typed: prefixes, typos, alphabets, popularity; the fast folding against the slow one."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.errors import StoreError
from pipeline.names import NameIndex, build_name_index
from pipeline.names.folding import words_of, words_of_all

NAMES = [
    "Radiohead",
    "The Beatles",
    "AC/DC",
    "Sigur Rós",
    "!!!",
    "Guns N' Roses",
    "Pink Floyd",
    "Björk",
    "Кино",
    "東京事変",
    "Radio Dept.",
    "The Radio Dept.",
    "Blink-182",
    "Queen",
    "Queens of the Stone Age",
    "<script>alert(1)</script>",
    "bell\x07 and\nline",
    "Queen",
    "Metallica",
    "",
    "Straße",
]


@pytest.fixture(scope="module")
def index():
    return build_name_index(pa.array(NAMES))


def names(found):
    return [name for _, name in found]


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("radiohead", "Radiohead"),
        ("RADIOH", "Radiohead"),
        ("radio head", "Radiohead"),
        ("radiohaed", "Radiohead"),
        ("rdiohead", "Radiohead"),
        ("beatles", "The Beatles"),
        ("thebeat", "The Beatles"),
        ("the beatels", "The Beatles"),
        ("acdc", "AC/DC"),
        ("ac dc", "AC/DC"),
        ("sigur ros", "Sigur Rós"),
        ("SIGUR RÓS", "Sigur Rós"),
        ("ros sig", "Sigur Rós"),
        ("!!!", "!!!"),
        ("guns n roses", "Guns N' Roses"),
        ("guns and roses", "Guns N' Roses"),
        ("pink flloyd", "Pink Floyd"),
        ("floid", "Pink Floyd"),
        ("bjork", "Björk"),
        ("Bjo\u0308rk", "Björk"),
        ("кин", "Кино"),
        ("кина", "Кино"),
        ("東京", "東京事変"),
        ("blink 182", "Blink-182"),
        ("metalica", "Metallica"),
        ("metalc", "Metallica"),
        ("script", "<script>alert(1)</script>"),
        ("bell and line", "bell\x07 and\nline"),
        ("strasse", "Straße"),
    ],
)
def test_what_is_found(index, query, first):
    assert names(index.search(query))[0] == first


@pytest.mark.parametrize("query", ["", "   ", "\x00\x01", "xqzzyw", "ab", "\u0301", "zz" * 100_000])
def test_what_nothing_is_found_for(index, query):
    assert index.search(query) == []


def test_rows_are_those_of_the_vocabulary(index):
    assert all(NAMES[row] == name for query in ("r", "the", "queen", "beatels") for row, name in index.search(query))


def test_what_was_typed_comes_before_what_begins_with_it_before_what_contains_it():
    titles = ["Songs of Queens", "Queens", "The Queen", "Queen", "Dancing Queen"]
    index = build_name_index(pa.array(titles), np.array([50, 40, 30, 20, 10]))
    assert names(index.search("queen")) == ["Queen", "Queens", "Songs of Queens", "The Queen", "Dancing Queen"]
    assert names(index.search("queen", 2)) == ["Queen", "Queens"]
    assert index.search("queen", 0) == []


def test_of_equal_matches_the_more_popular_comes_first():
    twins = pa.array(["Nova", "Nova", "Nova", "Nvoa"])
    assert [row for row, _ in build_name_index(twins, np.array([1, 3, 2, 99])).search("nova")] == [1, 2, 0, 3]
    assert [row for row, _ in build_name_index(twins).search("nova")] == [0, 1, 2, 3]
    assert build_name_index(twins, np.array([1, 3, 2, 99])).most_popular(2) == [3, 1]


def test_fewer_typos_come_first(index):
    words = pa.array(["sparrow", "sparroq", "sparows", "arrow"])
    assert names(build_name_index(words).search("sparow"))[:2] == ["sparows", "sparrow"]


def test_a_word_too_many_is_forgiven_and_half_a_name_is_not(index):
    assert names(index.search("the radiohead"))[0] == "Radiohead"
    assert index.search("radiohead wonderfulthings") == []


def test_a_saved_index_finds_the_same(index, tmp_path):
    index.save(tmp_path)
    opened = NameIndex.open(tmp_path)
    assert len(opened) == len(NAMES)
    for query in ("r", "queen", "the beatels", "東", "!!!", "nothing at all"):
        assert opened.search(query) == index.search(query)


def test_what_is_no_index(tmp_path):
    with pytest.raises(StoreError, match=r"found no names\.json"):
        NameIndex.open(tmp_path)
    build_name_index(pa.array(["a"])).save(tmp_path)
    (tmp_path / "names.json").write_text('{"schema_version": 99}')
    with pytest.raises(StoreError, match="expected version 1, got 99"):
        NameIndex.open(tmp_path)


@pytest.mark.parametrize("few", [[], [""], ["a"], ["!!!"], ["   "]])
def test_few_names(few):
    index = build_name_index(pa.array(few, pa.string()))
    assert names(index.search("a")) == (["a"] if few == ["a"] else [])
    assert index.most_popular() == list(range(len(few)))


def test_a_slice_of_names():
    part = pa.array(["zero", "one", "two", "three"]).slice(1, 2)
    assert names(build_name_index(part).search("tw")) == ["two"]


def test_the_fast_folding_is_the_slow_one():
    random = np.random.default_rng(3)
    letters = list("aBz09 _-'’`.!é\u0301ßŁЯ東\t\n\x00\x1f\u00a0\u200bﬁ①कि")
    texts = ["".join(random.choice(letters, size=size)) for size in random.integers(0, 9, size=3_000)]
    assert words_of_all(pa.array(texts)).to_pylist() == [words_of(text) for text in texts]


def test_every_prefix_of_every_word_finds_its_name():
    """Against the definition: names of which every typed word begins a word, found by looking at all of them."""
    random = np.random.default_rng(4)
    syllables = ["ka", "mo", "ri", "te", "lu"]
    texts = [
        " ".join("".join(random.choice(syllables, size=random.integers(1, 4))) for _ in range(random.integers(1, 4)))
        for _ in range(150)
    ]
    index = build_name_index(pa.array(texts))
    for _ in range(200):
        words = texts[random.integers(len(texts))].split()
        query = [word[: random.integers(1, len(word) + 1)] for word in words]
        expected = {
            row
            for row, text in enumerate(texts)
            if all(any(word.startswith(typed) for word in text.split()) for typed in query)
        }
        found = [row for row, _ in index.search(" ".join(query), len(texts))]
        assert set(found[: len(expected)]) >= expected or expected <= set(found)
