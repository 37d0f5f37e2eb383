"""What trials are measured on: the training part of the evaluation, split again the same way it was split.

Nothing of the evaluation's hold-out is seen here, nor who or what is only in it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.data.encode import EncodedEvents
from pipeline.data.matrices import canonical
from pipeline.data.recency import sum_recent
from pipeline.data.split import events_with_times, split_by_time, split_by_user, stored_at, time_cutoff, without
from pipeline.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from pipeline.config import Config
    from pipeline.data.encode import Encoded

Parts = tuple["csr_matrix", "csr_matrix", dict[str, Any]]


def split_training(encoded: Encoded, settings: Config) -> Parts:
    """Split the training part of the evaluation of a configuration again.

    Where the evaluation has a test set of its own, all interactions are its training part.

    Returns
    -------
    Training part, validation part, both of shape ``(n_training_users, n_training_items)``, and counts.

    Raises
    ------
    DataError
        If nothing is left to fit on or to measure on.
    """
    split = split_training_by_time if settings.splits_by_time else split_training_by_user
    return split(
        encoded,
        settings.evaluation.test_fraction,
        seed=settings.run.seed,
        hold_outs=settings.evaluation.folds if settings.evaluation.test is None else 0,
        half_life_days=settings.weighting.half_life_days,
    )


def split_ingredients(settings: Config) -> dict[str, Any]:
    """What of a configuration decides the parts, for a fingerprint."""
    half_life = settings.weighting.half_life_days
    return {
        "by_time": settings.splits_by_time,
        "test_fraction": settings.evaluation.test_fraction,
        "seed": settings.run.seed,
        "explicit_test": settings.evaluation.test is not None,
        **({"folds": settings.evaluation.folds} if settings.evaluation.folds > 1 else {}),
        **({} if half_life is None else {"half_life_days": half_life}),
    }


def split_training_by_time(
    encoded: Encoded, fraction: float, *, seed: int, hold_outs: int, half_life_days: float | None = None
) -> Parts:
    """Of the events before the evaluation's earliest hold-out, hold out the last ``fraction``.

    Users and items without an event before the hold-out are left out: that they exist is test data already.

    Parameters
    ----------
    encoded
        All interactions.
    fraction
        Share of the events that the evaluation holds out, and of the others that is held out here.
    seed
        Plays no part.
    hold_outs
        How many hold-outs the evaluation takes of the interactions; what is in one of them plays no part.
    half_life_days
        By which the weights of the training part fade, back from its own last event; None for no fading.

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
    if hold_outs:
        before = events.timestamps < time_cutoff(events.timestamps, hold_outs * fraction)
    users, user_rows = np.unique(events.user_rows[before], return_inverse=True)
    items, item_rows = np.unique(events.item_rows[before], return_inverse=True)
    if not before.any():
        raise _no_validation("there are no events before the hold-out of the evaluation")
    training = EncodedEvents(
        user_rows.astype(np.int32), item_rows.astype(np.int32), events.weights[before], events.timestamps[before]
    )
    shape = (len(users), len(items))
    try:
        train, validation, stats = split_by_time(training, shape, fraction)
    except DataError as error:
        raise _no_validation(error.message) from error
    if half_life_days is not None:
        train = sum_recent(training.where(training.timestamps < stats["cutoff"]), shape, half_life_days)
    return train, validation, stats


def split_training_by_user(
    encoded: Encoded, fraction: float, *, seed: int, hold_outs: int, half_life_days: float | None = None
) -> Parts:
    """Of the items that the evaluation leaves each user for training, hold out ``fraction``, rounded down.

    As :func:`split_training_by_time`, but for ``seed``, which decides the evaluation's choice and this one.
    """
    training = encoded.user_items
    for fold in range(hold_outs):
        _, held_out, _ = split_by_user(encoded.user_items, fraction, seed, fold)
        training = without(training, held_out)
    if not training.nnz:
        raise _no_validation("every interaction is in a hold-out of the evaluation")
    items = np.flatnonzero(np.bincount(training.indices, minlength=training.shape[1]))
    users = np.flatnonzero(np.diff(training.indptr))
    training = training[users][:, items]
    training.sort_indices()
    try:
        # A stream of random numbers of its own: the evaluation's has decided what the training part is.
        train, validation, stats = split_by_user(canonical(training), fraction, seed + 1)
    except DataError as error:
        raise _no_validation(error.message) from error
    if half_life_days is not None:
        events = _renumbered(events_with_times(encoded), users, items)
        trained = stored_at(train, events.user_rows, events.item_rows)
        train = sum_recent(events.where(trained), train.shape, half_life_days)
    return train, validation, stats


def _renumbered(events: EncodedEvents, users: NDArray[np.int64], items: NDArray[np.int64]) -> EncodedEvents:
    """The events of some users and items, both ascending, whose places become the rows."""
    kept = events.where(np.isin(events.user_rows, users) & np.isin(events.item_rows, items))
    return replace(
        kept,
        user_rows=np.searchsorted(users, kept.user_rows).astype(np.int32),
        item_rows=np.searchsorted(items, kept.item_rows).astype(np.int32),
    )


def _no_validation(why: str) -> DataError:
    return DataError(
        f"no validation part: the training part of the evaluation cannot be split once more: {why}",
        hint='Change evaluation.test_fraction, or set evaluation.split = "user" or "time".',
    )
