"""What a run would do, and the memory it would take, before it does anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.config import USER
from pipeline.data.sources import open_source
from pipeline.data.vector_files import VectorFiles
from pipeline.errors import MissingInputError
from pipeline.evaluation.baselines import ItemNeighbors
from pipeline.evaluation.metrics import RANKING_METRICS
from pipeline.reporting import step_name
from pipeline.steps import InputTask, PipelineTask, StepTask
from pipeline.tables.neighbors import BATCH_LISTS
from pipeline.tables.writer import ROW_GROUP_ROWS
from pipeline.tasks import (
    BuildIndex,
    ChooseSettings,
    DrawMap,
    EncodeInteractions,
    EncodeTestSet,
    Evaluate,
    FitFactors,
    FoldInEntity,
    ImportVectors,
    PublishRun,
    SplitInteractions,
    WriteTable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.config import TableSettings
    from pipeline.factors.choosing import ChosenSettings

#: What a process takes before it has read anything: the interpreter and the libraries.
_BASE_BYTES = 250 << 20
#: Rows looked at for the number of users and items of interactions that are not encoded yet.
_SAMPLE_ROWS = 500_000
#: Of an id of an entity type with vectors from a file: its text, its place, and the hash table that finds it.
_ID_BYTES = 200
#: Of an entity on a map: its neighbours and the forces between them; and of each number of its vector, with the copies
#: that its neighbours, the start of the layout and the clusters take: measured.
_PLACE_BYTES, _PLACED_BYTES = 3_000, 40
#: Of the candidates that the rules of a table choose from, and what is computed of them.
_RULES_BYTES = 300 << 20
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
class Shape:
    """How many vectors an entity type has, and their dimensions."""

    count: int
    dim: int

    @property
    def nbytes(self) -> int:
        """Bytes of the vectors."""
        return _FLOAT * self.count * self.dim


@dataclass(frozen=True)
class Sizes:
    """What memory depends on; estimates err upwards where the inputs are not read yet.

    Attributes
    ----------
    rows, pairs
        Events of the interactions, and distinct pairs of a user and an item among them; 0 where there are none.
    vectors
        The shapes of the vectors of each entity type.
    """

    rows: int
    pairs: int
    vectors: Mapping[str, Shape]


def plan(run: PublishRun) -> list[PlannedStep]:
    """The steps of a run, each after what it requires.

    Raises
    ------
    MissingInputError
        If an input file is not there.
    """
    steps = _steps_in_order(run)
    check_inputs(run)
    sizes = estimate_sizes(run)
    return [
        PlannedStep(step_name(step), step.complete(), step.output().path, estimate_memory(step, sizes))
        for step in steps
        if isinstance(step, StepTask)
    ]


def left_open(run: PublishRun) -> Mapping[str, Any]:
    """What is chosen from the data, such as ``"factorize.alpha"``: the values where they are known, else None."""
    if not run.settings.has_interactions:
        return {}
    chosen = chosen_settings(run)
    return dict.fromkeys(run.other(FitFactors).left_open()) if chosen is None else chosen.values


def chosen_settings(run: PublishRun) -> ChosenSettings | None:
    """What was chosen from the data for the model of the tables; None where nothing was, or it is not fitted yet."""
    if not run.settings.has_interactions:
        return None
    fit = run.other(FitFactors)
    return fit.open().chosen if fit.complete() else None


def check_inputs(task: PipelineTask) -> None:
    """Check that every input of a run, or of any task, is there.

    Raises
    ------
    MissingInputError
        Naming each that is not.
    """
    inputs = [each for each in _steps_in_order(task) if isinstance(each, InputTask)]
    missing = [target.path for each in inputs for target in each.output() if not target.exists()]
    if missing:
        raise MissingInputError(
            f"no such input: {', '.join(missing)}",
            hint="Check the paths in the configuration; relative ones start at the working directory.",
        )


def estimate_sizes(run: PublishRun) -> Sizes:
    """Count what there is, or estimate it from the beginnings of the inputs where they are not read yet."""
    settings = run.settings
    rows = pairs = 0
    vectors = {}
    if settings.has_interactions:
        space, factors = settings.interaction_space, settings.factorize.settings.factors
        rows, users, items, pairs = _count_interactions(run.other(EncodeInteractions))
        # An attribute has fewer values than there are items, as a rule.
        vectors = {entity: Shape(users if entity == USER else items, factors) for entity in space.entities}
    for entity in settings.file_entities:
        vectors[entity] = _shape_of_file(run.other(ImportVectors, entity=entity))
    return Sizes(rows, pairs, vectors)


def _count_interactions(encode: EncodeInteractions) -> tuple[int, int, int, int]:
    """Rows, users, items, and pairs of a user and an item."""
    if encode.complete():
        stats = encode.open().stats
        return stats["rows_used"], stats["users"], stats["items"], stats["nnz"]
    settings = encode.settings.interaction_space.interactions
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
    return rows, users, items, rows


def _shape_of_file(task: ImportVectors) -> Shape:
    if task.complete():
        stats = task.open().stats[task.entity]
        return Shape(stats["vectors"], stats["dimensions"])
    return Shape(*VectorFiles(task.entity_settings().vectors, date=task.date).shape())


def estimate_memory(step: StepTask, sizes: Sizes) -> int:
    """Estimate of a step's peak resident memory, in bytes, from the sizes of what it holds."""
    settings = step.settings
    if isinstance(step, ImportVectors):
        # Ids and what numbers them; vectors are mapped, and at most all of them resident.
        shape = sizes.vectors[step.entity]
        own = _ID_BYTES * shape.count + shape.nbytes
    elif isinstance(step, BuildIndex):
        own = sizes.vectors[step.entity].nbytes
    elif isinstance(step, WriteTable):
        own = _table_memory(settings.table(step.table), sizes)
    elif isinstance(step, DrawMap):
        shape = sizes.vectors[step.entity]
        popularity = 24 * shape.count
        own = popularity + min(settings.report.map_items, shape.count) * (_PLACE_BYTES + _PLACED_BYTES * shape.dim)
    elif settings.has_interactions:
        own = _factorization_memory(step, settings.interaction_space.item_entity, sizes)
    else:
        own = 0
    return _BASE_BYTES + own


