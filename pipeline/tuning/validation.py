"""What tuning sees: the training part of the evaluation, split again the same way, and nothing of the hold-out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.data.split import Split, save_split
from pipeline.steps import PipelineTask, StepTask
from pipeline.tasks import EncodeInteractions
from pipeline.trials.hold_out import split_ingredients, split_training

if TYPE_CHECKING:
    from collections.abc import Mapping

    import luigi

    from pipeline.progress import Progress


class SplitTraining(StepTask):
    """The training part of the evaluation, split again: what models are fitted on and measured on while tuning."""

    def requires(self) -> Mapping[str, PipelineTask]:
        """The interactions. ``evaluation.test`` is not among the inputs: it is never opened."""
        return {"encoded": self.other(EncodeInteractions)}

    def ingredients(self) -> dict[str, Any]:
        """How the hold-out and the validation part are chosen, and how weights fade."""
        return split_ingredients(self.settings)

    def output(self) -> luigi.LocalTarget:
        """A folder that :class:`~pipeline.data.split.Split` opens; its hold-out is the validation part."""
        return self.folder("validation")

    def make(self, report: Progress) -> None:
        """Split."""
        train, validation, stats = split_training(self.other(EncodeInteractions).open(), self.settings)
        with self.publish() as folder:
            save_split(folder, train, validation, stats)

    def open(self) -> Split:
        """The output."""
        return Split.open(Path(self.output().path))
