"""Several hold-outs of the same interactions, summed up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What is kept of the evaluation of each fold.
_KEPT = ("split", "hold_out", "users", "test_pairs", "model", "baselines", "intervals")


def summarize_folds(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means and spread of the measures over folds.

    Folds share interactions, and so are not independent: their spread shows how much quality varies with the hold-out,
    and is no standard error of the mean (Bengio & Grandvalet, JMLR 2004).

    Parameters
    ----------
    documents
        The evaluation of each fold, as JSON has it; two at least.

    Returns
    -------
    ``count``; ``mean`` of each measure of the ``model`` and of each baseline; ``deviation`` of the model's, the
    standard deviation over folds (n - 1); and ``each`` with the measures, intervals and counts of every fold. A measure
    that a fold does not have is in no mean.
    """
    models = [document["model"] for document in documents]
    baselines = [document["baselines"] for document in documents]
    return {
        "count": len(documents),
        "mean": {
            "model": _over_folds(models, np.mean),
            **{name: _over_folds([each[name] for each in baselines], np.mean) for name in baselines[0]},
        },
        "deviation": _over_folds(models, lambda values: np.std(values, ddof=1)),
        "each": [{key: document[key] for key in _KEPT} for document in documents],
    }


def _over_folds(folds: Sequence[Mapping[str, float]], function: Any) -> dict[str, float]:
    shared = [name for name in folds[0] if all(name in fold for fold in folds)]
    return {name: float(function([fold[name] for fold in folds])) for name in shared}
