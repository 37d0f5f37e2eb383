"""How the fits went: the loss after each pass, or the singular values of a decomposition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.report.axes import linear_axis, log_axis
from pipeline.report.charts import Figure, Line, lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.factors.fitted import FittedModel


@dataclass(frozen=True)
class Training:
    """What is shown of the fits: plots, or why there are none."""

    figures: list[Figure]
    note: str


def training(models: Mapping[str, FittedModel]) -> Training:
    """Show how fits of one model went.

    Parameters
    ----------
    models
        By what each was fitted on, as ``"all interactions"``.
    """
    name = next(iter(models.values())).name
    curves = {data: model.factors.curve for data, model in models.items() if model.factors.curve is not None}
    if curves:
        measure = next(iter(curves.values())).measure
        series = [
            Line(data, range(1, len(curve.values) + 1), curve.values, f"s{number}")
            for number, (data, curve) in enumerate(curves.items(), start=1)
        ]
        values = [value for line in series for value in line.ys]
        words = "; ".join(f"on {line.name} from {line.ys[0]:.4g} to {line.ys[-1]:.4g}" for line in series)
        title = f"Training loss of {name}"
        x, y = linear_axis([1, max(len(line.xs) for line in series)], "pass"), linear_axis(values, "loss")
        svg = lines("training-loss", title, words, series, x, y, dots=len(values) <= 60)
        legend = [(line.style, f"fitted on {line.name}") for line in series]
        return Training([Figure(svg, f"After each pass, on a sample: {measure}; {words}.", legend)], "")
    spectra = {data: model.factors.state.get("singular_values") for data, model in models.items()}
    figures = []
    for number, (data, spectrum) in enumerate(spectra.items(), start=1):
        if spectrum is not None and (spectrum > 0).any():
            shown = [float(value) for value in spectrum if value > 0]
            words = f"From {shown[0]:.4g} to {shown[-1]:.4g} over {len(shown)} dimensions, fitted on {data}."
            title = f"Singular values, fitted on {data}"
            line = Line(data, range(1, len(shown) + 1), shown, f"s{number}")
            x, y = linear_axis([1, len(shown)], "dimension"), log_axis(shown, "singular value")
            figures.append(Figure(lines(f"spectrum-{number}", title, words, [line], x, y), f"{title}. {words}"))
    if figures:
        return Training(figures, f"{name} is fitted by a decomposition: it has no loss to follow, but a spectrum.")
    return Training([], f"{name} does not say how its fit went.")
