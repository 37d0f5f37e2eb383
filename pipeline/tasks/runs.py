"""A run as a whole: its quality, the gates it must pass, and ``current.json``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import luigi

from pipeline import report as reports
from pipeline.config import USER, space_of
from pipeline.evaluation.baselines import RECENT_SHARE
from pipeline.evaluation.check import judge_run, require_passed
from pipeline.evaluation.evaluate import evaluate
from pipeline.evaluation.files import EVALUATION_FILE, write_evaluation
from pipeline.evaluation.folds import summarize_folds
from pipeline.evaluation.gates import failures
from pipeline.published import PublishedRun
from pipeline.reporting import step_name
from pipeline.steps import InputTask, PipelineTask, StepTask
from pipeline.store import json_text, publish_json, read_json
from pipeline.tasks.entities import ImportVectors, IndexNames, vectors_task
from pipeline.tasks.factors import FitFactors
from pipeline.tasks.interactions import EncodeInteractions, EncodeTestSet, SplitInteractions
from pipeline.tasks.maps import DrawMap
from pipeline.tasks.tables import BuildIndex, KeepRules, WriteTable

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterable, Mapping

    from pipeline.evaluation.gates import Gate
    from pipeline.factors.fitted import FittedModel
    from pipeline.progress import Progress
    from pipeline.report.write import Subject


class Evaluate(StepTask):
    """Quality on the hold-out, of factors fitted on the training part alone, beside the baselines'."""

    version = 3

    fold = luigi.OptionalIntParameter(default=None, positional=False, description="None, or 1 and so on for another")

    def requires(self) -> Mapping[str, PipelineTask]:
        """What is held out, the factors of the rest, and the evaluations of the other folds."""
        return {"split": self.hold_out(), "factors": self.training_factors(), **self.other_folds()}

    def _requires(self) -> list[luigi.Task]:
        """What is read beside :meth:`requires`: it stands behind that, and may have been deleted since."""
        return [*super()._requires(), self.other(EncodeInteractions)]

    def ingredients(self) -> dict[str, Any]:
        """What is measured."""
        return {"cutoffs": list(self.settings.evaluation.cutoffs), "seed": self.settings.run.seed}

    def output(self) -> luigi.LocalTarget:
        """A folder with ``evaluation.json``, and ``users.parquet`` of each user's measures."""
        return self.folder("evaluation")

    def make(self, report: Progress) -> None:
        """Measure."""
        settings = self.settings
        encoded, hold_out = self.other(EncodeInteractions).open(), self.hold_out()
        parts = hold_out.open()
        started = time.perf_counter()
        result, per_user = evaluate(
            parts.train,
            parts.test,
            self.training_factors().open().factors,
            settings.evaluation,
            recent=None if encoded.events is None else parts.recent(encoded.events, RECENT_SHARE),
            seed=settings.run.seed,
            num_threads=settings.run.threads,
            progress=report,
        )
        timing = {"seconds": round(time.perf_counter() - started, 3)}
        document = {**result.to_json(), "split": parts.stats, "hold_out": hold_out.fingerprint, "timing": timing}
        others = [read_json(fold.report_path()) for fold in self.other_folds().values()]
        if others:
            document["folds"] = summarize_folds([document, *others])
        with self.publish() as folder:
            write_evaluation(folder, document, per_user, encoded.vocabulary(USER))

    def hold_out(self) -> SplitInteractions | EncodeTestSet:
        """What is measured on: the test set of the configuration, or a part of the interactions."""
        if self.settings.evaluation.test is not None:
            return self.other(EncodeTestSet)
        return self.other(SplitInteractions, fold=self.fold)

    def training_factors(self) -> FitFactors:
        """The factors that are measured: with a test set those of all interactions, which the tables need too."""
        if self.settings.evaluation.test is not None:
            return self.other(FitFactors)
        return self.other(FitFactors, split="train", fold=self.fold)

    def other_folds(self) -> dict[str, Evaluate]:
        """The evaluations that this one sums up: none, unless it is that of the first of several folds."""
        if self.fold is not None:
            return {}
        return {f"fold.{fold}": self.other(Evaluate, fold=fold) for fold in range(1, self.settings.evaluation.folds)}

    def report_path(self) -> Path:
        """The JSON file."""
        return Path(self.output().path, EVALUATION_FILE)


