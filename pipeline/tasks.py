"""The Luigi graph: which step needs which, where its output goes, and nothing else."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import luigi
import numpy as np

import annlib
from pipeline.config import USER
from pipeline.data import encode, split
from pipeline.data.encode import Encoded
from pipeline.data.split import Split
from pipeline.errors import DataError
from pipeline.evaluation.check import check_run
from pipeline.evaluation.evaluate import evaluate
from pipeline.factors.base import Factors, effective_threads, find_factorizer
from pipeline.factors.weighting import Weighting
from pipeline.steps import InputTask, PipelineTask, StepTask, forget_fingerprints
from pipeline.store import publish_folder, publish_json
from pipeline.tables.neighbors import calibration_sample
from pipeline.tables.schema import TABLE_SCHEMA_VERSION
from pipeline.tables.write import write_table

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray
    from pydantic import BaseModel
    from scipy.sparse import csr_matrix

    from pipeline.config import Metric
    from pipeline.factors.base import Factorizer, FactorizerSettings
    from pipeline.progress import Progress


class Interactions(InputTask):
    """The interactions."""

    def sources(self) -> list[Any]:
        """The one of ``[interactions]``."""
        return [self.settings.interactions]


class EntityFiles(InputTask):
    """The map and the names of an entity type."""

    entity = luigi.Parameter(positional=False)

    def sources(self) -> list[Any]:
        """Those of ``[entities.NAME]``."""
        settings = self.settings.entities[self.entity]
        return [source for source in (settings.map, settings.names) if source is not None]


class UserList(InputTask):
    """The users a table is made for."""

    table = luigi.Parameter(positional=False)

    def sources(self) -> list[Any]:
        """The one of the table's ``users``."""
        users = self.settings.table(self.table).users
        return [] if users is None else [users]


class EncodeInteractions(StepTask):
    """Interactions to a sparse matrix, vocabularies, attributes and names."""

    version = encode.SCHEMA_VERSION

    def requires(self) -> Mapping[str, InputTask]:
        """All files that are read."""
        entities = self.settings.entities.items()
        with_files = [name for name, entity in entities if entity.map is not None or entity.names is not None]
        return {
            "interactions": self.other(Interactions),
            **{f"entities.{name}": self.other(EntityFiles, entity=name) for name in with_files},
        }

    def ingredients(self) -> dict[str, Any]:
        """How the files are read; the date only where it can change what is read."""
        settings = self.settings
        return {
            "interactions": _without_paths(settings.interactions),
            "entities": {name: _without_paths(entity) for name, entity in settings.entities.items()},
            "date": self.date.isoformat() if settings.depends_on_date else None,
        }

    def output(self) -> luigi.LocalTarget:
        """A folder that :class:`~pipeline.data.encode.Encoded` opens."""
        return self.folder("encoded")

    def make(self, report: Progress) -> None:
        """Encode."""
        output = Path(self.output().path)
        with publish_folder(output) as folder:
            encode.encode(self.settings, self.date, folder, report)
            forget_fingerprints()
            if Path(self.output().path) != output:
                raise DataError("an input changed since the run was planned", hint="Run again.")

    def open(self) -> Encoded:
        """The output."""
        return Encoded.open(Path(self.output().path))


class SplitInteractions(StepTask):
    """A training part and a hold-out of the interactions, for the evaluation."""

    version = split.SCHEMA_VERSION

    def requires(self) -> Mapping[str, PipelineTask]:
        """The interactions."""
        return {"encoded": self.other(EncodeInteractions)}

    def ingredients(self) -> dict[str, Any]:
        """How the hold-out is chosen."""
        settings = self.settings
        return {
            "by_time": settings.uses_time_split,
            "test_fraction": settings.evaluation.test_fraction,
            "seed": settings.run.seed,
        }

    def output(self) -> luigi.LocalTarget:
        """A folder that :class:`~pipeline.data.split.Split` opens."""
        return self.folder("split")

    def make(self, report: Progress) -> None:
        """Split."""
        settings = self.settings
        with publish_folder(Path(self.output().path)) as folder:
            split.split(
                self.other(EncodeInteractions).open(),
                settings.evaluation,
                by_time=settings.uses_time_split,
                seed=settings.run.seed,
                folder=folder,
            )

    def open(self) -> Split:
        """The output."""
        return Split.open(Path(self.output().path))


