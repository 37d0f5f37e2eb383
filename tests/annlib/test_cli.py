"""The command ``annlib``."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from annlib import Index
from annlib.cli import main

RECALLS = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999]


@pytest.fixture
def file(words, tmp_path) -> str:
    words.save(tmp_path / "words.ann")
    return str(tmp_path / "words.ann")


def test_info(file, capsys):
    assert main(["info", file]) == 0
    output = capsys.readouterr().out
    assert "metric          cosine" in output
    assert "name_bytes" in output
    assert "(optional)" in output


def test_info_of_a_calibration(tmp_path, capsys):
    path = str(tmp_path / "x.ann")
    vectors = np.random.default_rng(0).normal(size=(2000, 8))
    index = Index.build(vectors, metric="inner_product", calibration_queries=vectors[:30] + 1, path=path)
    assert main(["info", path]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "calibration     measured on 512 items and 30 queries" in lines
    for table in index.info["calibration"]["tables"]:
        title = lines.index(f"share of the bounds kept, on {table['queries']} {table['source']}")
        assert lines[title + 1].split() == ["recall", *map(str, RECALLS)]
        for k, betas, line in zip([1, 10, 20, 50, 100], table["beta"], lines[title + 2 :], strict=False):
            assert line.split() == ["k", str(k), *(f"{beta:.3f}" for beta in betas)]
    Index.build(vectors, metric="manhattan", path=path)
    assert main(["info", path]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "calibration     every search is exact: nothing to calibrate" in lines
    assert not any(line.startswith("share") for line in lines)


def test_info_as_json(file, capsys):
    assert main(["info", file, "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert (info["count"], info["dim"], info["path"]) == (20, 6, file)


def test_verify(file, capsys):
    assert main(["verify", file]) == 0
    assert "20 x 6, cosine: every checksum matches" in capsys.readouterr().out


def test_verify_finds_damage(file, capsys):
    with Path(file).open("r+b") as opened:
        opened.seek(4100)
        opened.write(b"\xff")
    assert main(["verify", file]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"annlib: {file}: section vectors, byte 4096: damaged")


def test_search_by_id_and_by_name(file, words, capsys):
    assert main(["search", file, "w03", "Word 7", "-k", "2"]) == 0
    first, second = capsys.readouterr().out.strip().split("\n\n")
    ids, scores = words.search_ids(["w03", "w07"], 2)
    lines = first.splitlines()
    assert lines[0] == "Word 3 (w03)"
    assert len(lines) == 3
    assert lines[1].split() == [f"{scores[0, 0]:.6g}", "Word", ids[0, 0][2:].lstrip("0") or "0", f"({ids[0, 0]})"]
    assert second.splitlines()[0] == "Word 7 (w07)"


def test_search_without_names(tmp_path, capsys):
    Index.build(np.eye(3), metric="euclidean", ids=[10, 20, 30], path=tmp_path / "x.ann")
    assert main(["search", str(tmp_path / "x.ann"), "20"]) == 0
    assert capsys.readouterr().out.splitlines() == ["20", "       1.41421  10", "       1.41421  30"]


@pytest.mark.parametrize(
    ("arguments", "what", "advice"),
    [
        (["search", "FILE", "Wrod 5"], "no item of FILE has the id or the name 'Wrod 5'", "Close to it: Word 5"),
        (["search", "FILE", "Word 0"], "2 items are named 'Word 0'", "Give the id instead: w00, w19."),
        (["search", "FILE", "$$$$$$"], "no item of FILE", "Give an id or a name as the index spells it."),
        (["search", "FILE", "w00", "-k", "0"], "k: expected at least 1, got 0", "See `annlib --help`."),
        (["info", "FILE.absent"], "FILE.absent: No such file or directory", "Give a path that exists"),
        (["info", sys.executable], f"{sys.executable}: section header, byte 0: not an annlib index", "The file cannot"),
    ],
)
def test_errors_have_two_lines(file, capsys, arguments, what, advice):
    assert main([argument.replace("FILE", file) for argument in arguments]) == 1
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("annlib: " + what.replace("FILE", file))
    assert lines[1].startswith(advice)
    assert captured.out == ""


def test_a_command_line_that_makes_no_sense(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["forget"])
    assert caught.value.code == 2
    capsys.readouterr()


def test_a_reader_that_stops_early(file, tmp_path):
    code = "import sys; from annlib.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "info", file],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (0, "")


# Build, search by vectors, export -------------------------------------------------------------------------------------


@pytest.fixture
def vectors_file(tmp_path) -> str:
    np.save(tmp_path / "vectors.npy", np.array([[1, 0], [2, 1], [0, 1]], dtype=np.float32))
    return str(tmp_path / "vectors.npy")


@pytest.fixture
def lines(tmp_path):
    """Write a text file."""

    def write(name, *texts) -> str:
        path = tmp_path / name
        path.write_text("".join(text + "\n" for text in texts), encoding="utf-8")
        return str(path)

    return write


def test_build(vectors_file, lines, tmp_path, capsys):
    output = str(tmp_path / "x.ann")
    ids, names = lines("ids.txt", "7", "8", "9"), lines("names.txt", "A", "Ä", "")
    arguments = ["build", vectors_file, "-o", output, "--metric", "euclidean", "--ids", ids, "--names", names]
    assert main([*arguments, "--calibration-queries", vectors_file, "--threads", "1"]) == 0
    index = Index.open(output)
    captured = capsys.readouterr()
    assert captured.out == f"{output}: 3 x 2, euclidean, {index.info['bytes']:,} bytes\n"
    assert captured.err == ""  # the line of progress is for terminals
    assert (index.ids.tolist(), index.names.tolist()) == ([7, 8, 9], ["A", "Ä", ""])
    assert index.info["calibration"]["state"] == "measured on 3 items and 3 queries"
    assert main(["build", vectors_file, "-o", output]) == 0  # replaces the file, as a compiler does
    assert (Index.open(output).metric, Index.open(output).ids.tolist()) == ("cosine", [0, 1, 2])


@pytest.mark.parametrize(
    ("texts", "ids"),
    [
        (["3", "-1", "2"], [3, -1, 2]),
        (["3", "01", "2"], ["3", "01", "2"]),
        (["a", " b ", "c"], ["a", " b ", "c"]),
        (["1", "2", "99999999999999999999"], ["1", "2", "99999999999999999999"]),
    ],
)
def test_lines_of_ids(vectors_file, lines, tmp_path, texts, ids):
    assert main(["build", vectors_file, "-o", str(tmp_path / "x.ann"), "--ids", lines("ids.txt", *texts)]) == 0
    assert Index.open(tmp_path / "x.ann").ids.tolist() == ids


def test_build_of_duplicates(lines, tmp_path, capsys):
    words, output = lines("words.txt", "a 1 2", "a 3 4"), str(tmp_path / "x.ann")
    assert main(["build", words, "-o", output]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"annlib: {words}: line 2: expected each id once, got 'a' again, which is that of line 1",
        "Make the ids unique, or keep the first vector of each (--duplicates first).",
    ]
    assert main(["build", words, "-o", output, "--duplicates", "first"]) == 0
    assert Index.open(output).ids.tolist() == ["a"]


def test_the_metric_of_an_hdf5_file(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["train"], file["test"] = np.eye(3), np.eye(3)[:2]
        file.attrs["distance"] = "euclidean"
    output = str(tmp_path / "x.ann")
    assert main(["build", str(tmp_path / "x.hdf5"), "-o", output, "--dataset", "test"]) == 0
    assert (Index.open(output).metric, len(Index.open(output))) == ("euclidean", 2)


@pytest.mark.parametrize("ending", ["npy", "parquet"])
def test_export_is_built_back(file, words, tmp_path, ending):
    output, ids, names = (str(tmp_path / name) for name in (f"out.{ending}", "ids.txt", "names.txt"))
    also = ["--ids-output", ids, "--names-output", names] if ending == "npy" else []
    assert main(["export", file, "-o", output, *also]) == 0
    assert main(["export", file, "-o", str(tmp_path / "n.npy"), "--names-output", names]) == 0
    back = str(tmp_path / "back.ann")
    with_ids = ["--ids", ids] if ending == "npy" else ["--id-column", "id"]
    assert main(["build", output, "-o", back, "--names", names, *with_ids]) == 0
    assert Path(back).read_bytes() == Path(file).read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_export_keeps_integers_and_names_in_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    Index.build(np.eye(2), metric="cosine", ids=[5, 3], names=["a\nb", ""], path=tmp_path / "x.ann")
    assert main(["export", str(tmp_path / "x.ann"), "-o", str(tmp_path / "x.parquet")]) == 0
    table = parquet.read_table(tmp_path / "x.parquet").to_pydict()
    assert table == {"id": [5, 3], "name": ["a\nb", ""], "vector": [[1, 0], [0, 1]]}


def test_search_by_vectors(file, words, tmp_path, capsys):
    np.save(tmp_path / "q.npy", words.vectors[:2])
    assert main(["search", file, "--vectors", str(tmp_path / "q.npy"), "-k", "1"]) == 0
    blocks = capsys.readouterr().out.split("\n\n")
    assert blocks[0].splitlines()[0] == "query 0"
    assert blocks[1].splitlines()[1].split() == ["1", "Word", "1", "(w01)"]


def test_search_by_vectors_of_words(vectors_file, lines, tmp_path, capsys):
    output = str(tmp_path / "x.ann")
    main(["build", vectors_file, "-o", output])
    capsys.readouterr()
    assert main(["search", output, "--vectors", lines("q.txt", "left 1 0", "up 0 1"), "-k", "1", "--json"]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"query": {"id": "left"}, "neighbors": [{"id": 0, "score": 1.0}]},
        {"query": {"id": "up"}, "neighbors": [{"id": 2, "score": 1.0}]},
    ]


def test_search_by_lines_of_the_input(vectors_file, tmp_path, capsys, monkeypatch):
    output = str(tmp_path / "x.ann")
    main(["build", vectors_file, "-o", output, "--metric", "euclidean"])
    capsys.readouterr()
    monkeypatch.setattr(sys, "stdin", io.StringIO("1 0\n0, 1.0\n"))
    assert main(["search", output, "--vectors", "-", "-k", "1", "--recall", "0.9"]) == 0
    assert capsys.readouterr().out.split() == ["query", "0", "0", "0", "query", "1", "0", "2"]


def test_search_as_json(file, words, capsys):
    assert main(["search", file, "Word 3", "-k", "2", "--json"]) == 0
    ids, scores = words.search_ids(["w03"], 2)
    answer = json.loads(capsys.readouterr().out)
    assert answer["query"] == {"id": "w03", "name": "Word 3"}
    assert [(item["id"], item["score"]) for item in answer["neighbors"]] == list(
        zip(ids[0].tolist(), scores[0].tolist(), strict=True)
    )


@pytest.mark.parametrize(
    ("arguments", "what", "advice"),
    [
        (["build", "FILE", "-o", "OUT"], "FILE: the format could not be recognized", "Name it: one of npy, parquet"),
        (["build", "ABSENT", "-o", "OUT"], "ABSENT: No such file or directory", "Give a path that exists"),
        (["build", "NPY", "-o", "ABSENT/x.ann"], "ABSENT/x.ann: No such file or directory", "Give a path that exists"),
        (["build", "NPY", "-o", "NPY"], "NPY is the file of the vectors", "Give the index another name."),
        (["build", "NPY", "-o", "OUT", "--format", "idx"], "NPY: byte 0: expected an idx file", "Take the file from"),
        (["build", "NPY", "-o", "OUT", "--dataset", "x"], "dataset: a npy file has no such thing", "See `annlib"),
        (["build", "NPY", "-o", "OUT", "--ids", "SHORT"], "ids: expected one for each of the 3", "See `annlib"),
        (["build", "NPY", "-o", "OUT", "--names", "BAD"], "BAD: line 2: expected UTF-8, got b'\\xff'", "Take the file"),
        (["search", "FILE"], "expected either ids or names to look up, or --vectors", "See `annlib search --help`."),
        (["search", "FILE", "--vectors", "NPY"], "queries: expected 6 dimensions", "See `annlib"),
        (["search", "FILE", "--vectors", "-"], "-: line 1: expected 6 numbers, as the index has, got 2", "Take the"),
        (["export", "FILE", "-o", "x.csv"], "x.csv: expected an ending .npy or .parquet", "Name the output so."),
        (["export", "PLAIN", "-o", "OUT.npy", "--names-output", "OUT"], "PLAIN: the index has no names", "Leave out"),
    ],
)
def test_errors_of_building_and_searching(
    file, vectors_file, lines, tmp_path, capsys, monkeypatch, arguments, what, advice
):
    Index.build(np.eye(2), metric="cosine", path=tmp_path / "plain.ann")
    (tmp_path / "bad.txt").write_bytes(b"a\n\xff\nc\n")
    places = {
        "FILE": file,
        "ABSENT": str(tmp_path / "absent"),
        "NPY": vectors_file,
        "PLAIN": str(tmp_path / "plain.ann"),
        "SHORT": lines("short.txt", "1", "2"),
        "BAD": str(tmp_path / "bad.txt"),
        "OUT": str(tmp_path / "out"),
    }

    def placed(text: str) -> str:
        for name, place in places.items():
            text = text.replace(name, place)
        return text

    monkeypatch.setattr(sys, "stdin", io.StringIO("1 0\n"))
    assert main([placed(argument) for argument in arguments]) == 1
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 2
    assert error[0].startswith("annlib: " + placed(what))
    assert error[1].startswith(advice)
    assert not (tmp_path / "out").exists()


def test_a_command_imports_no_other(tmp_path):
    script = (
        "import sys; from annlib.cli import main\n"
        "try: main(['verify', 'absent'])\n"
        "finally: print(sorted(name for name in sys.modules if name.startswith('annlib.')), file=sys.stdout)"
    )
    shown = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "annlib.commands.verify" in shown.stdout
    assert "annlib.vectors" not in shown.stdout
    assert "annlib.words" not in shown.stdout
