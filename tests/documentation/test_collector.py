"""The collector of blocks sees what is wrong with a page."""

from __future__ import annotations

import textwrap

import pytest
from pydantic import ValidationError

from pipeline.errors import ConfigError


@pytest.fixture
def run(tmp_path, documentation):
    """Run a page given as text."""

    def run(text):
        path = tmp_path / "page.md"
        path.write_text(textwrap.dedent(text))
        documentation.Runner(tmp_path).run(documentation.Page.read(path))

    return run


def test_blocks_share_a_folder_variables_and_names(run, tmp_path):
    run(
        """
        ```sh
        export NAME=world
        echo hello > file
        ```

        ```console
        $ cat file; \\
          echo "$NAME"
        hello
        world
        ```

        ```python
        import pathlib

        size = pathlib.Path("file").stat().st_size
        ```

        ```python
        print(f"{size} bytes, {'x' * 30}")
        ```

        ```text
        6 bytes, xx...xx
        ```
        """
    )
    assert (tmp_path / "file").read_text() == "hello\n"


def test_a_file_is_written_and_not_run(run, tmp_path):
    run("<!-- file: made/task.py -->\n```python\nraise ValueError\n```\n")
    assert (tmp_path / "made" / "task.py").read_text() == "raise ValueError\n"


def test_a_long_command_is_replaced_by_a_short_one(run):
    run("<!-- in the test: true for sleep 1000 -->\n```sh\nsleep 1000\n```\n")
    with pytest.raises(ValueError, match="THIS for THAT"):
        run("<!-- in the test: true for sleep 1000 -->\n```sh\nsleep 100\n```\n")


def test_what_is_not_run_is_not(run):
    run("<!-- not run: it fails -->\n```sh\nfalse\n```\n")


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("```sh\nfalse\n```\n", "page.md:2: exit code 1"),
        ("```sh\nfalse | true\n```\n", "exit code 1"),
        ("```console\n$ echo one\ntwo\n```\n", "expected this output:\ntwo\n\ngot:\none"),
        ("```python\nprint(1)\n```\n```text\n2\n```\n", "expected this output:\n2\n\ngot:\n1"),
        ("```text\nout of the blue\n```\n", "expected a block that prints this"),
    ],
)
def test_a_block_that_does_something_else_fails(run, block, message):
    with pytest.raises(pytest.fail.Exception, match=message):
        run("\n" + block)


def test_an_error_in_python_names_its_line(run):
    with pytest.raises(AssertionError, match=r"page.md:1: ZeroDivisionError"):
        run("```python\n1 / 0\n```\n")


@pytest.mark.parametrize(
    "text", ["```ini\n[a]\n```\n", "```sh title\ntrue\n```\n", "```sh\ntrue\n", "<!-- not run: why -->\nText.\n"]
)
def test_a_page_that_cannot_be_read_is_an_error(run, text):
    with pytest.raises(ValueError, match=r"page.md:\d: "):
        run(text)


def test_configurations_are_checked_whole_or_in_part(run):
    run("```toml\n[gates]\nmin_rows = 3\n```\n")
    run('```toml\n[[tables]]\nname = "a"\nfrom = "user"\nto = "item"\n```\n')
    run('```toml\n[interactions]\npath = "a.csv"\nuser = "u"\nitem = "i"\n```\n')
    for section in ("[gates]\nmin_rows = -1\n", '[[tables]]\nname = "a"\nfrom = "user"\n'):
        with pytest.raises(ValidationError):
            run(f"```toml\n{section}```\n")
    with pytest.raises(ConfigError):
        run('```toml\n[interactions]\npath = "a.csv"\n```\n')


def test_dots_stand_for_anything_in_an_output(documentation):
    assert documentation.matches("a ... z\n", "a  b c z  \n")
    assert documentation.matches("...\na\n...\nz", "a\nb\nc\nz")
    assert not documentation.matches("a ... z", "a b\nc z")
    assert documentation.matches("a (b)", "a (b)\n\n")
    assert not documentation.matches("a ... z", "a z")
    assert not documentation.matches("a", "a b")


def test_figures_may_vary_and_words_may_not(documentation):
    assert documentation.matches("recall 0.12 of 1,000", "recall  0.1345 of 12,345", figures_vary=True)
    assert not documentation.matches("recall 0.12", "recall 0.13")
    assert not documentation.matches("recall 0.12", "ndcg 0.12", figures_vary=True)
