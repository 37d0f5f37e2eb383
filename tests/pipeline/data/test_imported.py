"""Vectors from files: put in the order of their ids, named, counted, and refused where they cannot be used."""

from __future__ import annotations

import gzip
import pickle
import tracemalloc

import h5py
import numpy as np
import pytest

from pipeline.config import FileEntity
from pipeline.data.imported import ImportedVectors, import_vectors, input_stamps
from pipeline.data.vector_files import VectorFiles
from pipeline.errors import ConfigError, DataError, MissingInputError

WORDS = "5 2\nking 1 2\nqueen 3 4\napple 5 6\nÄpfel 0 0\nZ -1 .5\n"


@pytest.fixture
def imported(tmp_path_factory, date):
    """Import by the settings of an entity type given as keys."""

    def run(path, *, names=None, progress=lambda fraction, message: None, **vectors):
        settings = FileEntity.model_validate({"vectors": {"path": str(path), **vectors}, "names": names})
        folder = tmp_path_factory.mktemp("imported")
        import_vectors("word", settings, date=date, folder=folder, progress=progress)
        return ImportedVectors.open(folder), np.load(folder / "word.npy")

    return run


def test_vectors_are_in_the_order_of_their_ids(write, imported):
    result, vectors = imported(write("words.txt", WORDS))
    vocabulary = result.vocabulary("word")
    assert vocabulary.ids.to_pylist() == ["Z", "apple", "king", "queen", "Äpfel"]
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, np.float32([[-1, 0.5], [5, 6], [1, 2], [3, 4], [0, 0]]))
    assert vocabulary.names is None
    assert result.first_ids == ["king", "queen", "apple", "Äpfel", "Z"]
    assert result.stats == {"word": {"vectors_read": 5, "vectors": 5, "dimensions": 2, "zero_vectors": 1}}


def test_rows_are_the_ids_where_the_format_has_none(write, tmp_path, imported):
    matrix = np.random.default_rng(0).normal(size=(300, 7))
    np.save(tmp_path / "matrix.npy", matrix)
    result, vectors = imported(tmp_path / "matrix.npy")
    assert result.vocabulary("word").ids.to_pylist() == list(range(300))
    np.testing.assert_array_equal(vectors, matrix.astype(np.float32))


def test_words_that_look_like_numbers_stay_words(write, imported):
    result, vectors = imported(write("words.txt", "3 1\n10 1\n9 2\n007 3\n"))
    assert result.vocabulary("word").ids.to_pylist() == ["007", "10", "9"]
    assert vectors.ravel().tolist() == [3, 1, 2]


def test_names_are_joined(write, imported):
    names = {"path": str(write("names.csv", "id,name\nking,König\nnobody,x\n")), "id": "id", "name": "name"}
    result, _ = imported(write("words.txt", WORDS), names=names)
    assert result.vocabulary("word").display_names().to_pylist() == ["Z", "apple", "König", "queen", "Äpfel"]
    assert result.stats["word"]["names"] == {
        "rows_read": 2,
        "rows_of_unknown_ids": 1,
        "rows_repeated": 0,
        "ids_without": 4,
    }


def test_several_files_are_one_in_the_order_of_their_names(write, tmp_path, imported):
    write("parts/b.txt", "1 2\nb 1 1\n")
    write("parts/a.txt.gz", gzip.compress(b"2 2\nc 3 3\na 2 2\n"))
    write("parts/_SUCCESS", "")
    result, vectors = imported(tmp_path / "parts")
    assert result.vocabulary("word").ids.to_pylist() == ["a", "b", "c"]
    assert vectors[:, 0].tolist() == [2, 1, 3]
    assert result.first_ids == ["c", "a", "b"]
    assert [result.vocabulary("word").id(row) for row in result.positions.argsort()] == ["c", "a", "b"]
    np.save(tmp_path / "0.npy", np.zeros((2, 3)))
    np.save(tmp_path / "1.npy", np.ones((2, 3)))
    result, vectors = imported(f"{tmp_path}/*.npy")
    assert result.vocabulary("word").ids.to_pylist() == [0, 1, 2, 3]
    assert vectors[:, 0].tolist() == [0, 0, 1, 1]


