"""The picture of a study: how it went, and what each setting did."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pipeline.factors.search_space import Choice

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from pipeline.tuning.space import StudySpace
    from pipeline.tuning.study import TrialRecord

_COLUMNS = 3
_BEST, _OTHERS, _CONFIGURED = "#d62728", "#4c72b0", "#555555"
#: Values reach down to this quantile in view: one hopeless trial would press the others into a line.
_LOWEST_SHOWN = 0.1


def draw(path: Path, trials: Sequence[TrialRecord], space: StudySpace, metric: str, title: str) -> None:
    """Draw a study: the value of each trial with the best so far, and the values over each setting.

    Parameters
    ----------
    path
        Where to, by its ending: ``.svg`` gives equal bytes for equal trials.
    trials
        What ended; at least one succeeded.
    space
        What was chosen.
    metric
        The measure.
    title
        Above all.
    """
    done = [trial for trial in trials if trial.error is None]
    names = [*space.ranges, *([space.ITERATIONS] if space.iterations is not None else [])]
    n_rows = 1 + math.ceil(len(names) / _COLUMNS)
    with mpl.rc_context({"svg.hashsalt": "cfpipe", "font.size": 9.0}):
        figure = Figure(figsize=(10.0, 1.0 + 2.7 * n_rows), layout="constrained")
        figure.suptitle(title, fontsize=12)
        grid = figure.add_gridspec(n_rows, _COLUMNS)
        history = figure.add_subplot(grid[0, :])
        limits = _limits([trial.measures[metric] for trial in done])
        _draw_history(history, trials, metric, limits)
        for place, name in enumerate(names):
            axes = figure.add_subplot(grid[1 + place // _COLUMNS, place % _COLUMNS], sharey=history)
            _draw_setting(axes, done, name, metric, space)
            if place % _COLUMNS == 0:
                axes.set_ylabel(metric)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _draw_history(axes: Axes, trials: Sequence[TrialRecord], metric: str, limits: tuple[float, float]) -> None:
    done = [trial for trial in trials if trial.error is None]
    numbers, values = [trial.number + 1 for trial in done], [trial.measures[metric] for trial in done]
    axes.plot(numbers, values, "o", color=_OTHERS, markersize=4, label="trial")
    below = [number for number, value in zip(numbers, values, strict=True) if value < limits[0]]
    if below:
        axes.plot(below, [limits[0]] * len(below), "v", color=_OTHERS, clip_on=False, label="trial, further down")
    axes.step(numbers, np.maximum.accumulate(values), where="post", color=_BEST, label="best so far")
    if done[0].number == 0:
        configured = done[0].configured[metric]
        axes.axhline(configured, color=_CONFIGURED, linestyle="--", linewidth=1, label="the configuration")
    failed = [trial.number + 1 for trial in trials if trial.error is not None]
    if failed:
        axes.plot(failed, [limits[0]] * len(failed), "x", color=_CONFIGURED, clip_on=False, label="failed")
    axes.set(xlabel="trial", ylabel=f"{metric}, validation part", ylim=limits, title="Value by trial")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="lower right", fontsize=8)
    axes.grid(alpha=0.3)


def _draw_setting(axes: Axes, done: Sequence[TrialRecord], name: str, metric: str, space: StudySpace) -> None:
    section, _, key = name.partition(".")
    shown = [trial for trial in done if key in trial.sections[section]]
    values: list[Any] = [trial.sections[section][key] for trial in shown]
    measures = [trial.measures[metric] for trial in shown]
    choices = space.ranges.get(name)
    if isinstance(choices, Choice) or any(isinstance(value, str) for value in values):
        labels = sorted({str(value) for value in values})
        values = [labels.index(str(value)) for value in values]
        axes.set_xticks(range(len(labels)), labels)
        axes.set_xlim(-0.5, len(labels) - 0.5)
    elif getattr(choices, "log", False):
        axes.set_xscale("log")
    axes.plot(values, measures, "o", color=_OTHERS, markersize=4, alpha=0.7)
    best = int(np.argmax(measures))
    axes.plot(values[best], measures[best], "o", color=_BEST, markersize=7)
    axes.set(title=name)
    axes.grid(alpha=0.3)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """What is shown of the values: all but the lowest tenth, and a margin."""
    low, high = float(np.quantile(values, _LOWEST_SHOWN)), max(values)
    margin = 0.08 * (high - low) or 0.05 * abs(high) or 0.01
    return max(low - margin, 0.0), high + margin
