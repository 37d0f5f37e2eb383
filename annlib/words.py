"""``annlib words``: type words, get their neighbours, as word2vec's ``distance`` and ``word-analogy`` do."""

from __future__ import annotations

import io
import json
import shlex
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from annlib._words_index import open_words
from annlib._words_lookup import Neighbor, QueryError, WordLookup
from annlib.commands.errors import CommandError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["Neighbor", "QueryError", "WordLookup", "add_arguments", "open_words", "run"]

_PROMPT = "words (EXIT to leave)> "
_EXIT = "EXIT"
_DESCRIPTION = """\
Show the words nearest to a word, to a sum of words, or to a difference: king -man woman.

Without words, reads them line by line: at a terminal after a prompt, from a pipe to lines of query, word and cosine,
separated by tabs. Words are separated by blanks; "quotation marks" keep blanks within a word."""
_EPILOG = """\
The first call builds an index and keeps it as FILE.cosine.ann; later calls map it. It is built again when the size of
FILE changes or the time of its modification. Options come before FILE: what follows it are words, each with its -."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``annlib words``."""
    from argparse import REMAINDER, RawDescriptionHelpFormatter

    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.formatter_class = RawDescriptionHelpFormatter
    parser.usage = "%(prog)s [-k K] [--recall R] [--index PATH] [--json] FILE [[-]WORD ...]"
    parser.add_argument("-k", type=int, default=10, help="words to show (default: 10)")
    parser.add_argument("--recall", type=float, default=1.0, help="share of the nearest to find (default: 1, all)")
    parser.add_argument("--index", metavar="PATH", help="keep the index there (default: FILE.cosine.ann)")
    parser.add_argument("--json", action="store_true", help="answer each query with a line of JSON")
    parser.add_argument(
        "file", metavar="FILE", help="vectors of words, in any format of annlib build, or an .ann index"
    )
    # Everything after FILE is words: argparse must not take -man for an option.
    parser.add_argument("words", metavar="WORD", nargs=REMAINDER, help="words to add, or with a - before to subtract")


def run(options: argparse.Namespace) -> None:
    """Answer the words of the command line, or else the lines of standard input.

    Raises
    ------
    AnnlibError, OSError
        The vectors or their index cannot be used.
    CommandError
        The words have no answer, or options stand among them.
    ValueError
        An argument is not as described.
    """
    _refuse_late_options(options.words)
    lookup = WordLookup(open_words(options.file, options.index))
    show = _show_json if options.json else _show_table if sys.stdout.isatty() else _show_lines

    def answer(query: str, terms: Sequence[str]) -> None:
        show(query, lookup.nearest(terms, options.k, recall=options.recall))

    if options.words:
        try:
            answer(" ".join(options.words), options.words)
        except QueryError as error:
            raise CommandError(error.what, f"{error.advice[0].upper()}{error.advice[1:]}.") from None
    elif sys.stdin.isatty():
        _converse(answer)
    else:
        _answer_lines(answer)


def _refuse_late_options(words: list[str]) -> None:
    """Refuse options that came too late to be any: no word begins with two hyphens, and none is ``-k`` of a number."""
    pairs = zip(words, [*words[1:], ""], strict=False)
    late = [word for word, after in pairs if word.startswith("--") or (word == "-k" and after.isdecimal())]
    if late:
        raise CommandError(f"{late[0]}: an option after FILE, where words are", "Give the options before FILE.")


def _converse(answer: Callable[[str, Sequence[str]], None]) -> None:
    """Ask for words until EXIT, the end of input or an interrupt."""
    with suppress(ImportError):
        import readline  # noqa: F401 (gives input() a history, where the platform has it)
    with suppress(EOFError, KeyboardInterrupt):
        while (line := input(_PROMPT).strip()) != _EXIT:
            try:
                if terms := split_terms(line):
                    answer(line, terms)
            except QueryError as error:
                print(error)
        return
    print()


def _answer_lines(answer: Callable[[str, Sequence[str]], None]) -> None:
    """Answer each line as it comes; say at the end how many had no answer."""
    unanswered = 0
    for line in _input_lines():
        try:
            if terms := split_terms(line):
                answer(line, terms)
        except QueryError as error:
            print(f"annlib: {error}", file=sys.stderr)
            unanswered += 1
        sys.stdout.flush()  # another program may be waiting for it
    if unanswered > 0:
        lines = "line" if unanswered == 1 else "lines"
        raise CommandError(f"{unanswered} {lines} had no answer", "The messages above say why.")


def _input_lines() -> Iterator[str]:
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # bytes that are not UTF-8 are no known word
    return (line.strip() for line in sys.stdin)


def split_terms(line: str) -> list[str]:
    """Split a line at blanks, but not within quotation marks; one without its fellow stands for itself."""
    if line.count('"') % 2 == 1:
        return line.split()
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace_split, lexer.quotes, lexer.escape, lexer.commenters = True, '"', "", ""
    return list(lexer)


def _show_table(query: str, neighbors: list[Neighbor]) -> None:
    print(query)
    for neighbor in neighbors:
        print(f"  {neighbor.cosine:>9.6f}  {neighbor.word}")


def _show_lines(query: str, neighbors: list[Neighbor]) -> None:
    for neighbor in neighbors:
        print(query, neighbor.word, f"{neighbor.cosine:.6f}", sep="\t")


def _show_json(query: str, neighbors: list[Neighbor]) -> None:
    found = [{"word": neighbor.word, "cosine": round(neighbor.cosine, 7)} for neighbor in neighbors]
    print(json.dumps({"query": query, "neighbors": found}, ensure_ascii=False))
