"""The quality of two runs, and which differences are more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import StoreError
from pipeline.evaluation.bootstrap import Difference, paired_differences
from pipeline.evaluation.files import USERS_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.published import PublishedRun

_SEED = 0


@dataclass(frozen=True)
class QualityComparison:
    """The measures of two runs.

    Attributes
    ----------
    same_hold_out
        Whether both were measured on the same hold-out. If not, differences are of the data as well as of the models.
    users
        Users evaluated in both runs, over whom the differences are.
    first_users, second_users
        Users evaluated in each.
    first, second
        The measures of each run over its own users, those that both have.
    differences
        Of the measures of accuracy, second less first, over the users of both; empty where there are none.
    """

    same_hold_out: bool
    users: int
    first_users: int
    second_users: int
    first: Mapping[str, float]
    second: Mapping[str, float]
    differences: Mapping[str, Difference]


def compare_quality(first: PublishedRun, second: PublishedRun) -> QualityComparison:
    """Compare what two runs measured on their hold-outs.

    Raises
    ------
    StoreError
        If a run was published before the measures of each user were kept.
    """
    evaluations = (first.evaluation, second.evaluation)
    models = [evaluation["model"] for evaluation in evaluations]
    shared = [name for name in models[0] if name in models[1]]
    users = [_read_users(run) for run in (first, second)]
    ids = [table.column("user_id").combine_chunks() for table in users]
    differences: dict[str, Difference] = {}
    n_common = 0
    if ids[0].type == ids[1].type:
        places = pc.index_in(ids[0], value_set=ids[1])
        common = np.flatnonzero(places.is_valid().to_numpy(zero_copy_only=False))
        rows = (pa.array(common), places.drop_null())
        n_common = len(common)
        names = [name for name in shared if name in users[0].column_names and name in users[1].column_names]
        values = [
            {name: table.column(name).take(chosen).to_numpy() for name in names}
            for table, chosen in zip(users, rows, strict=True)
        ]
        if n_common:
            differences = paired_differences(*values, seed=_SEED)
    return QualityComparison(
        same_hold_out=evaluations[0]["hold_out"] == evaluations[1]["hold_out"],
        users=n_common,
        first_users=len(ids[0]),
        second_users=len(ids[1]),
        first={name: models[0][name] for name in shared},
        second={name: models[1][name] for name in shared},
        differences=differences,
    )


def _read_users(run: PublishedRun) -> pa.Table:
    path = run.root.joinpath(run.content["evaluation"]).with_name(USERS_FILE)
    if not path.is_file():
        raise StoreError(
            f"the run of {run.date} in {run.root} has no measures of each user, {path.name}",
            hint="It was published by an earlier version. Run its configuration again.",
        )
    return pq.ParquetFile(path).read()
