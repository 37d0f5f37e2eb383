from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pipeline.data.ids import INTEGER, STRING, IdEncoder, ids_like, integer_of_text, integers_of_text
from pipeline.errors import DataError


def encode(batches, *, text=False):
    encoder = IdEncoder("column 'x'", text=text)
    for batch in batches:
        encoder.add(pa.array(batch) if isinstance(batch, list) else batch)
    ids, codes = encoder.finish()
    assert codes.dtype == np.int32
    return ids.to_pylist(), codes.tolist()


def test_ids_are_numbered_in_sorted_order_whatever_the_batches():
    assert encode([[5, -3], [5, 9, -3], [2**63 - 1]]) == ([-3, 5, 9, 2**63 - 1], [1, 0, 1, 2, 0, 3])
    assert encode([["b", "a"], ["é", "z", "a", "", "Ω"]]) == (["", "a", "b", "z", "é", "Ω"], [2, 1, 4, 3, 1, 0, 5])


def test_strings_sort_by_their_bytes():
    values = ["\U0001f600", "\uffff", "z", "Z", "10", "9"]
    assert encode([values])[0] == sorted(values, key=str.encode)


@pytest.mark.parametrize("kind", ["int", "string"])
def test_numbering_in_pieces_agrees_with_numpy(kind, monkeypatch):
    monkeypatch.setattr(IdEncoder, "_MIN_PENDING_BYTES", 500)
    random = np.random.default_rng(0)
    batches = [random.integers(0, 300, size) for size in random.integers(0, 200, 40)]
    if kind == "string":
        batches = [np.array([f"id {value}" for value in batch], dtype=object) for batch in batches]
    everything = np.concatenate(batches)
    distinct, codes = np.unique(everything.astype(str) if kind == "string" else everything, return_inverse=True)
    as_arrow = [pa.array(batch, STRING if kind == "string" else INTEGER) for batch in batches]
    assert encode(as_arrow) == (distinct.tolist(), codes.tolist())


def test_nothing_at_all():
    assert encode([]) == ([], [])
    assert encode([pa.array([], STRING)]) == ([], [])


def test_text_is_integers_only_if_every_id_is_written_as_one():
    assert encode([["10", "9"], ["-1", "0"]], text=True) == ([-1, 0, 9, 10], [3, 2, 0, 1])
    assert encode([["10", "9", "007"]], text=True) == (["007", "10", "9"], [1, 2, 0])
    assert encode([["10", "9"]], text=False) == (["10", "9"], [0, 1])


@pytest.mark.parametrize("odd", ["007", "+1", "-0", "1.0", " 1", "1e3", "", "٣", str(2**63), "1_000", "1\n"])
def test_what_is_not_written_as_an_integer_would_be_stays_text(odd):
    assert integers_of_text(pa.array(["5", odd])) is None


def test_all_of_int64_is_written_as_an_integer():
    values = [-(2**63), -1, 0, 2**63 - 1]
    assert integers_of_text(pa.array([str(value) for value in values])).to_pylist() == values


def test_ids_of_two_types_are_refused():
    with pytest.raises(DataError, match="column 'x': expected ids of one type in all files, got integers and strings"):
        encode([[1], ["a"]])


def test_ids_are_brought_to_the_type_they_are_matched_with():
    text = pa.array(["7", "007", None, str(2**63), "x"])
    assert ids_like(text, STRING, text=True, column="c").to_pylist() == text.to_pylist()
    assert ids_like(text, INTEGER, text=True, column="c").to_pylist() == [7, None, None, None, None]
    assert ids_like(pa.array([7], pa.int16()), INTEGER, text=False, column="c").type == INTEGER


def test_types_that_can_never_match_are_refused():
    with pytest.raises(DataError, match="c: expected strings like the ids they are matched with, got integers"):
        ids_like(pa.array([7]), STRING, text=False, column="c")
    with pytest.raises(DataError, match="c: expected integers like the ids they are matched with, got strings"):
        ids_like(pa.array(["7"]), INTEGER, text=False, column="c")


@pytest.mark.parametrize(
    "text", ["0", "-7", "42", "9" * 18, str(2**63 - 1), str(-(2**63)), str(2**63), "9" * 19, "007"]
)
@pytest.mark.parametrize("suffix", ["", "\n", " ", ".0", "\u0663"])
def test_one_text_is_an_integer_where_it_is_among_many(text, suffix):
    many = integers_of_text(pa.array([text + suffix]))
    assert integer_of_text(text + suffix) == (None if many is None else many[0].as_py())
