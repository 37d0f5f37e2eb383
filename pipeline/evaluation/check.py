"""The verdict on a finished run: its figures, those of the run before it, and the gates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.errors import GateError
from pipeline.evaluation.figures import read_figures, read_manifests
from pipeline.evaluation.gates import Gate, check_gates, failures

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence

    from pipeline.config import GateSettings
    from pipeline.store import Store


def judge_run(
    store: Store, settings: GateSettings, date: datetime.date, run: str, content: Mapping[str, Any]
) -> list[Gate]:
    """Hold a run against the gates.

    Parameters
    ----------
    store
        The root of the run.
    settings
        The limits.
    date, run
        The run's date and name, which say what run was before it.
    content
        The paths of its parts, as ``current.json`` would give them.

    Returns
    -------
    Every gate, passed or not.
    """
    previous = store.previous(date, run)
    before = None
    if previous is not None:
        before = read_figures(store, previous, comparable_to=read_manifests(store, content))
    return check_gates(settings, read_figures(store, content), before)


def require_passed(gates: Sequence[Gate], date: datetime.date, report: str) -> None:
    """Stop a run that does not pass its gates.

    Parameters
    ----------
    gates
        Every gate.
    date
        The run's date, for the message.
    report
        Where the run's report is, which shows what is wrong.

    Raises
    ------
    GateError
        If one is not passed; the message has a line for each that failed.
    """
    failed = failures(gates)
    if failed:
        lines = [f"the run of {date} is not published: {len(failed)} of {len(gates)} gates failed"]
        raise GateError(
            "\n  ".join(lines + [gate.message for gate in failed]),
            hint=f"What was published before stays. Look at {report}, or set the limit that the message names.",
        )
