"""``annlib search``: the neighbours of items in an index, or of vectors that are given."""

from __future__ import annotations

import difflib
import json
import math
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from annlib.commands.errors import CommandError
from annlib.commands.source import add_source_arguments, open_source
from annlib.errors import UnknownIdError
from annlib.index import Index
from annlib.vectors import VectorBlock, VectorFileError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["add_arguments", "run"]

_BATCH_LINES = 1024


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``annlib search``."""
    parser.add_argument("file", metavar="FILE", help="index file")
    parser.add_argument("queries", metavar="QUERY", nargs="*", help="an id or a name in the index")
    parser.add_argument("--vectors", metavar="FILE", help="file of query vectors; -: lines of numbers from the input")
    add_source_arguments(parser)
    parser.add_argument("-k", type=int, default=10, help="neighbours to show (default: 10)")
    parser.add_argument("--recall", type=float, default=1.0, help="share of the neighbours to find (default: 1, all)")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each query")


def run(options: argparse.Namespace) -> None:
    """Print the neighbours of each query."""
    if bool(options.queries) == (options.vectors is not None):
        raise CommandError(
            "expected either ids or names to look up, or --vectors with a file of query vectors",
            "See `annlib search --help`.",
        )
    index = Index.open(options.file)
    show = _show_json if options.json else _show_text
    answers = _of_items(index, options) if options.vectors is None else _of_vectors(index, options)
    for number, (query, rows, scores) in enumerate(answers):
        kept = rows >= 0
        neighbors = _describe(index, rows[kept])
        for neighbor, score in zip(neighbors, scores[kept].tolist(), strict=True):
            neighbor["score"] = score
        if number > 0 and not options.json:
            print()
        show(query, neighbors)


def _describe(index: Index, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Return the id, and the name if there is one, of each row."""
    described = [{"id": item_id} for item_id in index.ids_of(rows).tolist()]
    names = index.names_of(rows)
    if names is not None:
        for item, name in zip(described, names.tolist(), strict=True):
            item["name"] = name
    return described


def _show_json(query: dict[str, Any], neighbors: list[dict[str, Any]]) -> None:
    finite = [{**neighbor, "score": _json_number(neighbor["score"])} for neighbor in neighbors]
    print(json.dumps({"query": query, "neighbors": finite}, ensure_ascii=False))


def _json_number(score: float) -> float | None:
    """Return a score as JSON can say it: what is beyond float32 is infinite, for which it has no word."""
    return score if math.isfinite(score) else None


def _show_text(query: dict[str, Any], neighbors: list[dict[str, Any]]) -> None:
    print(_label(query))
    for neighbor in neighbors:
        print(f"  {neighbor['score']:>12.6g}  {_label(neighbor)}")


def _label(item: dict[str, Any]) -> str:
    if "row" in item:
        return f"query {item['row']}"
    return f"{item['name']} ({item['id']})" if "name" in item else str(item["id"])


_Answer = tuple[dict[str, Any], "NDArray[np.int64]", "NDArray[np.float32]"]


def _of_items(index: Index, options: argparse.Namespace) -> Iterator[_Answer]:
    rows = np.array([_find(index, query) for query in options.queries], dtype=np.int64)
    found, scores = index.neighbor_rows(options.k, options.recall, rows=rows)
    yield from zip(_describe(index, rows), found, scores, strict=True)


def _of_vectors(index: Index, options: argparse.Namespace) -> Iterator[_Answer]:
    blocks = _input_blocks(index.dim) if options.vectors == "-" else open_source(options.vectors, options).blocks()
    row = 0
    for block in blocks:
        found, scores = index.search_rows(block.vectors, options.k, recall=options.recall)
        for i in range(len(found)):
            query = {"row": row + i} if block.ids is None else {"id": block.ids[i]}
            yield query, found[i], scores[i]
        row += len(found)


def _input_blocks(dim: int) -> Iterator[VectorBlock]:
    """Read lines of numbers, separated by blanks or commas, from the standard input."""
    lines = enumerate(sys.stdin, start=1)
    while batch := list(islice(lines, _BATCH_LINES)):
        yield VectorBlock(np.array([_numbers(line, number, dim) for number, line in batch], dtype=np.float32))


def _numbers(line: str, number: int, dim: int) -> list[float]:
    fields = line.replace(",", " ").split()
    try:
        numbers = list(map(float, fields))
    except ValueError as error:
        raise VectorFileError(f"expected numbers: {error}", path="-", line=number) from None
    if len(numbers) != dim:
        raise VectorFileError(f"expected {dim} numbers, as the index has, got {len(fields)}", path="-", line=number)
    return numbers


def _find(index: Index, query: str) -> int:
    """Return the row of an id, or of a name that only one item has."""
    try:
        return index.row(query if index.info["id_type"] == "strings" else int(query))
    except (UnknownIdError, ValueError, OverflowError):
        pass  # not an id: perhaps a name
    names = index.names
    if names is not None:
        rows = np.flatnonzero(names == query)
        if rows.size == 1:
            return int(rows[0])
        if rows.size > 1:
            shown = ", ".join(map(str, index.ids_of(rows[:10])))
            raise CommandError(f"{rows.size} items are named {query!r}", f"Give the id instead: {shown}.")
    texts = list(map(str, index.ids)) if names is None else names.tolist()
    close = difflib.get_close_matches(query, texts, n=5)
    advice = f"Close to it: {', '.join(close)}." if close else "Give an id or a name as the index spells it."
    raise CommandError(f"no item of {index.path} has the id or the name {query!r}", advice)
