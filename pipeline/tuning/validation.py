"""What tuning sees: the training part of the evaluation, split again the same way, and nothing of the hold-out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.data.encode import EncodedEvents
from pipeline.data.matrices import canonical
from pipeline.data.split import Split, events_with_times, save_split, split_by_time, split_by_user, time_cutoff
from pipeline.errors import DataError
from pipeline.steps import PipelineTask, StepTask
from pipeline.store import publish_folder
from pipeline.tasks import EncodeInteractions

if TYPE_CHECKING:
    from collections.abc import Mapping

    import luigi
    from scipy.sparse import csr_matrix

    from pipeline.data.encode import Encoded
    from pipeline.progress import Progress

Parts = tuple["csr_matrix", "csr_matrix", dict[str, Any]]


class SplitTraining(StepTask):
    """The training part of the evaluation, split again: what models are fitted on and measured on while tuning."""

    def requires(self) -> Mapping[str, PipelineTask]:
        """The interactions. ``evaluation.test`` is not among the inputs: it is never opened."""
        return {"encoded": self.other(EncodeInteractions)}

    def ingredients(self) -> dict[str, Any]:
        """How the hold-out and the validation part are chosen."""
        settings = self.settings
        return {
            "by_time": self.splits_by_time(),
            "test_fraction": settings.evaluation.test_fraction,
            "seed": settings.run.seed,
            "explicit_test": self.has_explicit_test(),
        }

    def output(self) -> luigi.LocalTarget:
        """A folder that :class:`~pipeline.data.split.Split` opens; its hold-out is the validation part."""
        return self.folder("validation")

    def make(self, report: Progress) -> None:
        """Split."""
        settings = self.settings
        encoded = self.other(EncodeInteractions).open()
        split = split_training_by_time if self.splits_by_time() else split_training_by_user
        train, validation, stats = split(
            encoded, settings.evaluation.test_fraction, seed=settings.run.seed, explicit_test=self.has_explicit_test()
        )
        with publish_folder(Path(self.output().path)) as folder:
            save_split(folder, train, validation, stats)

    def splits_by_time(self) -> bool:
        """Whether the last events are held out, here and by the evaluation."""
        return self.settings.evaluation.splits_by_time(self.settings.interaction_space.interactions)

    def has_explicit_test(self) -> bool:
        """Whether the test set is somewhere else, so that all interactions are for training."""
        return self.settings.evaluation.test is not None

    def open(self) -> Split:
        """The output."""
        return Split.open(Path(self.output().path))


def split_training_by_time(encoded: Encoded, fraction: float, *, seed: int, explicit_test: bool) -> Parts:
    """Of the events before the evaluation's hold-out, hold out the last ``fraction``.

    Users and items without an event before the hold-out are left out: that they exist is test data already.

    Parameters
    ----------
    encoded
        All interactions.
    fraction
        Share of the events that the evaluation holds out, and of the others that is held out here.
    seed
        Plays no part.
    explicit_test
        Whether the evaluation holds out nothing of the interactions.

    Returns
    -------
    Training part, validation part, both of shape ``(n_training_users, n_training_items)``, and counts.

    Raises
    ------
    DataError
        If nothing is left to fit on or to measure on.
    """
    events = events_with_times(encoded)
    before = np.ones(len(events.timestamps), bool)
    if not explicit_test:
        before = events.timestamps < time_cutoff(events.timestamps, fraction)
    users, user_rows = np.unique(events.user_rows[before], return_inverse=True)
    items, item_rows = np.unique(events.item_rows[before], return_inverse=True)
    if not before.any():
        raise _no_validation("there are no events before the hold-out of the evaluation")
    training = EncodedEvents(
        user_rows.astype(np.int32), item_rows.astype(np.int32), events.weights[before], events.timestamps[before]
    )
    try:
        return split_by_time(training, (len(users), len(items)), fraction)
    except DataError as error:
        raise _no_validation(error.message) from error


def split_training_by_user(encoded: Encoded, fraction: float, *, seed: int, explicit_test: bool) -> Parts:
    """Of the items that the evaluation leaves each user for training, hold out ``fraction``, rounded down.

    As :func:`split_training_by_time`, but for ``seed``, which decides the evaluation's choice and this one.
    """
    training = encoded.user_items
    if not explicit_test:
        training, _, _ = split_by_user(training, fraction, seed)
    items = np.flatnonzero(np.bincount(training.indices, minlength=training.shape[1]))
    users = np.flatnonzero(np.diff(training.indptr))
    training = training[users][:, items]
    training.sort_indices()
    try:
        # A stream of random numbers of its own: the evaluation's has decided what the training part is.
        return split_by_user(canonical(training), fraction, seed + 1)
    except DataError as error:
        raise _no_validation(error.message) from error


def _no_validation(why: str) -> DataError:
    return DataError(
        f"no validation part: the training part of the evaluation cannot be split once more: {why}",
        hint='Change evaluation.test_fraction, or set evaluation.split = "user" or "time".',
    )
