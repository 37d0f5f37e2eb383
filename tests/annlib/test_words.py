"""``annlib words``: neighbours of words, of sums and of differences, and the index that is kept for them."""

from __future__ import annotations

import argparse
import io
import json
import os
import pty
import select
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from annlib import AnnlibError, Index, IndexFileError
from annlib import words as words_command
from annlib.cli import main
from annlib.commands.errors import CommandError
from annlib.words import QueryError, WordLookup, open_words

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLANE = {
    "king": (3, 1, 0),
    "man": (2, 0, 0),
    "woman": (0, 0, 5),
    "queen": (0, 2, 6),
    "Paris": (0, 0, -1),
    "Q_X": (1, 9, 1),
}


def write_words(path: Path, vectors: dict[str, tuple[float, ...]]) -> Path:
    """Write the text format of word2vec."""
    lines = [f"{len(vectors)} 3", *(f"{word} {' '.join(map(str, vector))}" for word, vector in vectors.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def file(tmp_path) -> Path:
    return write_words(tmp_path / "plane.txt", PLANE)


@pytest.fixture
def lookup() -> WordLookup:
    return WordLookup(Index.build(np.array(list(PLANE.values())), metric="cosine", ids=list(PLANE)))


@pytest.fixture
def run() -> Callable[..., None]:
    """Run the command, and let its errors through."""

    def run_command(*arguments: object) -> None:
        parser = argparse.ArgumentParser(prog="annlib words")
        words_command.add_arguments(parser)
        words_command.run(parser.parse_args(list(map(str, arguments))))

    return run_command


def unit(word: str) -> np.ndarray:
    vector = np.array(PLANE[word], dtype=float)
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize(
    ("terms", "query", "left"),
    [
        (["king"], unit("king"), {"king"}),
        (["king", "-man", "woman"], unit("king") - unit("man") + unit("woman"), {"king", "man", "woman"}),
        (["king", "king", "man"], 2 * unit("king") + unit("man"), {"king", "man"}),
        (["king", "man", "-man"], unit("king"), {"king", "man"}),
        (["-king"], -unit("king"), {"king"}),
    ],
)
def test_sums_of_unit_vectors_without_the_words_themselves(lookup, terms, query, left):
    found = lookup.nearest(terms, k=10)
    cosines = {word: unit(word) @ query / np.linalg.norm(query) for word in PLANE if word not in left}
    assert [neighbor.word for neighbor in found] == sorted(cosines, key=cosines.__getitem__, reverse=True)
    np.testing.assert_allclose([neighbor.cosine for neighbor in found], [cosines[n.word] for n in found], rtol=1e-6)


def test_k_words_are_found_whatever_is_left_out(lookup):
    assert len(lookup.nearest(["king", "-man", "woman"], k=2)) == 2


@pytest.mark.parametrize(("typed", "meant"), [("KING", "king"), ("paris", "Paris"), ("q_x", "Q_X"), ("q_X", "Q_X")])
def test_another_case_is_tried(lookup, typed, meant):
    assert lookup.nearest([typed]) == lookup.nearest([meant])


def test_a_word_as_it_is_typed_comes_first():
    lookup = WordLookup(Index.build(np.eye(3), metric="cosine", ids=["us", "US", "Us"]))
    assert {neighbor.word for neighbor in lookup.nearest(["US"])} == {"us", "Us"}


@pytest.mark.parametrize(
    ("typed", "close"),
    [
        ("kng", "closest to it: king"),
        ("qeuen", "closest to it: queen"),
        ("wmoann", "closest to it: woman"),  # two edits
        ("pariss", "closest to it: Paris"),
        ("queenliness", "closest to it: queen"),
        ("zzzzz", "no other word is close to it"),
        ("-kng", "'kng' is not a word"),
        ("caf\ufffd", "no other word is close to it"),
    ],
)
def test_unknown_words_are_named_with_the_closest(lookup, typed, close):
    with pytest.raises(QueryError, match=close):
        lookup.nearest(["king", typed])


def test_closest_spellings_come_in_order_of_frequency():
    lookup = WordLookup(Index.build(np.ones((4, 2)), metric="cosine", ids=["win", "kings", "kind", "king"]))
    with pytest.raises(QueryError, match=r"closest to it: kind, king, win$"):
        lookup.nearest(["kin"])


def test_words_that_cancel_out_and_zero_vectors(lookup):
    with pytest.raises(QueryError, match="cancel out"):
        lookup.nearest(["king", "-king"])
    zero = WordLookup(Index.build([[0.0, 0.0], [1.0, 0.0]], metric="cosine", ids=["nothing", "something"]))
    with pytest.raises(QueryError, match="the vector of 'nothing' is zero"):
        zero.nearest(["something", "nothing"])
    assert zero.nearest(["something"]) == []


def test_names_are_words_where_ids_are_numbers():
    names = ["Pink Floyd", "Muse", "Muse"]
    index = Index.build(np.eye(3) + 1, metric="cosine", ids=[7, 8, 9], names=names)
    assert [neighbor.word for neighbor in WordLookup(index).nearest(["pink floyd"])] == ["Muse", "Muse"]
    assert len(WordLookup(index).nearest(["Muse"])) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "euclidean", "ids": ["a", "b"]}, "expected an index of metric cosine"),
        ({"metric": "cosine"}, "words"),
    ],
)
def test_an_index_without_words_or_cosines(options, message):
    with pytest.raises(AnnlibError, match=message):
        WordLookup(Index.build(np.eye(2), **options))


