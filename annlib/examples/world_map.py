"""A map from scattered measurements: k-nearest-neighbour regression on the sphere.

    python -m annlib.examples.world_map points.csv -o world_map.png
    python -m annlib.examples.world_map points.csv --demo 5000      # writes made-up points to points.csv first

The CSV has columns ``latitude`` and ``longitude``, in degrees, and ``value``. Places become points of the unit sphere
in three dimensions, where straight distances are ordered as great circles are: the poles are single points, and nothing
happens at the date line. Each pixel is the mean of its nearest points, weighted by their inverse distance.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from annlib.compat.sklearn import KNeighborsRegressor
from annlib.examples._figure import add_output, new_figure, save

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Points", "great_circle", "main", "on_sphere", "predict"]

_EARTH_RADIUS = 6371.0088  # kilometres, the mean
_PRECISION = 1.0  # kilometres; nearer than this, points weigh the same
_COLUMNS = ("latitude", "longitude", "value")


@dataclass(frozen=True)
class Points:
    """Places in degrees, north and east positive, and what was measured there; float64 ``(n,)`` each."""

    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    value: NDArray[np.float64]


def on_sphere(latitude: ArrayLike, longitude: ArrayLike) -> NDArray[np.float64]:
    """Return places in degrees, of any one shape, as points of the unit sphere, shape ``(..., 3)``."""
    phi, theta = np.radians(latitude), np.radians(longitude)
    return np.stack([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)], axis=-1)


def great_circle(chord: ArrayLike) -> NDArray[np.float64]:
    """Return kilometres along the surface for straight distances between points of the unit sphere."""
    return 2 * _EARTH_RADIUS * np.arcsin(np.clip(np.asarray(chord, dtype=np.float64) / 2, 0, 1))


def predict(points: Points, latitude: ArrayLike, longitude: ArrayLike, k: int = 10) -> NDArray[np.float64]:
    """Return the mean of the ``k`` nearest points of each place, weighted by inverse great-circle distance.

    Places have any one shape, which the result has too.
    """
    regressor = KNeighborsRegressor(n_neighbors=min(k, len(points.value)), weights=_inverse_great_circle)
    regressor.fit(on_sphere(points.latitude, points.longitude), points.value)
    places = on_sphere(latitude, longitude)
    means: NDArray[np.float64] = regressor.predict(places.reshape(-1, 3)).reshape(places.shape[:-1])
    return means


def _inverse_great_circle(chords: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / np.maximum(great_circle(chords), _PRECISION))


def read_points(path: Path) -> Points:
    """Read a CSV with a header; ValueError names the line that is not as expected."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if missing := set(_COLUMNS) - set(reader.fieldnames or ()):
            raise ValueError(f"{path}: expected columns {', '.join(_COLUMNS)}, got none named {', '.join(missing)}")
        rows = [_numbers(row, f"{path}, line {reader.line_num}") for row in reader]
    if not rows:
        raise ValueError(f"{path}: expected at least one point, got none")
    return Points(*np.array(rows).T)


def _numbers(row: dict[str, str], place: str) -> list[float]:
    try:
        latitude, longitude, value = (float(row[name]) for name in _COLUMNS)
    except (TypeError, ValueError):
        raise ValueError(f"{place}: expected three numbers, got {[row[name] for name in _COLUMNS]}") from None
    if not (abs(latitude) <= 90 and abs(longitude) <= 360 and np.isfinite(value)):
        raise ValueError(f"{place}: expected degrees and a finite value, got {latitude}, {longitude}, {value}")
    return [latitude, longitude, value]


def write_demo(path: Path, count: int, seed: int = 0) -> None:
    """Write made-up measurements: waves on the sphere, seen with noise from places that crowd around a few cities."""
    rng = np.random.default_rng(seed)
    cities = rng.normal(size=(60, 3))
    spread = rng.uniform(0.02, 0.4, size=(60, 1))
    near = rng.integers(60, size=count)
    places = cities[near] / np.linalg.norm(cities[near], axis=1, keepdims=True) + spread[near] * rng.normal(
        size=(count, 3)
    )
    x, y, z = places.T / np.linalg.norm(places, axis=1)
    value = 10 * np.sin(3 * x + 2 * z) + 8 * np.cos(4 * y - x) - 12 * z**2 + rng.normal(size=count)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        degrees = np.degrees([np.arcsin(z), np.arctan2(y, x)])
        writer.writerows(np.round([*degrees, value], 4).T.tolist())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("points", type=Path, metavar="CSV", help=f"with columns {', '.join(_COLUMNS)}")
    parser.add_argument("--demo", type=int, metavar="N", help="write N made-up points to CSV first")
    parser.add_argument("-k", type=int, default=10, help="points that make the value of a pixel (default: %(default)s)")
    parser.add_argument("--step", type=float, default=0.5, help="degrees between pixels (default: %(default)s)")
    add_output(parser, "world_map.png")
    options = parser.parse_args(arguments)
    if options.demo is not None:
        write_demo(options.points, options.demo)
    points = read_points(options.points)

    steps = round(180 / options.step)
    grid = np.meshgrid(np.linspace(-90, 90, steps + 1), np.linspace(-180, 180, 2 * steps + 1), indexing="ij")
    value = predict(points, grid[0], grid[1], options.k)
    print(f"{value.size:,} pixels from {len(points.value):,} points: {value.min():.3g} to {value.max():.3g}")

    figure = new_figure(11, 5.6)
    axes = figure.subplots(subplot_kw={"projection": "mollweide"})
    image = axes.pcolormesh(
        np.radians(grid[1]), np.radians(grid[0]), value, shading="gouraud", cmap="viridis", rasterized=True
    )
    folded = np.radians((points.longitude + 180) % 360 - 180)
    axes.plot(folded, np.radians(points.latitude), ".", color="black", markersize=1, alpha=0.5, label="measured")
    axes.grid(visible=True, alpha=0.3)
    axes.tick_params(labelsize=7)
    axes.tick_params(axis="x", colors="white")
    axes.set_title(f"Mean of the {options.k} nearest of {len(points.value):,} points, by great-circle distance", pad=16)
    axes.legend(loc="lower right", markerscale=6)
    figure.colorbar(image, label="predicted value", shrink=0.7)
    save(figure, options.output)


if __name__ == "__main__":
    main()