class FitFactors(StepTask):
    """Latent vectors of users and items: of all interactions for the tables, of the training part for evaluation."""

    split = luigi.ChoiceParameter(choices=["all", "train"], default="all", positional=False)

    def requires(self) -> Mapping[str, PipelineTask]:
        """The interactions, or their training part."""
        return {"interactions": self.other(EncodeInteractions if self.split == "all" else SplitInteractions)}

    def ingredients(self) -> dict[str, Any]:
        """The model and its version; the number of threads where it changes the bytes."""
        settings = self.settings
        factorizer = self.factorizer()
        threads = effective_threads(settings.run.threads) if factorizer.threads_change_bytes else None
        return {
            "model": settings.factorize.model,
            "settings": settings.factorize.settings.model_dump(mode="json"),
            "weighting": settings.weighting.model_dump(mode="json"),
            "versions": factorizer.versions(),
            "seed": settings.run.seed,
            "threads": threads,
        }

    def output(self) -> luigi.LocalTarget:
        """A folder with ``user.npy`` and ``ITEM.npy``, float32, rows those of the vocabularies."""
        return self.folder("factors")

    def make(self, report: Progress) -> None:
        """Weigh and factorize."""
        settings = self.settings
        user_items = self.user_items()
        confidences = Weighting.fit(user_items, settings.weighting).transform(user_items)
        factors = self.factorizer().fit(
            confidences, seed=settings.run.seed, num_threads=settings.run.threads, progress=report
        )
        with publish_folder(Path(self.output().path)) as folder:
            np.save(folder / f"{USER}.npy", factors.user_factors)
            np.save(folder / f"{settings.item_entity}.npy", factors.item_factors)

    def user_items(self) -> csr_matrix:
        """The matrix that is factorized, before it is weighed."""
        if self.split == "all":
            return self.other(EncodeInteractions).open().user_items
        return self.other(SplitInteractions).open().train

    def factorizer(self) -> Factorizer[FactorizerSettings]:
        """The configured model."""
        settings = self.settings.factorize
        return find_factorizer(settings.model)(settings.settings)

    def vectors_path(self, entity: str) -> Path:
        """File of an entity type's vectors."""
        return Path(self.output().path, f"{entity}.npy")

    def factors(self) -> Factors:
        """The output, memory-mapped."""
        return Factors(_map(self.vectors_path(USER)), _map(self.vectors_path(self.settings.item_entity)))


class FoldInEntity(StepTask):
    """Vectors of an attribute of the items, fitted with the users' held fixed: one space for all entity types."""

    entity = luigi.Parameter(positional=False)

    def requires(self) -> Mapping[str, PipelineTask]:
        """The interactions and the factors of all of them."""
        return {"encoded": self.other(EncodeInteractions), "factors": self.other(FitFactors)}

    def ingredients(self) -> dict[str, Any]:
        """Which attribute."""
        return {"entity": self.entity}

    def output(self) -> luigi.LocalTarget:
        """A folder with ``ENTITY.npy``, float32, rows those of the vocabulary."""
        return self.folder("factors")

    def make(self, report: Progress) -> None:
        """Fold in."""
        settings = self.settings
        encoded, fit = self.other(EncodeInteractions).open(), self.other(FitFactors)
        weighting = Weighting.fit(encoded.user_items, settings.weighting)
        confidences = weighting.transform_items(encoded.entity_items(self.entity))
        vectors = fit.factorizer().fold_in_items(confidences, fit.factors(), num_threads=settings.run.threads)
        with publish_folder(Path(self.output().path)) as folder:
            np.save(folder / f"{self.entity}.npy", vectors)

    def vectors_path(self, entity: str) -> Path:
        """File of the entity type's vectors."""
        return Path(self.output().path, f"{entity}.npy")


