from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.config import BoostSettings, ListSettings, MapSettings, NamesSettings
from pipeline.data.attributes import read_attribute, read_boosts, read_ids, read_names
from pipeline.data.vocabulary import Vocabulary
from pipeline.errors import ConfigError, DataError, MissingInputError

INTEGERS = Vocabulary(pa.array([1, 2, 3, 7]))
STRINGS = Vocabulary(pa.array(["007", "1", "2", "3"]))


@pytest.fixture
def attribute(date):
    def read(path, items=INTEGERS, **options):
        return read_attribute(MapSettings(path=str(path), id="id", value="value", **options), items, date=date)

    return read


@pytest.fixture
def names(date):
    def read(path, vocabulary=INTEGERS):
        settings = NamesSettings(path=str(path), id="id", name="name")
        result = read_names(settings, vocabulary.ids, date=date)
        return result.names.to_pylist(), result.stats

    return read


@pytest.fixture
def listed(date):
    def read(path, vocabulary=INTEGERS):
        result = read_ids(ListSettings(path=str(path), id="id"), vocabulary, date=date)
        return result.rows.tolist(), result.unknown

    return read


def test_values_of_items(write, attribute):
    path = write("a.parquet", {"id": [3, 1, 9, 3, 3, 2], "value": ["b", "a", "unused", "b", "c", None]})
    result = attribute(path)
    assert result.ids.to_pylist() == ["a", "b", "c"]
    assert result.item_values.toarray().tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 1], [0, 0, 0]]
    assert result.item_values.dtype == "float32"
    assert result.stats == {"rows_read": 6, "rows_of_unknown_items": 1, "values": 3, "pairs": 3, "items_without": 2}


def test_values_may_be_integers(write, attribute):
    assert attribute(write("a.parquet", {"id": [1, 2], "value": [20, 3]})).ids.to_pylist() == [3, 20]
    assert attribute(write("a.csv", "id,value\n1,20\n2,3\n")).ids.to_pylist() == [3, 20]
    assert attribute(write("b.csv", "id,value\n1,20\n2,03\n")).ids.to_pylist() == ["03", "20"]


def test_several_values_in_a_cell(write, attribute):
    content = "id,value\n1,Comedy|Drama\n2,|Drama||\n3,\n7,| \n"
    result = attribute(write("a.csv", content), separator="|")
    assert result.ids.to_pylist() == [" ", "Comedy", "Drama"]
    assert result.item_values.toarray().tolist() == [[0, 1, 1], [0, 0, 1], [0, 0, 0], [1, 0, 0]]
    # Without a separator a cell is one value.
    assert "Comedy|Drama" in attribute(write("b.csv", content)).ids.to_pylist()


def test_a_separator_is_no_pattern_and_may_be_long(write, attribute):
    result = attribute(write("a.csv", "id,value\n1,a.b\n2,a..b\n"), separator="..")
    assert result.ids.to_pylist() == ["a", "a.b", "b"]


def test_lists_are_several_values(write, attribute):
    values = pa.array([["x", None], [], None, ["y", "x"]], pa.list_(pa.string()))
    result = attribute(write("a.parquet", {"id": [1, 2, 3, 7], "value": values}))
    assert result.item_values.toarray().tolist() == [[1, 0], [0, 0], [0, 0], [1, 1]]


def test_a_separator_needs_text(write, attribute):
    with pytest.raises(ConfigError, match="column 'value': separator needs strings, got int64"):
        attribute(write("a.parquet", {"id": [1], "value": [5]}), separator="|")


@pytest.mark.parametrize(
    "content", [{"id": [90, 91], "value": ["a", "b"]}, {"id": [1, 2], "value": pa.array([None, None], pa.string())}]
)
def test_a_map_that_gives_no_item_a_value_is_an_error(write, attribute, content):
    message = "none of its 2 rows gives an item one\nIs 'id' the column of the items' ids. The first items are 1, 2, 3"
    with pytest.raises(DataError, match=message):
        attribute(write("a.parquet", content))


def test_ids_of_text_match_ids_of_either_type(write, attribute, names):
    path = write("a.csv", "id,value,name\n007,a,seven\n1,b,one\n")
    assert attribute(path, STRINGS).item_values.toarray().tolist() == [[1, 0], [0, 1], [0, 0], [0, 0]]
    assert attribute(path, INTEGERS).ids.to_pylist() == ["b"]
    assert names(path, STRINGS)[0] == ["seven", "one", None, None]
    assert names(path, INTEGERS)[0] == ["one", None, None, None]


def test_ids_of_types_that_cannot_match_are_an_error(write, attribute, names, listed):
    integers = write("i.parquet", {"id": [1], "value": ["a"], "name": ["a"]})
    strings = write("s.parquet", {"id": ["1"], "value": ["a"], "name": ["a"]})
    for read in (attribute, names, listed):
        with pytest.raises(DataError, match=r"i\.parquet: column 'id': expected strings like the ids"):
            read(integers, STRINGS)
        with pytest.raises(DataError, match=r"s\.parquet: column 'id': expected integers like the ids"):
            read(strings, INTEGERS)


