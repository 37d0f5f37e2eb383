"""Runs by the paths people know them by."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import StoreError
from pipeline.published import PublishedRun
from pipeline.store import Store, read_json

_HINT = "Give a root, for its published run, or the path of one of its runs: ROOT/runs/DATE or ROOT/runs/DATE/ID.json."


def find_run(path: str) -> PublishedRun:
    """Open a run.

    Parameters
    ----------
    path
        A root, which stands for its published run; ``ROOT/runs/DATE``, where there is one run of that date; or
        ``ROOT/runs/DATE/ID.json``, whose ending may be left out.

    Raises
    ------
    StoreError
        If there is no run, or several are meant.
    """
    place = Path(path)
    if place.is_dir():
        current = Store(place).current()
        if current is not None:
            return PublishedRun(Store(place), current)
        markers = sorted(place.glob("*.json")) if place.parent.name == "runs" else []
        if len(markers) > 1:
            raise StoreError(f"{place}: expected one run, got {', '.join(each.name for each in markers)}", hint=_HINT)
    else:
        markers = [each for each in (place, place.with_name(f"{place.name}.json")) if each.is_file()][:1]
    if not markers or markers[0].parent.parent.name != "runs":
        raise StoreError(f"{place}: expected a run, found none", hint=_HINT)
    return PublishedRun(Store(markers[0].parents[2]), read_json(markers[0]))