class BuildIndex(StepTask):
    """The nearest-neighbour index of an entity type under a metric."""

    entity = luigi.Parameter(positional=False)
    metric = luigi.ChoiceParameter(choices=["cosine", "inner_product"], positional=False)

    def requires(self) -> Mapping[str, PipelineTask]:
        """The vectors, the ids and names, and the vectors that a recall below 1 is calibrated on."""
        return {
            "encoded": self.other(EncodeInteractions),
            "vectors": vectors_task(self, self.entity),
            **{f"queries.{entity}": vectors_task(self, entity) for entity in self.query_entities()},
        }

    def ingredients(self) -> dict[str, Any]:
        """What is indexed, and the version of the file."""
        return {
            "entity": self.entity,
            "metric": self.metric,
            "format": annlib.FORMAT_VERSION,
            "seed": self.settings.run.seed,
        }

    def output(self) -> luigi.LocalTarget:
        """A file that :meth:`annlib.Index.open` maps."""
        return luigi.LocalTarget(str(self.store.path("indexes", self.fingerprint, f"{self.entity}.{self.metric}.ann")))

    def make(self, report: Progress) -> None:
        """Build."""
        settings = self.settings
        vocabulary = self.other(EncodeInteractions).open().vocabulary(self.entity)
        queries = [_map(vectors_task(self, entity).vectors_path(entity)) for entity in self.query_entities()]
        path = Path(self.output().path)
        with publish_folder(path.parent) as folder:
            annlib.Index.build(
                _map(vectors_task(self, self.entity).vectors_path(self.entity)),
                metric=cast("Metric", self.metric),  # one of the parameter's choices
                ids=vocabulary.ids.to_numpy(zero_copy_only=False),
                names=vocabulary.display_names().to_pylist(),
                calibration_queries=calibration_sample(queries),
                path=folder / path.name,
                seed=settings.run.seed,
                num_threads=settings.run.threads,
            )

    def query_entities(self) -> list[str]:
        """The other entity types that a table with a recall below 1 searches this index for."""
        tables = [table for table in self.settings.tables if table.recall < 1.0]
        searching = {t.source for t in tables if (t.target, t.effective_metric) == (self.entity, self.metric)}
        return sorted(searching - {self.entity})


class WriteTable(StepTask):
    """A table of neighbours, its neighbour recall measured before it gets its name."""

    version = TABLE_SCHEMA_VERSION

    table = luigi.Parameter(positional=False)

    def requires(self) -> Mapping[str, PipelineTask]:
        """The index of the targets, the vectors of the sources, and the list of users where there is one."""
        table = self.settings.table(self.table)
        tasks: dict[str, PipelineTask] = {
            "encoded": self.other(EncodeInteractions),
            "vectors": vectors_task(self, table.source),
            "targets": vectors_task(self, table.target),
            "index": self.index_task(),
        }
        if table.users is not None:
            tasks["users"] = self.other(UserList, table=self.table)
        return tasks

    def ingredients(self) -> dict[str, Any]:
        """The table's settings; the date only where active users are counted back from it."""
        table = self.settings.table(self.table)
        return {
            "table": _without_paths(table),
            "date": None if table.active_days is None else self.date.isoformat(),
            "seed": self.settings.run.seed,
        }

    def output(self) -> luigi.LocalTarget:
        """A folder of Parquet files, a manifest and ``_SUCCESS``."""
        return self.folder("tables", self.table)

    def make(self, report: Progress) -> None:
        """Search and write."""
        settings = self.settings
        table = settings.table(self.table)
        tasks = self.requires()
        vectors, targets = vectors_task(self, table.source), vectors_task(self, table.target)
        index = annlib.Index.open(self.index_task().output().path)
        with publish_folder(Path(self.output().path)) as folder:
            write_table(
                folder,
                table,
                self.other(EncodeInteractions).open(),
                index,
                _map(vectors.vectors_path(table.source)),
                _map(targets.vectors_path(table.target)),
                date=self.date,
                seed=settings.run.seed,
                fingerprints={"table": self.fingerprint, **{name: task.fingerprint for name, task in tasks.items()}},
                num_threads=settings.run.threads,
                progress=report,
            )

    def index_task(self) -> BuildIndex:
        """The index of the targets."""
        table = self.settings.table(self.table)
        return self.other(BuildIndex, entity=table.target, metric=table.effective_metric)


class Evaluate(StepTask):
    """Quality on the hold-out, of factors fitted on the training part alone, beside popularity's."""

    def requires(self) -> Mapping[str, PipelineTask]:
        """The split and the factors of its training part."""
        return {"split": self.other(SplitInteractions), "factors": self.other(FitFactors, split="train")}

    def ingredients(self) -> dict[str, Any]:
        """What is measured."""
        return {"cutoffs": list(self.settings.evaluation.cutoffs)}

    def output(self) -> luigi.LocalTarget:
        """A JSON file."""
        return luigi.LocalTarget(str(self.store.path("evaluation", f"{self.fingerprint}.json")))

    def make(self, report: Progress) -> None:
        """Measure."""
        settings = self.settings
        parts = self.other(SplitInteractions).open()
        started = time.perf_counter()
        result = evaluate(
            parts.train,
            parts.test,
            self.other(FitFactors, split="train").factors(),
            settings.evaluation,
            num_threads=settings.run.threads,
            progress=report,
        )
        timing = {"seconds": round(time.perf_counter() - started, 3)}
        publish_json(Path(self.output().path), {**result.to_json(), "split": parts.stats, "timing": timing})


