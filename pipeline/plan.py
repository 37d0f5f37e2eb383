"""What a run would do, and the memory it would take, before it does anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.config import USER
from pipeline.data.sources import open_source
from pipeline.errors import MissingInputError
from pipeline.reporting import step_name
from pipeline.steps import InputTask, PipelineTask, StepTask
from pipeline.tables.neighbors import BATCH_LISTS
from pipeline.tables.write import ROW_GROUP_ROWS
from pipeline.tasks import (
    BuildIndex,
    EncodeInteractions,
    Evaluate,
    FitFactors,
    FoldInEntity,
    PublishRun,
    SplitInteractions,
    WriteTable,
)

if TYPE_CHECKING:
    from pipeline.config import Config

#: What a process takes before it has read anything: the interpreter and the libraries.
_BASE_BYTES = 250 << 20
#: Rows looked at for the number of users and items of interactions that are not encoded yet.
_SAMPLE_ROWS = 500_000
_FLOAT = 4


@dataclass(frozen=True)
class PlannedStep:
    """One step of a run.

    Attributes
    ----------
    name
        The step, as ``"WriteTable similar_artists"``.
    done
        Whether its output stands already, so that it would not run.
    output
        Where its output is or would be.
    memory_bytes
        Estimate of the peak resident memory of the step.
    """

    name: str
    done: bool
    output: str
    memory_bytes: int


@dataclass(frozen=True)
class Sizes:
    """What memory depends on; estimates err upwards where the interactions are not encoded yet."""

    rows: int
    users: int
    items: int
    pairs: int


def plan(run: PublishRun) -> list[PlannedStep]:
    """The steps of a run, each after what it requires.

    Raises
    ------
    MissingInputError
        If an input file is not there.
    """
    steps = _steps_in_order(run)
    check_inputs(run)
    sizes = estimate_sizes(run.other(EncodeInteractions))
    return [
        PlannedStep(step_name(step), step.complete(), step.output().path, estimate_memory(step, sizes))
        for step in steps
        if isinstance(step, StepTask)
    ]


def check_inputs(run: PublishRun) -> None:
    """Check that every input of a run is there.

    Raises
    ------
    MissingInputError
        Naming each that is not.
    """
    inputs = [task for task in _steps_in_order(run) if isinstance(task, InputTask)]
    missing = [target.path for task in inputs for target in task.output() if not target.exists()]
    if missing:
        raise MissingInputError(
            f"no such input: {', '.join(missing)}",
            hint="Check the paths in the configuration; relative ones start at the working directory.",
        )


def estimate_sizes(encode: EncodeInteractions) -> Sizes:
    """Count rows, users and items, or estimate them from a sample where they are not encoded yet."""
    if encode.complete():
        stats = encode.open().stats
        return Sizes(stats["rows_used"], stats["users"], stats["items"], stats["nnz"])
    settings = encode.settings.interactions
    source = open_source(settings, date=encode.date)
    rows = source.estimated_rows()
    sampled, distinct = 0, (set[object](), set[object]())
    for batch in source.batches([settings.user, settings.item]):
        for column, values in enumerate(distinct):
            values.update(batch.rows.column(column).unique().to_pylist())
        sampled += batch.rows.num_rows
        if sampled >= _SAMPLE_ROWS:
            break
    # Distinct ids grow no faster than rows do, so this is an upper limit.
    users, items = (min(rows, round(len(values) * max(rows / max(sampled, 1), 1.0))) for values in distinct)
    return Sizes(rows, users, items, rows)


def estimate_memory(step: StepTask, sizes: Sizes) -> int:
    """Estimate of a step's peak resident memory, in bytes, from the sizes of what it holds."""
    settings = step.settings
    factors = settings.factorize.settings.factors
    n_vectors = {USER: sizes.users, settings.item_entity: sizes.items}
    matrix = 8 * sizes.pairs + 8 * sizes.users
    if isinstance(step, EncodeInteractions):
        # Rows, weight and time of every event, and the copies that numbering and sorting take: measured.
        own = 80 * sizes.rows + 64 * (sizes.users + sizes.items)
    elif isinstance(step, SplitInteractions):
        own = 24 * sizes.rows + 2 * matrix
    elif isinstance(step, FitFactors):
        # The matrix, its confidences and its transpose; both sides' vectors and the solver's copy of them.
        own = 3 * matrix + 2 * _FLOAT * factors * (sizes.users + sizes.items)
    elif isinstance(step, FoldInEntity):
        own = 3 * matrix + _FLOAT * factors * (sizes.users + sizes.items)
    elif isinstance(step, BuildIndex):
        own = _FLOAT * factors * n_vectors.get(step.entity, sizes.items)
    elif isinstance(step, WriteTable):
        own = _table_memory(settings, step.table, n_vectors, sizes, factors)
    elif isinstance(step, Evaluate):
        own = 2 * matrix + 2 * _FLOAT * factors * sizes.items + _FLOAT * factors * sizes.users
    else:
        own = 0
    return _BASE_BYTES + own


def _table_memory(settings: Config, name: str, n_vectors: dict[str, int], sizes: Sizes, factors: int) -> int:
    table = settings.table(name)
    index = _FLOAT * factors * n_vectors.get(table.target, sizes.items)
    lists = BATCH_LISTS * (_FLOAT * factors + 64 * table.k)
    row_groups = 2 * ROW_GROUP_ROWS * 48
    seen = 16 * sizes.pairs if table.excludes_seen else 0
    return index + lists + row_groups + seen


def _steps_in_order(run: PublishRun) -> list[PipelineTask]:
    ordered: dict[str, PipelineTask] = {}

    def visit(task: PipelineTask) -> None:
        if task.task_id not in ordered:
            for required in task.requires().values():
                visit(required)
            ordered[task.task_id] = task

    visit(run)
    return list(ordered.values())
