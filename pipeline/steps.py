"""What every task of the graph has: a configuration, a fingerprint, a root to hold, and somebody to tell how far it is.

A task's one output has a path that carries its fingerprint: its settings, the version of its step, and the fingerprints
of what it requires, down to the names, sizes and times of the input files. Equal fingerprints mean equal output, so
what stands is never made again.
"""

from __future__ import annotations

import contextlib
import math
import time
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import luigi

from pipeline.config import Config, load_config
from pipeline.errors import DataError, PipelineError
from pipeline.lock import RootLock
from pipeline.measuring import Meter
from pipeline.reporting import FailureLog, StepReporter, step_name
from pipeline.store import Store, fingerprint, publish_folder, publish_json, read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline.data.files import FileStamp
    from pipeline.progress import Progress

#: How long a fingerprint stands before the input files are looked at again: Luigi asks for the same ones many times.
_FINGERPRINT_SECONDS: Final = 1.0

TaskT = TypeVar("TaskT", bound="PipelineTask")


class PipelineTask(luigi.Task):
    """What every task has: the date first, where ``RangeDaily`` puts it, and the configuration."""

    task_namespace = "cfpipe"

    #: Version of what the step writes; raised by whoever changes it, so that nothing older is taken for it.
    version = 1

    date = luigi.DateParameter(description="date of the run: events after it are never read")
    config = luigi.Parameter(positional=False, description="path of the TOML configuration")
    overrides = luigi.ListParameter(
        positional=False, default=(), description='settings that replace those of the file: ["section.key=value"]'
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A bad configuration is an error here, where the task is made, not later in the middle of a schedule.
        load_config(self.config, self.overrides)

    @property
    def settings(self) -> Config:
        """The validated configuration."""
        return load_config(self.config, self.overrides)

    @property
    def store(self) -> Store:
        """Where the runs of this configuration are."""
        return Store(Path(self.settings.run.root))

    @property
    def fingerprint(self) -> str:
        """Digest of all that decides the content of the output."""
        return _fingerprints.of(self)

    def requires(self) -> Mapping[str, PipelineTask]:
        """The tasks whose output this one reads, by the part they play."""
        return {}

    @abstractmethod
    def ingredients(self) -> dict[str, Any]:
        """What decides the output beside the tasks this one requires, as JSON can say it."""

    def other(self, task: type[TaskT], **parameters: Any) -> TaskT:
        """Another task of the same run."""
        return task(date=self.date, config=self.config, overrides=self.overrides, **parameters)


class InputFiles(luigi.Target):
    """Files that come from outside: there, or not."""

    def __init__(self, path: str, stamps: list[FileStamp]) -> None:
        self.path = path
        self.stamps = stamps

    def exists(self) -> bool:
        """Whether at least one file is there."""
        return bool(self.stamps)

    def __str__(self) -> str:
        return self.path


class Input(Protocol):
    """Files of one path."""

    path: str

    def stamps(self) -> list[FileStamp]:
        """What tells whether they are still the same; empty where there is none."""


class InputTask(PipelineTask, luigi.ExternalTask):
    """Files that come from outside."""

    @abstractmethod
    def inputs(self) -> Sequence[Input]:
        """The files, by the paths of the configuration."""

    def ingredients(self) -> dict[str, Any]:
        """Relative path, size and time of every file."""
        return {"files": [[list(stamp) for stamp in target.stamps] for target in self.output()]}

    def output(self) -> list[InputFiles]:
        """A target for each path; never raises where there is no file."""
        return [InputFiles(source.path, source.stamps()) for source in self.inputs()]


class StepTask(PipelineTask):
    """A task that makes something: holds the root while it runs, says how far it is, and writes down what it took."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._meter: Meter | None = None  # while somebody runs it

    def run(self) -> None:
        """Make the output; Luigi calls this."""
        if RootLock(self.store.root).acquire():
            self.store.sweep()
        with StepReporter(self) as report:
            self._meter = Meter()
            self.make(report)

    @abstractmethod
    def make(self, report: Progress) -> None:
        """Make the output and publish it under its final name."""

    @contextlib.contextmanager
    def publish(self, folder: Path | None = None) -> Iterator[Path]:
        """Give a folder to write to, and publish it as the output, or under another name that holds the output.

        What the step took is written down first, so that an output that stands has its record.
        """
        with publish_folder(folder or Path(self.output().path)) as temporary:
            yield temporary
            self._record()

    @contextlib.contextmanager
    def publish_what_was_read(self) -> Iterator[Path]:
        """Give a folder to write to; publish it if the input files are still those that the output's path speaks of.

        Raises
        ------
        DataError
            If one of them has changed.
        """
        output = Path(self.output().path)
        with self.publish(output) as folder:
            yield folder
            forget_fingerprints()
            if Path(self.output().path) != output:
                raise DataError("an input changed since the run was planned", hint="Run again.")

    def record_path(self) -> Path:
        """Where it is written down what the step took when it last ran; apart from its output, which never changes."""
        return self.store.path("records", f"{self.fingerprint}.json")

    def record(self) -> dict[str, Any] | None:
        """What the step took when it last ran, see :meth:`pipeline.measuring.Meter.read`; None if it is not known."""
        path = self.record_path()
        timing: dict[str, Any] | None = read_json(path)["timing"] if path.exists() else None
        return timing

    def _record(self) -> None:
        if self._meter is not None:
            publish_json(self.record_path(), {"step": step_name(self), "timing": self._meter.read()})

    def folder(self, *parts: str) -> luigi.LocalTarget:
        """A folder of this task's own under the root."""
        return luigi.LocalTarget(str(self.store.path(*parts, self.fingerprint)))

    def on_failure(self, exception: BaseException) -> str:
        """What Luigi shows of an error: the message alone where the pipeline raised it on purpose."""
        FailureLog.remember(self, exception)
        return str(exception) if isinstance(exception, PipelineError) else str(super().on_failure(exception))


class _Fingerprints:
    """Fingerprints that were asked for a moment ago."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Config, str]] = {}

    def of(self, task: PipelineTask) -> str:
        now = time.monotonic()
        since, settings, digest = self._known.get(task.task_id, (-math.inf, None, ""))
        if now - since > _FINGERPRINT_SECONDS or settings is not task.settings:
            digest = self._compute(task)
            self._known[task.task_id] = (now, task.settings, digest)
        return digest

    def forget(self) -> None:
        """Look at the input files again when next asked."""
        self._known.clear()

    @staticmethod
    def _compute(task: PipelineTask) -> str:
        required = {name: other.fingerprint for name, other in task.requires().items()}
        return fingerprint(
            {"step": task.task_family, "version": task.version, "requires": required, **task.ingredients()}
        )


_fingerprints: Final = _Fingerprints()


def forget_fingerprints() -> None:
    """Look at the input files again when a fingerprint is next asked for."""
    _fingerprints.forget()
