"""Entity types by where their vectors come from, and the spaces they share."""

from __future__ import annotations

import copy

import pytest

from pipeline.config import AttributeEntity, ColumnEntity, FileEntity, parse_config
from pipeline.errors import ConfigError

WORDS = {"entities": {"word": {"vectors": {"path": "words.txt"}}}}
PLAYS = {"interactions": {"path": "plays.csv", "user": "u", "item": "t"}}
MIXED = {**PLAYS, "entities": {"track": {"column": "t"}, **WORDS["entities"]}}


def with_table(document, source, target, **entities):
    """The document with more entity types, or keys of those there are, and one table."""
    document = copy.deepcopy(document)
    for name, keys in entities.items():
        document["entities"].setdefault(name, {}).update(keys)
    return {**document, "tables": [{"name": "t", "from": source, "to": target}]}


def test_vectors_from_a_file_need_nothing_else():
    config = parse_config(WORDS)
    assert not config.has_interactions
    assert list(config.file_entities) == list(config.entities) == ["word"]
    assert [(t.name, t.source, t.target, t.effective_metric) for t in config.tables] == [
        ("similar_words", "word", "word", "cosine")
    ]
    vectors = config.file_entities["word"].vectors
    assert (vectors.format, vectors.duplicates) == ("auto", "error")


def test_they_stand_beside_those_of_interactions():
    config = parse_config(MIXED)
    assert [type(entity) for entity in config.entities.values()] == [ColumnEntity, FileEntity, ColumnEntity]
    assert set(config.interaction_space.entities) == {"user", "track"}
    assert list(config.file_entities) == ["word"]
    assert {table.name for table in config.tables} == {"similar_tracks", "tracks_for_users", "similar_words"}


def test_a_minimal_file_of_interactions_keeps_its_items():
    config = parse_config({**PLAYS, **WORDS})
    assert config.interaction_space.item_entity == "item"


def test_the_kind_follows_from_the_keys():
    document = copy.deepcopy(MIXED)
    document["entities"]["artist"] = {"of": "track", "map": {"path": "m.csv", "id": "t", "value": "a"}}
    config = parse_config(document)
    assert isinstance(config.entities["artist"], AttributeEntity)
    assert list(config.interaction_space.attributes) == ["artist"]


def test_what_is_asked_of_interactions_that_are_not_there():
    with pytest.raises(ConfigError, match="interactions: missing"):
        _ = parse_config(WORDS).interaction_space


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, r"interactions: missing; .* there is none"),
        ({"entities": {"track": {"column": "t"}}}, r"interactions: missing; .* entities\.track is none"),
        ({"entities": {"word": {"vectors": {}}}}, r"entities\.word\.vectors\.path: missing"),
        ({"entities": {"word": {"space": "s"}}}, r"entities\.word\.vectors: missing"),
        ({"entities": {"word": {"vectors": "words.txt"}}}, r"entities\.word\.vectors: .*got 'words\.txt'"),
        ({"entities": {"word": "words.txt"}}, r"entities\.word: .*got 'words\.txt'"),
        ({"entities": {"word": {"vectors": {"path": "a", "dim": 3}}}}, r"entities\.word\.vectors\.dim: unknown key"),
        ({"entities": {"word": {"vectors": {"path": "a"}, "nmae": 1}}}, r"entities\.word\.nmae: unknown key"),
        (
            {"entities": {"word": {"vectors": {"path": "a", "format": "wrod2vec"}}}},
            r"entities\.word\.vectors\.format: expected auto or one of npy, .*got 'wrod2vec'",
        ),
        (
            {"entities": {"word": {"vectors": {"path": "a", "duplicates": "last"}}}},
            r"entities\.word\.vectors\.duplicates: .*'error' or 'first'.*got 'last'",
        ),
        ({"entities": {"user": WORDS["entities"]["word"]}}, r"entities\.user: 'user' is .*another name"),
        ({**PLAYS, "entities": {"user": WORDS["entities"]["word"]}}, r"entities\.user: its column is .* 'u'"),
        ({**WORDS, "factorize": {"factors": 8}}, r"factorize: needs interactions"),
        ({**WORDS, "evaluation": {"test_fraction": 0.1}}, r"evaluation: needs interactions"),
        ({**WORDS, "weighting": {}}, r"weighting: needs interactions"),
        (
            with_table(MIXED, "word", "word", word={"column": "t"}),
            r"entities\.word: column and vectors exclude each other",
        ),
        (with_table(MIXED, "word", "word", album={"of": "track"}), r"entities\.album\.map: missing"),
        (
            with_table(MIXED, "word", "word", album={}),
            r"entities\.album: expected column, or of and map, or vectors",
        ),
        (
            with_table(WORDS, "user", "word"),
            r"tables\.t\.from: expected one of the entity types word; got 'user'",
        ),
        (
            with_table(MIXED, "word", "track"),
            r"tables\.t: .*'word' in a space of word alone and 'track' in the space of the interactions",
        ),
        (
            with_table(MIXED, "user", "word", word={"space": "interactions"}),
            r"tables\.t: .*'user' in the space of the interactions and 'word' in the space 'interactions'",
        ),
        (
            with_table(WORDS, "word", "phrase", phrase={"vectors": {"path": "b"}}),
            r"tables\.t: .*'word' in a space of word alone and 'phrase' in a space of phrase alone.*name as their `sp",
        ),
        (
            with_table(WORDS, "word", "phrase", phrase={"vectors": {"path": "b"}, "space": "word"}),
            r"tables\.t: .*'word' in a space of word alone and 'phrase' in the space 'word'",
        ),
    ],
)
def test_what_cannot_be_is_named(document, message):
    with pytest.raises(ConfigError, match=message) as caught:
        parse_config(document)
    assert "<" not in str(caught.value)


def test_files_share_the_space_that_both_name():
    phrase = {"vectors": {"path": "b"}, "space": "glove"}
    config = parse_config(with_table(WORDS, "word", "phrase", word={"space": "glove"}, phrase=phrase))
    assert config.tables[0].effective_metric == "cosine"
