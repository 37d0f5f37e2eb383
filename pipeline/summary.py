"""What a person sees at the end of a run, or of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table
from rich.text import Text

from pipeline.config import USER

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from pipeline.explain import Explanation
    from pipeline.factors.choosing import ChosenSettings
    from pipeline.lookup import Run
    from pipeline.plan import PlannedStep
    from pipeline.tasks import PublishRun

#: Look-ups that are shown, and how many neighbours of each.
_LOOKUPS = 4
_NEIGHBORS = 4
#: Baselines by their name in the evaluation, in the order they are shown; the last is what ``ratio`` is to.
_BASELINES = {"item_knn": "item k-NN", "recent_popularity": "recent", "popularity": "popularity"}
_METRICS = ("recall", "ndcg", "map", "mrr", "hit_rate")


def plain(text: str) -> Text:
    """Text from data, which is no markup and has no control characters."""
    return Text("".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text))


def print_run(
    console: Console, run: Run, date: datetime.date, *, already_published: bool, withdrawn: str | None = None
) -> None:
    """Print where the tables are, how good they are, and a few look-ups.

    Parameters
    ----------
    run
        The published run.
    date
        Date of the run that was asked for.
    already_published
        Whether it had been published before.
    withdrawn
        Its fingerprint, if a rollback took it back.
    """
    state = "was published already; nothing to do" if already_published else "is published"
    if withdrawn is not None:
        state = "was withdrawn by a rollback"
    console.print(f"\n[bold]The run of {date} {state}.[/bold]")
    if withdrawn is not None:
        console.print(f"current.json stays at the run of {run.date}, shown here.")
        console.print(f"To publish it again: cfpipe rollback CONFIG --to {withdrawn}", highlight=False)
    elif run.date != date.isoformat():
        console.print(f"current.json stays at the later run of {run.date}, shown here.")
    console.print(_tables(run))
    if run.has_interactions:
        chosen = run.fold_in.model.chosen
        if chosen is not None:
            console.print(_chosen(chosen.values), soft_wrap=True)
            print_trials(console, chosen)
        console.print(_quality(run))
        console.print(_lookups(run, *_best_known(run)))
    for entity, imported in run.imported.items():
        vocabulary = imported.vocabulary(entity)
        console.print(_lookups(run, entity, [vocabulary.row(first) for first in imported.first_ids]))


def print_plan(
    console: Console, steps: Sequence[PlannedStep], task: PublishRun, chosen: Mapping[str, Any] | None = None
) -> None:
    """Print the steps of a run, what each would take, and what is chosen from the data: None where not known yet."""
    table = Table(title=f"run of {task.date}", title_justify="left", box=None)
    table.add_column("step")
    table.add_column("state")
    table.add_column("memory, about", justify="right")
    for step in steps:
        memory = "" if step.done else f"{step.memory_bytes / 2**20:,.0f} MiB"
        table.add_row(step.name, "done" if step.done else "would run", memory)
    console.print(table)
    todo = [step for step in steps if not step.done]
    peak = max((step.memory_bytes for step in todo), default=0)
    console.print(f"{len(todo)} of {len(steps)} steps would run; peak memory about {peak / 2**20:,.0f} MiB.")
    if chosen:
        console.print(_chosen(chosen), soft_wrap=True)


def print_trials(console: Console, chosen: ChosenSettings | None) -> None:
    """Print what trials of the settings came to, if there were any, or should have been."""
    if chosen is not None and chosen.trials is not None:
        console.print(Text(str(chosen.trials)), soft_wrap=True)


def print_explanation(console: Console, explanation: Explanation, k: int) -> None:
    """Print the first k shares of a score, the rest as one, and what they add up to."""
    table = Table(title=plain(f"why {explanation.name}"), title_justify="left", box=None)
    table.add_column("share", justify="right")
    table.add_column("weight", justify="right")
    table.add_column(explanation.history_of)
    table.add_column("id", justify="right")
    shown, rest = explanation.contributions[:k], explanation.contributions[k:]
    for part in shown:
        table.add_row(f"{part.share:.4f}", f"{part.weight:g}", plain(part.name), str(part.id))
    if rest:
        share, weight = sum(part.share for part in rest), sum(part.weight for part in rest)
        table.add_row(f"{share:.4f}", f"{weight:g}", f"{len(rest):,} others", "")
    table.add_section()
    table.add_row(f"{explanation.fold_in_score:.4f}", "", "the sum: the score by fold-in", "")
    if explanation.score is not None:
        table.add_row(f"{explanation.score:.4f}", "", "the published score, by the vector of the fit", "")
    console.print(table)


def _chosen(values: Mapping[str, Any]) -> Text:
    """One line of settings that nobody has set."""
    shown = ", ".join(name if value is None else f"{name} = {_number(value)}" for name, value in values.items())
    when = " when the model is fitted" if None in values.values() else ""
    return Text(f"Chosen from the data{when}: {shown}.")


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _tables(run: Run) -> Table:
    table = Table(title=f"Tables, folders of Parquet files in {run.root}", title_justify="left", box=None)
    table.add_column("name")
    table.add_column("rows", justify="right")
    table.add_column("folder", overflow="fold")
    for name, folder in run.content["tables"].items():
        table.add_row(name, f"{run.manifest(name)['rows']:,}", folder)
    return table


def _quality(run: Run) -> Table:
    evaluation = run.evaluation
    measured = evaluation.get("baselines", {"popularity": evaluation["popularity"]})
    baselines = {title: measured[name] for name, title in _BASELINES.items() if name in measured}
    intervals = evaluation.get("intervals", {}).get("model", {})
    table = Table(title=f"Quality on the hold-out, {evaluation['users']:,} users", title_justify="left", box=None)
    folds = evaluation.get("folds")
    of_folds = [] if folds is None else [f"{folds['count']} folds ± s.d."]
    for column in ("metric", "model", "± 95 %", *of_folds, *baselines, "ratio"):
        table.add_column(column, justify="left" if column == "metric" else "right")
    cutoff = min((key.partition("@")[2] for key in evaluation["model"]), key=lambda k: abs(int(k or 0) - 20))
    for metric in _METRICS:
        key = f"{metric}@{cutoff}"
        model, popularity = evaluation["model"][key], measured["popularity"][key]
        low, high = intervals.get(key, (None, None))
        margin = "" if low is None else f"{(high - low) / 2:.4f}"
        ratio = f"{model / popularity:.2f} x" if popularity else ""
        over_folds = [] if folds is None else [f"{folds['mean']['model'][key]:.4f} ± {folds['deviation'][key]:.4f}"]
        others = (f"{each[key]:.4f}" for each in baselines.values())
        table.add_row(key, f"{model:.4f}", margin, *over_folds, *others, ratio)
    return table


def _best_known(run: Run) -> tuple[str, list[int]]:
    """Rows of the best-known entities of the type that says most to a person: an attribute, if there is one."""
    item = run.encoded.item_entity
    entity = next((name for name in run.entities if name not in (USER, item, *run.imported)), item)
    listeners = np.bincount(run.encoded.entity_items(entity).indices, minlength=len(run.vocabulary(entity)))
    return entity, np.argsort(-listeners, kind="stable")[:_LOOKUPS].tolist()


def _lookups(run: Run, entity: str, rows: Sequence[int]) -> Table:
    """Neighbours of some entities."""
    table = Table(title=f"Similar {entity}s, for example", title_justify="left", box=None)
    table.add_column(entity)
    table.add_column("nearest, with cosines", overflow="fold")
    vocabulary = run.vocabulary(entity)
    for row in rows[:_LOOKUPS]:
        neighbors = run.similar_to_row(entity, row, _NEIGHBORS)
        shown = Text(", ").join(plain(f"{neighbor.name} {neighbor.score:.2f}") for neighbor in neighbors)
        table.add_row(plain(vocabulary.name(row)), shown)
    return table
