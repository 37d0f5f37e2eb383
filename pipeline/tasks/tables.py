"""Indexes of vectors, and tables of neighbours from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import luigi
import numpy as np

import annlib
from pipeline.config import CATALOGUE_RULES, USER
from pipeline.steps import PipelineTask, StepTask
from pipeline.tables import kept
from pipeline.tables.catalogue import with_catalogue
from pipeline.tables.kept import KeptRules
from pipeline.tables.neighbors import calibration_sample
from pipeline.tables.rules import Rules, item_rules, user_rules
from pipeline.tables.schema import TABLE_SCHEMA_VERSION
from pipeline.tables.write import Side, write_table
from pipeline.tasks.entities import open_comparable_vectors, open_vectors, vectors_task, vocabulary_task
from pipeline.tasks.factors import FitFactors
from pipeline.tasks.inputs import RuleFile, UserList, without_paths
from pipeline.tasks.interactions import EncodeInteractions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.config import Metric
    from pipeline.progress import Progress


class BuildIndex(StepTask):
    """The nearest-neighbour index of an entity type under a metric."""

    entity = luigi.Parameter(positional=False)
    metric = luigi.ChoiceParameter(choices=["cosine", "inner_product"], positional=False)

    def requires(self) -> Mapping[str, PipelineTask]:
        """The vectors, the ids and names, and the vectors that a recall below 1 is calibrated on."""
        return {
            "encoded": vocabulary_task(self, self.entity),
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
        vocabulary = vocabulary_task(self, self.entity).open().vocabulary(self.entity)
        queries = [open_comparable_vectors(self, entity, self.entity) for entity in self.query_entities()]
        path = Path(self.output().path)
        with self.publish(path.parent) as folder:
            annlib.Index.build(
                open_vectors(self, self.entity),
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
            "encoded": vocabulary_task(self, table.source),
            "vectors": vectors_task(self, table.source),
            "targets": vectors_task(self, table.target),
            "index": self.index_task(),
        }
        if table.users is not None:
            tasks["users"] = self.other(UserList, table=self.table)
        for rule in table.rule_files:
            tasks[rule] = self.other(RuleFile, table=self.table, rule=rule)
        return tasks

    def _requires(self) -> list[luigi.Task]:
        """What is read beside :meth:`requires`: it stands behind that, and may have been deleted since."""
        target = self.settings.table(self.table).target
        fit = [] if target in self.settings.file_entities else [self.other(EncodeInteractions), self.other(FitFactors)]
        return [*super()._requires(), vocabulary_task(self, target), *fit]

    def ingredients(self) -> dict[str, Any]:
        """The table's settings; the date only where active users are counted back from it."""
        table = self.settings.table(self.table)
        unset = set(CATALOGUE_RULES) - set(table.rules_of_catalogue)  # as if there were no such rules
        if table.form == "long":
            unset.add("form")  # as before there was another
        return {
            "table": {key: value for key, value in without_paths(table).items() if key not in unset},
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
        required = {name: task.fingerprint for name, task in self.requires().items()}
        model = None if table.target in settings.file_entities else self.other(FitFactors).open()
        with self.publish_what_was_read() as folder:
            write_table(
                folder,
                table,
                self.rules(),
                annlib.Index.open(self.index_task().output().path),
                source=self.side(table.source),
                target=self.side(table.target),
                inputs=self.stats(),
                seed=settings.run.seed,
                fingerprints={"table": self.fingerprint, **required},
                model=None if model is None else model.parameters(),
                chosen=None if model is None or model.chosen is None else model.chosen.to_json(),
                num_threads=settings.run.threads,
                progress=report,
            )

    def rules(self) -> Rules:
        """Whom the table is made for, what is left out, and what ranks and fills its lists."""
        table = self.settings.table(self.table)
        encoded = self.other(EncodeInteractions).open() if table.target not in self.settings.file_entities else None
        vocabulary = vocabulary_task(self, table.source).open().vocabulary(table.source)
        targets = vocabulary_task(self, table.target).open().vocabulary(table.target)
        if table.source == USER and encoded is not None:
            rules = user_rules(table, encoded, self.date)
        else:
            rules = item_rules(table, len(vocabulary))
        return with_catalogue(rules, table, targets, encoded, date=self.date)

    def side(self, entity: str) -> Side:
        """The ids and vectors of one side."""
        table = self.settings.table(self.table)
        vocabulary = vocabulary_task(self, entity).open().vocabulary(entity)
        return Side(vocabulary, open_comparable_vectors(self, entity, table.target))

    def stats(self) -> dict[str, Any]:
        """Counts of what was read for either side."""
        table = self.settings.table(self.table)
        return vocabulary_task(self, table.source).open().stats | vocabulary_task(self, table.target).open().stats

    def index_task(self) -> BuildIndex:
        """The index of the targets."""
        table = self.settings.table(self.table)
        return self.other(BuildIndex, entity=table.target, metric=table.effective_metric)


class KeepRules(StepTask):
    """The rules of a table from users to what they interact with, for look-ups."""

    version = kept.SCHEMA_VERSION

    table = luigi.Parameter(positional=False)

    def requires(self) -> Mapping[str, PipelineTask]:
        """The interactions, and the files of the rules."""
        files = self.settings.table(self.table).rule_files
        return {
            "encoded": self.other(EncodeInteractions),
            **{rule: self.other(RuleFile, table=self.table, rule=rule) for rule in files},
        }

    def ingredients(self) -> dict[str, Any]:
        """The rules, wherever their files are."""
        settings = self.settings.table(self.table)
        unset = set(CATALOGUE_RULES) - set(settings.rules_of_catalogue)
        wanted = {*CATALOGUE_RULES, "name", "source", "target", "metric", "exclude_seen"} - unset
        return {"table": {key: value for key, value in without_paths(settings).items() if key in wanted}}

    def output(self) -> luigi.LocalTarget:
        """A folder that :class:`~pipeline.tables.kept.KeptRules` opens."""
        return self.folder("rules")

    def make(self, report: Progress) -> None:
        """Read the files, and count."""
        table, encoded = self.settings.table(self.table), self.other(EncodeInteractions).open()
        nobody = Rules(np.zeros(0, dtype=np.int64), None)
        with self.publish_what_was_read() as folder:
            rules = with_catalogue(nobody, table, encoded.vocabulary(table.target), encoded, date=self.date)
            KeptRules.of(table, rules).save(folder)