def test_columns_of_parquet(write, tmp_path, imported):
    write("parts/part-0.parquet", {"key": ["b", "a"], "vector": [[1.0, 2.0], [3.0, 4.0]], "other": [[0.0], [0.0]]})
    write("parts/part-1.parquet", {"key": ["c"], "vector": [[5.0, 6.0]], "other": [[0.0]]})
    result, vectors = imported(tmp_path / "parts", id_column="key", vector_column="vector")
    assert result.vocabulary("word").ids.to_pylist() == ["a", "b", "c"]
    assert vectors.tolist() == [[3, 4], [1, 2], [5, 6]]
    wide = write("wide.parquet", {"key": [9, 7], "x": [0.5, 1.5], "y": [2.5, 3.5]})
    result, vectors = imported(wide, id_column="key")
    assert result.vocabulary("word").ids.to_pylist() == [7, 9]
    assert vectors.tolist() == [[1.5, 3.5], [0.5, 2.5]]
    with pytest.raises(DataError, match=r"wide\.parquet: expected one column 'id', got the columns key, x, y"):
        imported(wide, id_column="id")


def test_a_data_set_of_hdf5(tmp_path, imported):
    with h5py.File(tmp_path / "vectors.hdf5", "w") as file:
        file["train"] = np.zeros((2, 3), np.float32)
        file["test"] = np.ones((4, 3), np.float32)
    assert imported(tmp_path / "vectors.hdf5", dataset="test")[1].tolist() == np.ones((4, 3)).tolist()


def test_the_date_is_put_in_the_path(write, tmp_path, imported):
    write("2026-01-31.txt", WORDS)
    assert len(imported(f"{tmp_path}/{{date}}.txt")[1]) == 5


def test_the_first_of_each_id_can_be_kept(write, imported):
    result, vectors = imported(write("words.txt", "4 1\nb 1\na 2\nb 3\na 4\n"), duplicates="first")
    assert result.vocabulary("word").ids.to_pylist() == ["a", "b"]
    assert vectors.ravel().tolist() == [2, 1]
    assert result.first_ids == ["b", "a"]
    assert result.stats["word"]["vectors_read"] == 4


def test_many_vectors_against_a_slow_twin(tmp_path, imported):
    rng = np.random.default_rng(1)
    words = [f"w{number}" for number in rng.permutation(70_000)]
    vectors = rng.integers(-99, 99, size=(len(words), 65)).astype(np.float32)
    with (tmp_path / "words.bin").open("wb") as file:
        file.write(f"{len(words)} 65\n".encode())
        for word, vector in zip(words, vectors, strict=True):
            file.write(word.encode() + b" " + vector.tobytes() + b"\n")
    result, ordered = imported(tmp_path / "words.bin")
    by_word = dict(zip(words, vectors, strict=True))
    assert result.vocabulary("word").ids.to_pylist() == sorted(words)
    np.testing.assert_array_equal(ordered, np.stack([by_word[word] for word in sorted(words)]))


def test_the_same_input_gives_the_same_bytes(write, imported):
    path = write("words.txt", WORDS)
    first, second = ({file.name: file.read_bytes() for file in imported(path)[0].folder.iterdir()} for _ in range(2))
    assert first == second
    assert set(first) == {"word.npy", "positions.npy", "vocabulary.parquet", "imported.json"}