def test_the_index_is_built_once_and_again_when_the_file_changes(file, capsys):
    assert len(open_words(file)) == len(PLANE)
    kept = file.with_name("plane.txt.cosine.ann")
    assert "building" in capsys.readouterr().err
    first = kept.stat().st_ino
    open_words(file)
    assert kept.stat().st_ino == first
    assert capsys.readouterr().err == ""
    modified = file.stat().st_mtime_ns
    os.utime(file, ns=(modified - 10**12, modified - 10**12))  # as a file that was unpacked or moved there may be
    open_words(file)
    assert "building" in capsys.readouterr().err
    write_words(file, {"only": (1, 2, 3)})
    os.utime(file, ns=(modified - 10**12, modified - 10**12))
    assert len(open_words(file)) == 1
    assert "building" in capsys.readouterr().err


def test_the_index_is_kept_where_it_is_told_to_be(file, tmp_path):
    place = tmp_path / "elsewhere.ann"
    assert open_words(file, place).path == str(place)
    assert not file.with_name("plane.txt.cosine.ann").exists()
    assert open_words(place).path == str(place)


def test_nothing_that_was_not_built_here_is_overwritten(file, tmp_path):
    place = tmp_path / "letters.txt"
    place.write_text("keep me" * 1000)
    with pytest.raises(IndexFileError, match="not an annlib index"):
        open_words(file, place)
    assert place.read_text() == "keep me" * 1000
    Index.build(np.eye(3), metric="cosine", path=place)
    with pytest.raises(CommandError, match="expected an index that `annlib words` built"):
        open_words(file, place)
    assert len(Index.open(place)) == 3


def test_of_a_word_twice_the_first_counts(tmp_path):
    path = tmp_path / "twice.txt"
    path.write_text("3 2\na 1 0\nb 1 1\na 0 1\n")
    assert open_words(path).vector("a").tolist() == [1, 0]


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_folder_that_cannot_be_written(file):
    file.parent.chmod(0o500)
    try:
        with pytest.raises(CommandError, match="cannot be written there"):
            open_words(file)
    finally:
        file.parent.chmod(0o700)


def test_vectors_without_words(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(3, dtype=np.float32))
    with pytest.raises(CommandError, match="expected vectors with words, got npy"):
        open_words(tmp_path / "x.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


def test_words_of_the_command_line(file, run, capsys):
    run("-k", 1, file, "king", "-man", "woman")
    [line] = capsys.readouterr().out.splitlines()
    assert line == f"king -man woman\tqueen\t{lookup_cosine(['king', '-man', 'woman'], 'queen'):.6f}"


def test_the_command_line_of_annlib(file, capsys):
    assert main(["words", "-k", "1", str(file), "king", "-man", "woman"]) == 0
    assert capsys.readouterr().out.startswith("king -man woman\tqueen\t")
    assert main(["words", str(file), "king", "-kng"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"annlib: 'kng' is not a word of {file}.cosine.ann",
        "Closest to it: king.",
    ]


def lookup_cosine(terms: list[str], word: str) -> float:
    query = sum(-unit(term[1:]) if term.startswith("-") else unit(term) for term in terms)
    return float(unit(word) @ query / np.linalg.norm(query))


@pytest.mark.parametrize("late", [["king", "-k", "2"], ["--json", "king"]])
def test_options_after_the_file(file, run, late):
    with pytest.raises(CommandError, match="an option after FILE"):
        run(file, *late)


def test_lines_of_a_pipe(file, run, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'man\n\ncaf\xe9\n king  "woman" \n'), "ascii"))
    with pytest.raises(CommandError, match="1 line had no answer"):
        run("--json", "-k", 2, file)
    captured = capsys.readouterr()
    answers = [json.loads(line) for line in captured.out.splitlines()]
    assert [answer["query"] for answer in answers] == ["man", 'king  "woman"']
    assert [neighbor["word"] for neighbor in answers[0]["neighbors"]] == ["king", "Q_X"]
    assert "is not a word of" in captured.err


@pytest.mark.parametrize(
    ("line", "terms"),
    [
        ("king -man", ["king", "-man"]),
        ('-"Pink Floyd" Muse', ["-Pink Floyd", "Muse"]),
        ("don't #1 back\\slash", ["don't", "#1", "back\\slash"]),
        ('" a', ['"', "a"]),
        ("", []),
    ],
)
def test_lines_are_split_at_blanks(line, terms):
    assert words_command.split_terms(line) == terms


@pytest.mark.parametrize("end", [b"EXIT\n", b"\x04"])
def test_a_conversation_at_a_terminal(file, end):
    open_words(file)
    code = "import argparse; from annlib import words; p = argparse.ArgumentParser(); words.add_arguments(p); "
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", code + "words.run(p.parse_args())", "-k", "1", str(file)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=file.parent,
    )
    os.close(theirs)
    shown = b"".join(said_until_prompt(ours, typed) for typed in (b"", b"woman\n", b"kng\n"))
    os.write(ours, end)
    assert process.wait(timeout=60) == 0
    os.close(ours)
    assert f"{lookup_cosine(['woman'], 'queen'):.6f}  queen" in shown.decode()
    assert "closest to it: king" in shown.decode()


def said_until_prompt(terminal: int, typed: bytes) -> bytes:
    """Type something; return what is shown until the prompt, from when on the terminal takes more."""
    os.write(terminal, typed)
    shown = b""
    while not shown.endswith(b"> "):
        assert select.select([terminal], [], [], 60)[0], shown
        shown += os.read(terminal, 4096)
    return shown


def test_real_words(data_dir, tmp_path):
    lookup = WordLookup(open_words(data_dir / "words" / "word2vec_googlenews_1000x300.bin", tmp_path / "google.ann"))
    assert {"women", "man"} <= {neighbor.word for neighbor in lookup.nearest(["men"], k=3)}