def _factorization_memory(step: StepTask, item_entity: str, sizes: Sizes) -> int:
    users, items = sizes.vectors[USER], sizes.vectors[item_entity]
    matrix = 8 * sizes.pairs + 8 * users.count
    if isinstance(step, EncodeInteractions):
        # Rows, weight and time of every event, and the copies that numbering and sorting take: measured.
        return 80 * sizes.rows + 64 * (users.count + items.count)
    if isinstance(step, SplitInteractions | EncodeTestSet):
        # A test set has fewer rows than what is trained on, as a rule.
        return 24 * sizes.rows + 2 * matrix
    if isinstance(step, FitFactors):
        # The matrix, its confidences and its transpose; both sides' vectors and the solver's copy of them.
        faded = 0 if step.settings.weighting.half_life_days is None else 64 * sizes.rows
        return 3 * matrix + 2 * (users.nbytes + items.nbytes) + faded
    if isinstance(step, ChooseSettings):
        # A split of the training part, and fits of what is left of that, whose vectors are copied to be measured.
        return 24 * sizes.rows + 5 * matrix + 3 * (users.nbytes + 2 * items.nbytes)
    if isinstance(step, FoldInEntity):
        return 3 * matrix + users.nbytes + items.nbytes
    if isinstance(step, Evaluate):
        neighbors = 12 * ItemNeighbors.NEIGHBORS * items.count
        measures = 2 * _FLOAT * len(RANKING_METRICS) * len(step.settings.evaluation.cutoffs) * users.count
        return 3 * matrix + 3 * items.nbytes + users.nbytes + neighbors + measures
    return 0


def _table_memory(table: TableSettings, sizes: Sizes) -> int:
    target = sizes.vectors[table.target]
    lists = BATCH_LISTS * (_FLOAT * target.dim + 64 * table.k)
    row_groups = 2 * ROW_GROUP_ROWS * 48
    seen = 16 * sizes.pairs if table.excludes_seen else 0
    weighted = 0 if table.popularity_penalty is None and table.boosts is None else 4 * target.nbytes
    rules = _RULES_BYTES if table.rules_of_catalogue else 0
    return target.nbytes + lists + row_groups + seen + weighted + rules


def _steps_in_order(run: PipelineTask) -> list[PipelineTask]:
    ordered: dict[str, PipelineTask] = {}

    def visit(task: PipelineTask) -> None:
        if task.task_id not in ordered:
            for required in task.requires().values():
                visit(required)
            ordered[task.task_id] = task

    visit(run)
    return list(ordered.values())