def test_memory_holds_a_few_blocks_of_the_vectors(tmp_path, monkeypatch, date):
    for module in ("annlib.vectors.base.BLOCK_BYTES", "pipeline.data.imported.BLOCK_BYTES"):
        monkeypatch.setattr(module, 1 << 20)
    size = 400 * 100_000
    with (tmp_path / "large.npy").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (size // 400, 100)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + size)
    settings = FileEntity.model_validate({"vectors": {"path": str(tmp_path / "large.npy")}})
    (tmp_path / "out").mkdir()
    tracemalloc.start()
    try:
        import_vectors("word", settings, date=date, folder=tmp_path / "out")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < size / 4


def test_what_is_imported_pickles(write, imported):
    result, _ = imported(write("words.txt", WORDS))
    assert result.vocabulary("word").row("king") == 2
    assert pickle.loads(pickle.dumps(result)).vocabulary("word").row("king") == 2  # noqa: S301
    with pytest.raises(ValueError, match="unknown entity type 'track'"):
        result.vocabulary("track")


def test_a_folder_without_vectors_is_not_opened(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected imported vectors"):
        ImportedVectors.open(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "settings", "error", "message"),
    [
        ("absent.txt", None, {}, MissingInputError, r"no such file or folder: .*absent\.txt"),
        ("words.txt", "2 2\nking 1 2\n", {}, DataError, r"words\.txt"),
        ("words.txt", "2 2\nking 1 2\nqueen 1\n", {}, DataError, r"words\.txt: line 3"),
        ("words.txt", "2 2\nking 1 2\nqueen 1 nan\n", {}, DataError, r"words\.txt: line 3.*nan"),
        ("words.txt", "2 2\nking 1 2\nqueen 1 x\n", {}, DataError, r"words\.txt: line 3"),
        ("words.txt", b"1 1\n\xff\xfe 1\n", {}, DataError, r"words\.txt: line 2"),
        ("words.txt", "", {}, DataError, r"words\.txt"),
        ("words.txt", "0 2\n", {}, DataError, r"words\.txt: expected vectors, found none"),
        ("words.npy", b"\x93NUMPY\x01\x00v\x00{'descr'", {}, DataError, r"words\.npy"),
        ("words.xyz", "what is this", {}, DataError, r"words\.xyz"),
        ("words.txt", WORDS, {"format": "npy"}, DataError, r"words\.txt"),
        ("words.txt", WORDS, {"id_column": "id"}, ConfigError, r"words\.txt: id_column: .*'id'\nCheck the settings"),
        (
            "words.txt",
            "9 1\n" + "".join(f"{word} 1\n" for word in "aabbbccdd"),
            {},
            DataError,
            r"several for 'a' \(2 times\), 'b' \(3 times\), 'c' \(2 times\) and 1 more\n.*duplicates = \"first\"",
        ),
    ],
)
def test_what_cannot_be_used_is_named(write, tmp_path, imported, name, content, settings, error, message):
    path = tmp_path / name if content is None else write(name, content)
    with pytest.raises(error, match=message):
        imported(path, **settings)


def test_files_of_other_dimensions_are_refused(write, tmp_path, imported):
    write("parts/a.txt", "1 2\na 1 1\n")
    write("parts/b.txt", "1 3\nb 1 1 1\n")
    with pytest.raises(DataError, match=r"b\.txt: expected 2 dimensions, as .*a\.txt has, got 3"):
        imported(tmp_path / "parts")


def test_ids_of_two_types_are_refused(write, tmp_path, imported):
    write("parts/a.txt", "1 2\na 1 1\n")
    np.save(tmp_path / "parts" / "b.npy", np.ones((2, 2)))
    with pytest.raises(DataError, match="ids of one type in all files, got strings and integers"):
        imported(tmp_path / "parts")


def test_names_of_nobody_are_refused(write, imported):
    names = {"path": str(write("names.csv", "id,name\nnobody,x\n")), "id": "id", "name": "name"}
    with pytest.raises(DataError, match=r"none of its 1 rows is of one of the ids\n.*'Z', 'apple', 'king'"):
        imported(write("words.txt", WORDS), names=names)


def test_an_input_that_changes_while_it_is_read(write, imported):
    path = write("words.txt", WORDS)

    def tamper(fraction, message):
        if "order" in message:
            path.write_text(WORDS.replace("king", "ring"), encoding="utf-8")

    with pytest.raises(DataError, match="an input changed while it was being read"):
        imported(path, progress=tamper)


def test_progress_rises_to_the_end(write, imported):
    told = []
    imported(write("words.txt", WORDS), progress=lambda fraction, message: told.append(fraction))
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_stamps_of_what_is_not_there_are_empty(write, tmp_path, date):
    names = {"path": str(write("names.csv", "id,name\n")), "id": "id", "name": "name"}
    settings = FileEntity.model_validate({"vectors": {"path": f"{tmp_path}/absent.txt"}, "names": names})
    vectors, named = input_stamps(settings, date)
    assert vectors == []
    assert [stamp.path for stamp in named] == ["names.csv"]


def test_the_shape_is_known_or_guessed_before_reading(write, date):
    def shape(path):
        return VectorFiles(FileEntity.model_validate({"vectors": {"path": str(path)}}).vectors, date=date).shape()

    assert shape(write("words.txt", WORDS)) == (5, 2)
    count, dim = shape(write("glove.txt", "".join(f"w{i} 0.125 0.25 0.5\n" for i in range(100))))
    assert dim == 3
    assert 100 <= count <= 400


def test_dates_that_are_none(imported):
    with pytest.raises(ConfigError, match=r"expected no braces but \{date\}"):
        imported("{day}.txt")