class CheckRun(StepTask):
    """The sanity gates: a run that fails them is not published."""

    def requires(self) -> Mapping[str, PipelineTask]:
        """Everything that is judged."""
        tables = {f"tables.{table.name}": self.other(WriteTable, table=table.name) for table in self.settings.tables}
        return {**self.evaluation(), **tables}

    def ingredients(self) -> dict[str, Any]:
        """The limits."""
        return {"gates": self.settings.gates.model_dump(mode="json")}

    def output(self) -> luigi.LocalTarget:
        """A JSON file with every gate, its limit and its value; made only if all are passed."""
        return luigi.LocalTarget(str(self.store.path("checks", f"{self.fingerprint}.json")))

    def evaluation(self) -> dict[str, PipelineTask]:
        """What quality is judged by: nothing where nothing was fitted."""
        return {"evaluation": self.other(Evaluate)} if self.settings.has_interactions else {}

    def make(self, report: Progress) -> None:
        """Check."""
        gates = self.other(PublishRun).gates()
        require_passed(gates, self.date, str(self.other(WriteReport).report_path()))
        publish_json(Path(self.output().path), {"gates": [gate.to_json() for gate in gates]})


class WriteReport(StepTask):
    """What the run made, as a page for people: also of a run that does not pass its gates, where it is wanted most."""

    version = reports.SCHEMA_VERSION
    #: Before the gates, so that there is something to look at when they stop the run.
    priority = 1

    def requires(self) -> Mapping[str, PipelineTask]:
        """The whole run: all that is shown, and all that took time."""
        return {**self.other(CheckRun).requires(), **self.other(PublishRun).lookup_tasks()}

    def _requires(self) -> list[luigi.Task]:
        """What is shown beside :meth:`requires`: it stands behind that, and may have been deleted since."""
        named = [task for task in self.other(PublishRun).named_tasks() if not isinstance(task, CheckRun | WriteReport)]
        fits = [self.other(Evaluate).training_factors()] if self.settings.has_interactions else []
        return [*super()._requires(), *named, *fits]

    def ingredients(self) -> dict[str, Any]:
        """The run by name and date, what it is held against, and what is looked up."""
        settings = self.settings
        return {
            "name": settings.run.name,
            "date": self.date.isoformat(),
            "gates": settings.gates.model_dump(mode="json"),
            "lookups": settings.report.model_dump(mode="json")["lookups"],
        }

    def output(self) -> luigi.LocalTarget:
        """A folder with ``report.html``, and ``verdict.json``, which says whether the run passed its gates."""
        return self.folder("reports")

    def complete(self) -> bool:
        """Whether there is a report, and what it says of the gates still holds.

        Gates compare with the published run: once another one is, say after a rollback, a run that failed may pass.
        """
        if not self.output().exists():
            return False
        passed: bool = read_json(Path(self.output().path, "verdict.json"))["passed"]
        return passed or bool(failures(self.other(PublishRun).gates()))

    def report_path(self) -> Path:
        """The page."""
        return Path(self.output().path, "report.html")

    def make(self, report: Progress) -> None:
        """Look at everything, and write."""
        from pipeline.report.write import report_html  # with its templates, of no use to any other command

        subject = self.subject()
        html = report_html(subject, report)
        verdict = {"passed": not failures(subject.gates)}
        if self.output().exists():
            self.store.delete(Path(self.output().path))  # its verdict does not hold any more
        with self.publish() as folder:
            (folder / self.report_path().name).write_text(html, encoding="utf-8")
            (folder / "verdict.json").write_text(json_text(verdict), encoding="utf-8")
        # Luigi gives the method while it runs the task, and links to the page from its own.
        set_tracking_url = getattr(self, "set_tracking_url", None)
        if set_tracking_url is not None:
            set_tracking_url(self.report_path().resolve().as_uri())

    def subject(self) -> Subject:
        """What the report is about."""
        from pipeline.report.write import Step, Subject

        run, store = self.other(PublishRun), self.store
        previous = store.previous(self.date, run.fingerprint)
        steps, inputs = _steps_and_inputs(self)
        return Subject(
            run=PublishedRun(store, {**run.content(), "run": run.fingerprint, "date": self.date.isoformat()}),
            previous=None if previous is None else PublishedRun(store, previous),
            settings=self.settings,
            inputs=[target.stamps for task in inputs for target in task.output()],
            gates=run.gates(),
            models=self.models(),
            steps=[Step(step_name(step), step.fingerprint, step.record()) for step in steps],
        )

    def models(self) -> dict[str, FittedModel]:
        """The fitted models by what they were fitted on: that of the tables first."""
        if not self.settings.has_interactions:
            return {}
        tasks = {"all interactions": self.other(FitFactors)}
        in_training = self.other(Evaluate).training_factors()
        if in_training != tasks["all interactions"]:
            tasks["the training part"] = in_training
        return {data: task.open() for data, task in tasks.items()}