def test_a_null_id_is_an_error(write, attribute, names, listed):
    path = write("a.csv", "id,value,name\n1,a,b\n,a,b\n")
    for read in (attribute, names, listed):
        with pytest.raises(DataError, match=r"a\.csv: column 'id': expected an id in every row, got null in 1"):
            read(path)


def test_a_missing_file_or_column(write, attribute, tmp_path):
    with pytest.raises(MissingInputError, match="no such file or folder"):
        attribute(tmp_path / "absent.csv")
    with pytest.raises(MissingInputError, match="there is no column 'value'; there are: "):
        attribute(write("a.csv", "id,val\n1,2\n"))


def test_names_survive_exactly(write, names):
    weird = ['"Weird Al" Yankovic', " blanks\u00a0", "Ω\u200b👩‍👩‍👧é", "NA"]
    path = write(
        "a.tsv", "id\tname\n" + "".join(f"{id_}\t{name}\n" for id_, name in zip([1, 2, 3, 7], weird, strict=True))
    )
    assert names(path)[0] == weird


def test_the_first_name_counts(write, names):
    write("t/a.csv", "id,name\n2,\n9,x\n3,three\n1,one\n1,uno\n2,two\n")
    path = write("t/b.csv", "id,name\n1,eins\n7,\n2,zwei\n").parent
    assert names(path) == (
        ["one", "two", "three", None],
        {"rows_read": 9, "rows_of_unknown_ids": 1, "rows_repeated": 3, "ids_without": 1},
    )


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_ids_may_be_their_own_names(write, date, name):
    path = write(name, "id\n1\n007\n" if name == "a.csv" else {"id": ["1", "007"]})
    result = read_names(NamesSettings(path=str(path), id="id", name="id"), STRINGS.ids, date=date)
    assert result.names.to_pylist() == ["007", "1", None, None]


def test_names_that_are_numbers_become_text(write, names):
    assert names(write("a.parquet", {"id": [1], "name": [1984]}))[0] == ["1984", None, None, None]


def test_names_of_nothing_are_an_error(write, names):
    with pytest.raises(DataError, match="none of its 1 rows is of one of the ids\nIs 'id' the column of the ids"):
        names(write("a.csv", "id,name\n99,x\n"))


def test_names_that_are_all_null_are_legal(write, names):
    assert names(write("a.csv", "id,name\n1,\n99,x\n"))[0] == [None] * 4


def test_names_of_another_type_are_an_error(write, names):
    with pytest.raises(DataError, match="column 'name': expected integers or strings, got double"):
        names(write("a.parquet", {"id": [1], "name": [1.5]}))


def test_listed_ids(write, listed):
    assert listed(write("a.csv", "id\n7\n1\n99\n7\n99\n007\n")) == ([0, 3], 2)
    assert listed(write("a.parquet", {"id": ["3", "007", "x"]}), STRINGS) == ([0, 3], 1)
    assert listed(write("b.csv", "id\n99\n")) == ([], 1)


# Boosts --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def boosts(date):
    def read(path, vocabulary=INTEGERS):
        return read_boosts(BoostSettings(path=str(path), id="id", boost="boost"), vocabulary, date=date)

    return read


def test_boosts_of_ids(write, boosts):
    result = boosts(write("a.parquet", {"id": [7, 2, 9, 7], "boost": [0.5, 3.0, 2.0, 0.5]}))
    assert result.factors.tolist() == [1.0, 3.0, 1.0, 0.5]
    assert (result.known, result.unknown) == (2, 1)
    assert boosts(write("a.csv", "id,boost\n1,2\nx,1e1\n")).factors.tolist() == [2.0, 1.0, 1.0, 1.0]
    assert boosts(write("b.parquet", {"id": [1], "boost": [4]})).factors.tolist() == [4.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("boost", ["0", "-1", "nan", "inf", "much", ""])
def test_boosts_are_numbers_above_zero(write, boosts, boost):
    with pytest.raises(DataError, match="numbers above zero"):
        boosts(write("a.csv", f"id,boost\n1,2\n2,{boost}\n"))


def test_an_id_has_one_boost(write, boosts):
    with pytest.raises(DataError, match="expected one 'boost' for each id, got several for 2"):
        boosts(write("a.csv", "id,boost\n1,2\n2,3\n2,4\n"))


def test_strangers_are_ids_of_the_vocabularys_type(write, date):
    path = write("a.csv", "id\n12\nx\n2\n4\n12\n")
    found = read_ids(ListSettings(path=str(path), id="id"), INTEGERS, date=date)
    assert found.strangers.to_pylist() == [4, 12]
    assert found.unknown == 3
    assert found.rows.tolist() == [1]
