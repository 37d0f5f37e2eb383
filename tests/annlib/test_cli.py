"""The command ``annlib``."""

from __future__ import annotations

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
