"""Runs the documentation: the fenced blocks of a Markdown page, from top to bottom, in a folder of the page's own.

What a block is, its language says:

- ``sh``: a script for bash, which must succeed; what it exports holds for the blocks after it.
- ``console``: commands after ``$ `` (with lines that go on after a backslash), each of which must succeed, and what
  they print, both streams.
- ``python``: statements in the page's own namespace.
- ``text`` right after one of ``sh`` or ``python``: what that printed.
- ``toml``: a configuration, or sections of one, which its models must accept.
- ``sql``: statements for DuckDB.
- without a language: a figure.

In what is printed, ``...`` stands for anything within a line, and on a line of its own for any lines; the number of
blanks does not matter. Comments of HTML, which no reader sees, direct the test:

- ``<!-- not run: REASON -->``, before a block: it cannot be run in a test.
- ``<!-- in the test: THIS for THAT -->``, before a block: THIS is run where the page says THAT, which takes longer.
- ``<!-- figures vary -->``, before a block: numbers in what is printed are those of one machine and version.
- ``<!-- file: NAME -->``, before a block: it is the content of a file, which is written.
- ``<!-- continues: PAGE -->``, anywhere: the page goes on in the folder that another of the same folder ends with.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import TypeAdapter

from pipeline.config import Config, parse_config

if TYPE_CHECKING:
    from collections.abc import Iterator

LANGUAGES = {"sh", "console", "python", "text", "toml", "sql", ""}
_FENCE = re.compile(r"^( *)(`{3,})(.*)$")
_CONTINUES = re.compile(r"^<!-- continues: (.+) -->$")
_DIRECTIVE = re.compile(r"^ *<!-- (?:(not run|in the test|file): (.+)|(figures vary)) -->$")
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)*(?:e-?\d+)?")
#: Seconds after which a block hangs.
_TIMEOUT = 600


@dataclass(frozen=True)
class Block:
    """A fenced block: its place, its language, its text, and what is said of it before."""

    place: str
    language: str
    text: str
    not_run: str | None = None
    file: str | None = None
    figures_vary: bool = False

    def fail(self, what: str) -> None:
        pytest.fail(f"{self.place}: {what}\n\n{self.text}", pytrace=False)


@dataclass(frozen=True)
class Page:
    """A Markdown page."""

    path: Path
    blocks: list[Block]
    continues: str | None

    @classmethod
    def read(cls, path: Path) -> Page:
        """Find the blocks of a page and what directs the test."""
        blocks: list[Block] = []
        directives: list[tuple[str, str]] = []
        continues = None
        lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for number, line in lines:
            place = f"{path.name}:{number}"
            if match := _CONTINUES.match(line):
                continues = match[1]
            elif match := _DIRECTIVE.match(line):
                directives.append((match[1] or match[3], match[2]))
            elif match := _FENCE.match(line):
                text = _text_until(match[2], match[1], lines, place)
                blocks.append(_block(place, match[3].strip(), text, directives))
                directives = []
            elif line.strip() and directives:
                raise ValueError(f"{place}: expected a block after the directive {directives[0][0]!r}")
        return cls(path, blocks, continues)


def _text_until(fence: str, indent: str, lines: Iterator[tuple[int, str]], place: str) -> str:
    text = []
    for _, line in lines:
        if line.strip() == fence:
            return "".join(f"{inner}\n" for inner in text)
        text.append(line.removeprefix(indent))
    raise ValueError(f"{place}: the block has no end")


def _block(place: str, language: str, text: str, directives: list[tuple[str, str]]) -> Block:
    if language not in LANGUAGES:
        raise ValueError(f"{place}: expected a language of {sorted(LANGUAGES)}, got {language!r}")
    for name, value in directives:
        if name == "in the test":
            this, _, that = value.partition(" for ")
            if not that or that not in text:
                raise ValueError(f"{place}: expected `THIS for THAT`, and THAT in the block, got {value!r}")
            text = text.replace(that, this)
    said = dict(directives)
    return Block(place, language, text, said.get("not run"), said.get("file"), "figures vary" in said)


class Runner:
    """Runs blocks in a folder, with an environment and a Python namespace that later ones go on with."""

    def __init__(self, folder: Path, namespace: dict[str, Any] | None = None, commands: Path | None = None) -> None:
        self.folder = folder
        self.namespace = {"__name__": "__documentation__", **(namespace or {})}
        path = [str(Path(sys.executable).parent), os.environ["PATH"]]
        if commands is not None:
            path.insert(0, str(commands))
        self.env = {**os.environ, "PATH": ":".join(path), "COLUMNS": "100"}

    def run(self, page: Page) -> None:
        """Run all blocks of a page."""
        printed = None
        for block in page.blocks:
            if block.file is not None:
                path = self.folder / block.file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text, encoding="utf-8")
            if block.not_run is not None or (block.file is not None and block.language != "toml"):
                printed = None
            elif block.language == "text":
                if printed is None:
                    block.fail("expected a block that prints this right before")
                self._compare(block, block.text, printed)
                printed = None
            elif block.language:
                printed = getattr(self, f"_run_{block.language}")(block)

    def _run_sh(self, block: Block) -> str:
        return self._bash(block, block.text)

    def _run_console(self, block: Block) -> None:
        for command, expected in console_commands(block.text):
            self._compare(block, expected, self._bash(block, command))

    def _run_python(self, block: Block) -> str:
        printed = io.StringIO()
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(printed):
            sys.path.insert(0, str(self.folder))  # as in a session there
            try:
                # The line numbers of a traceback are those of the page.
                padding = "\n" * int(block.place.rpartition(":")[2])
                exec(compile(padding + block.text, block.place, "exec"), self.namespace)  # noqa: S102 - our own pages
            except Exception as error:
                raise AssertionError(f"{block.place}: {type(error).__name__}: {error}") from error
            finally:
                sys.path.remove(str(self.folder))
        return printed.getvalue()

    def _run_toml(self, block: Block) -> None:
        check_toml(block.text)

    def _run_sql(self, block: Block) -> None:
        import duckdb

        with contextlib.chdir(self.folder), duckdb.connect() as connection:
            assert connection.execute(block.text).fetchall(), block.place

    def _bash(self, block: Block, script: str) -> str:
        environment = self.folder / ".environment"
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{script}\nenv -0 > {shlex.quote(str(environment))}"],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        if result.returncode != 0:
            block.fail(f"exit code {result.returncode}:\n{result.stdout}")
        variables = environment.read_text(encoding="utf-8").split("\0")
        self.env = dict(variable.split("=", 1) for variable in variables if variable)
        environment.unlink()
        return result.stdout

    @staticmethod
    def _compare(block: Block, expected: str, printed: str) -> None:
        if not matches(expected, printed, figures_vary=block.figures_vary):
            block.fail(f"expected this output:\n{expected}\ngot:\n{printed}\nof")


def console_commands(text: str) -> list[tuple[str, str]]:
    """Commands of a session, and what each printed."""
    commands: list[tuple[str, str]] = []
    goes_on = False
    for line in text.splitlines():
        if line.startswith("$ "):
            commands.append((line.removeprefix("$ "), ""))
            goes_on = line.endswith("\\")
        elif goes_on:
            commands[-1] = (f"{commands[-1][0]}\n{line}", "")
            goes_on = line.endswith("\\")
        else:
            command, printed = commands[-1]
            commands[-1] = (command, f"{printed}{line}\n")
    return commands


def matches(expected: str, printed: str, *, figures_vary: bool = False) -> bool:
    """Whether what was printed is as expected, where ``...`` stands for anything; alone on a line, for lines."""
    if figures_vary:
        expected, printed = (_NUMBER.sub("0", text) for text in (expected, printed))
    wanted = [" ".join(line.split()) for line in expected.strip().splitlines()]
    shown = "".join(f"{' '.join(line.split())}\n" for line in printed.strip().splitlines())
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else ".*?".join(map(re.escape, line.split("..."))) + r"\n" for line in wanted
    )
    return re.fullmatch(pattern, shown) is not None


def check_toml(text: str) -> None:
    """Check a configuration, or each section of a part of one."""
    document = tomllib.loads(text)
    if "interactions" in document or any("vectors" in entity for entity in document.get("entities", {}).values()):
        parse_config(document)
        return
    for section, content in document.items():
        field = Config.model_fields[section]
        TypeAdapter(field.rebuild_annotation()).validate_python(content)


@pytest.fixture(scope="session")
def run_page(tmp_path_factory, repository, warm_commands):
    """Run a page and return the folder it ends with; each page is run once."""
    ran: dict[Path, Path] = {}

    def run(path: Path, stand_ins=None) -> Path:
        if path not in ran:
            page = Page.read(path)
            folder = tmp_path_factory.mktemp(path.stem) / "page"
            if page.continues is not None:
                shutil.copytree(run(path.parent / page.continues), folder, symlinks=True)
            else:
                folder.mkdir()
                (folder / "configs").symlink_to(repository / "configs")
            Runner(folder, stand_ins(folder) if stand_ins else None, warm_commands).run(page)
            ran[path] = folder
        return ran[path]

    return run


@pytest.fixture(scope="session")
def documentation():
    """What reads and runs pages, for the tests of itself."""
    return SimpleNamespace(Page=Page, Runner=Runner, check_toml=check_toml, matches=matches)
