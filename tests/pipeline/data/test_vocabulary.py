from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.data.vocabulary import Vocabulary

NAMES = ['"Weird Al" Yankovic', None, " blanks ", ""]


@pytest.fixture(params=["int", "string"])
def vocabulary(request):
    ids = [-5, 7, 10, 2**40] if request.param == "int" else ["", "10", "7", "Ω"]
    return Vocabulary(pa.array(ids), pa.array(NAMES, pa.string()))


def test_rows_and_ids_are_inverse(vocabulary):
    ids = vocabulary.ids.to_pylist()
    assert len(vocabulary) == 4
    assert [vocabulary.row(id_) for id_ in ids] == [0, 1, 2, 3]
    assert [vocabulary.id(row) for row in range(4)] == ids
    shuffled = pa.array([ids[2], None, ids[0], ids[2]], vocabulary.ids.type)
    assert vocabulary.rows(shuffled).tolist() == [2, -1, 0, 2]
    assert vocabulary.rows(shuffled).dtype == "int32"


def test_unknown_ids_have_no_row(vocabulary):
    unknown = {"int64": [-6, 0, 8, 2**62], "string": [" ", "1", "8", "ΩΩ"]}[str(vocabulary.ids.type)]
    assert [vocabulary.row(id_) for id_ in unknown] == [-1] * 4
    assert vocabulary.rows(pa.array(unknown)).tolist() == [-1] * 4


def test_an_id_of_the_other_type_is_unknown(vocabulary):
    assert vocabulary.row("7" if vocabulary.ids.type == pa.int64() else 7) == -1
    assert vocabulary.row(True) == -1
    with pytest.raises(TypeError, match="ids: expected"):
        vocabulary.rows(pa.array([1.5]))


def test_text_is_parsed_to_the_type_of_the_ids():
    integers, strings = Vocabulary(pa.array([7])), Vocabulary(pa.array(["7"]))
    assert [integers.parse(text) for text in ("7", "-7", "007", "x")] == [7, -7, "007", "x"]
    assert strings.parse("7") == "7"


def test_a_name_falls_back_to_the_id(vocabulary):
    names = ['"Weird Al" Yankovic', str(vocabulary.id(1)), " blanks ", ""]
    assert [vocabulary.name(row) for row in range(4)] == names
    assert vocabulary.display_names().to_pylist() == names
    assert Vocabulary(vocabulary.ids).display_names().to_pylist() == [str(id_) for id_ in vocabulary.ids.to_pylist()]
    assert Vocabulary(vocabulary.ids).name(2) == str(vocabulary.id(2))


def test_saved_and_loaded(vocabulary, tmp_path):
    vocabulary.save(tmp_path / "a.parquet")
    vocabulary.save(tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    loaded = Vocabulary.load(tmp_path / "a.parquet")
    assert loaded.ids.equals(vocabulary.ids)
    assert loaded.names.equals(vocabulary.names)
    Vocabulary(vocabulary.ids).save(tmp_path / "c.parquet")
    assert Vocabulary.load(tmp_path / "c.parquet").names is None


def test_an_empty_one(tmp_path):
    Vocabulary(pa.array([], pa.string())).save(tmp_path / "a.parquet")
    loaded = Vocabulary.load(tmp_path / "a.parquet")
    assert (len(loaded), loaded.row("x"), loaded.ids.type) == (0, -1, pa.string())


def test_what_cannot_be_a_vocabulary():
    with pytest.raises(TypeError, match="ids: expected int64 or string, got double"):
        Vocabulary(pa.array([1.5]))
    with pytest.raises(ValueError, match="names: expected 1 strings, got 2"):
        Vocabulary(pa.array([1]), pa.array(["a", "b"]))