class PublishRun(StepTask):
    """The whole pipeline: ``current.json`` names the run, for downstream systems to load."""

    version = 3

    def requires(self) -> Mapping[str, PipelineTask]:
        """A checked run and its report, and what look-ups use beside its tables: indexes, maps, names and rules."""
        return {"check": self.other(CheckRun), "report": self.other(WriteReport), **self.lookup_tasks()}

    def ingredients(self) -> dict[str, Any]:
        """Nothing that is not in what it requires, but the name people know the run by."""
        return {"name": self.settings.run.name}

    def output(self) -> luigi.LocalTarget:
        """The marker of the run; ``current.json`` moves before it is written."""
        return luigi.LocalTarget(str(self.store.marker(self.date, self.fingerprint)))

    def complete(self) -> bool:
        """Whether the run is published and no other of its date has taken its place."""
        if not self.store.is_published(self.date, self.fingerprint):
            return False
        current = self.store.current()
        # What everybody reads is made again where somebody has deleted a part of it.
        is_read = current is not None and current["run"] == self.fingerprint
        return not is_read or all(task.output().exists() for task in self.named_tasks())

    def _requires(self) -> list[luigi.Task]:
        """What Luigi asks for beside :meth:`requires`: all that ``current.json`` will name.

        The gates of a run may have been passed, and a part of it deleted since: by a cleaning that was killed, or one
        that came between two attempts.
        """
        return [*super()._requires(), *self.named_tasks()]

    def make(self, report: Progress) -> None:
        """Publish."""
        self.store.publish(self.date, self.fingerprint, self.content())

    def content(self) -> dict[str, Any]:
        """What ``current.json`` says beside the run and its date; every path is relative to the root."""
        settings = self.settings
        tables = {table.name: self.other(WriteTable, table=table.name) for table in settings.tables}
        indexes = {task.index_task() for task in tables.values()} | set(self.lookup_indexes().values())
        content = {
            "name": settings.run.name,
            "tables": {name: self._relative(task) for name, task in tables.items()},
            "indexes": {f"{task.entity}.{task.metric}": self._relative(task) for task in indexes},
            "vectors": {
                entity: self.store.relative(vectors_task(self, entity).vectors_path(entity))
                for entity in settings.entities
            },
            "maps": {entity: self._relative(task) for entity, task in self.maps().items()},
            "names": {entity: self._relative(task) for entity, task in self.name_indexes().items()},
            "rules": {entity: self._relative(task) for entity, task in self.rules().items()},
            "spaces": {entity: space_of(entity, settings.entities[entity]) for entity in settings.entities},
            "checks": self._relative(self.other(CheckRun)),
            "report": self.store.relative(self.other(WriteReport).report_path()),
            "outputs": self._outputs(),
        }
        if settings.has_interactions:
            content |= {
                "item_entity": settings.interaction_space.item_entity,
                "encoded": self._relative(self.other(EncodeInteractions)),
                "model": self._relative(self.other(FitFactors)),
                "evaluation": self.store.relative(self.other(Evaluate).report_path()),
            }
        if settings.file_entities:
            content["imported"] = {
                entity: self._relative(self.other(ImportVectors, entity=entity)) for entity in settings.file_entities
            }
        return content

    def named_tasks(self) -> list[StepTask]:
        """The tasks whose output ``current.json`` names, each once."""
        settings = self.settings
        tables = [self.other(WriteTable, table=table.name) for table in settings.tables]
        tasks: list[StepTask] = [self.other(CheckRun), self.other(WriteReport), *self.lookup_tasks().values(), *tables]
        tasks += [task.index_task() for task in tables]
        tasks += [vectors_task(self, entity) for entity in settings.entities]
        if settings.has_interactions:
            tasks += [self.other(EncodeInteractions), self.other(FitFactors), self.other(Evaluate)]
        return list(dict.fromkeys(tasks))

    def gates(self) -> list[Gate]:
        """What the run is held against, as it stands."""
        return judge_run(self.store, self.settings.gates, self.date, self.fingerprint, self.content())

    def lookup_indexes(self) -> dict[str, BuildIndex]:
        """The indexes behind look-ups: similar entities of every type but users, and items for a user."""
        settings = self.settings
        wanted = [(entity, "cosine") for entity in settings.entities if entity != USER]
        if settings.has_interactions:
            wanted.append((settings.interaction_space.item_entity, "inner_product"))
        return {
            f"index.{entity}.{metric}": self.other(BuildIndex, entity=entity, metric=metric)
            for entity, metric in wanted
        }

    def maps(self) -> dict[str, DrawMap]:
        """A map of every entity type but users: of people, there is nothing to show."""
        return {entity: self.other(DrawMap, entity=entity) for entity in self.settings.entities if entity != USER}

    def rules(self) -> dict[str, KeepRules]:
        """What look-ups for users obey: of each entity type the rules of the first table from users to it."""
        settings = self.settings
        tables = [table for table in settings.tables if table.source == USER and table.target != USER]
        first = {table.target: table.name for table in reversed(tables) if table.target not in settings.file_entities}
        return {entity: self.other(KeepRules, table=name) for entity, name in first.items()}

    def name_indexes(self) -> dict[str, IndexNames]:
        """The names of each entity type."""
        return {entity: self.other(IndexNames, entity=entity) for entity in self.settings.entities}

    def lookup_tasks(self) -> dict[str, StepTask]:
        """What look-ups use beside the tables, by the part it plays for a task that requires it."""
        return {
            **self.lookup_indexes(),
            **{f"map.{entity}": task for entity, task in self.maps().items()},
            **{f"names.{entity}": task for entity, task in self.name_indexes().items()},
            **{f"rules.{entity}": task for entity, task in self.rules().items()},
        }

    @classmethod
    def bulk_complete(cls, dates: Iterable[datetime.date]) -> list[datetime.date]:
        """The dates that are published, for ``RangeDaily``."""
        return [date for date in dates if cls(date).complete()]

    def _outputs(self) -> list[str]:
        """What every step made on the way here, also what nobody reads any more: the whole of what the run takes."""
        steps, _ = _steps_and_inputs(self)
        records = {self.store.relative(step.record_path()) for step in steps}
        return sorted(records | {self._relative(step) for step in steps})

    def _relative(self, task: StepTask) -> str:
        return self.store.relative(Path(task.output().path))


def _steps_and_inputs(task: PipelineTask) -> tuple[list[StepTask], list[InputTask]]:
    """The steps behind a task, each after what it requires, and the files that they read."""
    ordered: dict[PipelineTask, None] = {}

    def visit(each: PipelineTask) -> None:
        if each not in ordered:
            for required in each.requires().values():
                visit(required)
            ordered[each] = None

    visit(task)
    steps = [each for each in ordered if isinstance(each, StepTask) and each is not task]
    return steps, [each for each in ordered if isinstance(each, InputTask)]