class CheckRun(StepTask):
    """The sanity gates: a run that fails them is not published."""

    def requires(self) -> Mapping[str, PipelineTask]:
        """Everything that is judged."""
        tables = {f"tables.{table.name}": self.other(WriteTable, table=table.name) for table in self.settings.tables}
        return {"evaluation": self.other(Evaluate), **tables}

    def ingredients(self) -> dict[str, Any]:
        """The limits."""
        return {"gates": self.settings.gates.model_dump(mode="json")}

    def output(self) -> luigi.LocalTarget:
        """A JSON file with every gate, its limit and its value; made only if all are passed."""
        return luigi.LocalTarget(str(self.store.path("checks", f"{self.fingerprint}.json")))

    def make(self, report: Progress) -> None:
        """Check."""
        run = self.other(PublishRun)
        gates = check_run(self.store, self.settings.gates, self.date, run.fingerprint, run.content())
        publish_json(Path(self.output().path), {"gates": [gate.to_json() for gate in gates]})


class PublishRun(StepTask):
    """The whole pipeline: ``current.json`` names the run, for downstream systems to load."""

    def requires(self) -> Mapping[str, PipelineTask]:
        """A checked run, and the indexes that look-ups use beside those of the tables."""
        return {"check": self.other(CheckRun), **self.lookup_indexes()}

    def ingredients(self) -> dict[str, Any]:
        """Nothing that is not in what it requires, but the name people know the run by."""
        return {"name": self.settings.run.name}

    def output(self) -> luigi.LocalTarget:
        """The marker of the run; ``current.json`` moves before it is written."""
        return luigi.LocalTarget(str(self.store.marker(self.date, self.fingerprint)))

    def complete(self) -> bool:
        """Whether the run is published and no other of its date has taken its place."""
        return self.store.is_published(self.date, self.fingerprint)

    def make(self, report: Progress) -> None:
        """Publish."""
        self.store.publish(self.date, self.fingerprint, self.content())

    def content(self) -> dict[str, Any]:
        """What ``current.json`` says beside the run and its date; every path is relative to the root."""
        settings = self.settings
        tables = {table.name: self.other(WriteTable, table=table.name) for table in settings.tables}
        indexes = {task.index_task() for task in tables.values()} | set(self.lookup_indexes().values())
        return {
            "name": settings.run.name,
            "item_entity": settings.item_entity,
            "tables": {name: self._relative(task) for name, task in tables.items()},
            "indexes": {f"{task.entity}.{task.metric}": self._relative(task) for task in indexes},
            "vectors": {
                entity: self.store.relative(vectors_task(self, entity).vectors_path(entity))
                for entity in settings.entities
            },
            "encoded": self._relative(self.other(EncodeInteractions)),
            "evaluation": self._relative(self.other(Evaluate)),
            "report": self._relative(self.other(Evaluate)),
            "checks": self._relative(self.other(CheckRun)),
        }

    def lookup_indexes(self) -> dict[str, BuildIndex]:
        """The indexes behind look-ups: similar entities of every type but users, and items for a user."""
        settings = self.settings
        wanted = [(entity, "cosine") for entity in settings.entities if entity != USER]
        wanted.append((settings.item_entity, "inner_product"))
        return {
            f"index.{entity}.{metric}": self.other(BuildIndex, entity=entity, metric=metric)
            for entity, metric in wanted
        }

    @classmethod
    def bulk_complete(cls, dates: Iterable[datetime.date]) -> list[datetime.date]:
        """The dates that are published, for ``RangeDaily``."""
        return [date for date in dates if cls(date).complete()]

    def _relative(self, task: StepTask) -> str:
        return self.store.relative(Path(task.output().path))


def vectors_task(task: PipelineTask, entity: str) -> FitFactors | FoldInEntity:
    """The task that makes an entity type's vectors from all of the interactions."""
    if entity in task.settings.attributes:
        return task.other(FoldInEntity, entity=entity)
    return task.other(FitFactors)


def _map(path: Path) -> NDArray[np.float32]:
    vectors: NDArray[np.float32] = np.load(path, mmap_mode="r")
    return vectors


def _without_paths(settings: BaseModel) -> dict[str, Any]:
    """Settings as part of a fingerprint: where a file is does not matter, its name, size and time do."""

    def strip(value: Any) -> Any:
        return {key: strip(item) for key, item in value.items() if key != "path"} if isinstance(value, dict) else value

    stripped: dict[str, Any] = strip(settings.model_dump(mode="json"))
    return stripped
