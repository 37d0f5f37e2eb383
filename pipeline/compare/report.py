"""What a person sees of two runs compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from pipeline.evaluation.metrics import RANKING_METRICS
from pipeline.summary import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from pipeline.compare.comparison import Comparison
    from pipeline.compare.quality import QualityComparison
    from pipeline.compare.tables import TableComparison

#: Measures without a test: they are of all lists together, or say nothing of right and wrong.
_OTHERS = ("diversity", "coverage", "gini", "novelty")
_MOVERS = 3


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print the measures of both runs, how far their tables agree, and who moved most."""
    for letter, run in zip("AB", comparison.runs, strict=True):
        console.print(plain(f"{letter}: the run of {run['date']} in {run['root']} ({run['run']})"))
    if comparison.quality is not None:
        _print_quality(console, comparison.quality)
    if comparison.tables:
        console.print(_tables(comparison.tables))
        console.print(_movers(comparison.tables))
    if comparison.not_compared:
        console.print(f"Not compared, for only one run has them alike: {', '.join(comparison.not_compared)}.")


def _print_quality(console: Console, quality: QualityComparison) -> None:
    table = Table(
        title=f"Quality on the hold-out, {quality.first_users:,} users of A and {quality.second_users:,} of B",
        title_justify="left",
        box=None,
    )
    for column in ("metric", "A", "B", "B - A", "95 % interval", "p"):
        table.add_column(column, justify="left" if column == "metric" else "right")
    cutoffs = {key.partition("@")[2] for key in quality.first}
    for cutoff in sorted(cutoffs, key=lambda k: abs(int(k) - 20))[:1]:
        for metric in (*RANKING_METRICS, *_OTHERS):
            key = f"{metric}@{cutoff}"
            if key not in quality.first:
                continue
            row = [key, f"{quality.first[key]:.4f}", f"{quality.second[key]:.4f}"]
            difference = quality.differences.get(key)
            if difference is not None:
                row += [f"{difference.mean:+.4f}", f"{difference.low:+.4f} to {difference.high:+.4f}"]
                row.append(f"{difference.p_value:.3f}")
            table.add_row(*row)
    console.print(table)
    if not quality.same_hold_out:
        console.print("The hold-outs differ: a difference is of the data as well as of the models.")
    console.print(f"B - A, interval and p are over the {quality.users:,} users of both.")


def _tables(tables: Sequence[TableComparison]) -> Table:
    table = Table(title="Tables", title_justify="left", box=None)
    for column in ("name", "lists in both", "A only", "B only", "unchanged", "overlap", "Jaccard"):
        table.add_column(column, justify="left" if column == "name" else "right")
    for each in tables:
        common = each.common_lists
        counts = (common, each.first_lists - common, each.second_lists - common, each.unchanged)
        shares = ("" if share is None else f"{share:.3f}" for share in (each.overlap, each.jaccard))
        table.add_row(each.name, *(f"{count:,}" for count in counts), *shares)
    return table


def _movers(tables: Sequence[TableComparison]) -> Table:
    table = Table(title="Largest movers, by the number of lists they are in", title_justify="left", box=None)
    table.add_column("table")
    table.add_column("name, B - A", overflow="fold")
    for each in tables:
        movers = (f"{mover.name} {mover.second_lists - mover.first_lists:+,}" for mover in each.movers[:_MOVERS])
        table.add_row(each.name, Text(", ").join(plain(mover) for mover in movers))
    return table
