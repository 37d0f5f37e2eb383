"""Regression on the sphere: distances along great circles, also at the poles and at the date line."""

from __future__ import annotations

import numpy as np
import pytest

from annlib.examples.world_map import Points, great_circle, main, on_sphere, predict, read_points

QUARTER = 6371.0088 * np.pi / 2


def kilometres(one: tuple[float, float], other: tuple[float, float]) -> float:
    return float(great_circle(np.linalg.norm(on_sphere(*one) - on_sphere(*other))))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((0, 0), (0, 90), QUARTER),
        ((90, 0), (0, 123), QUARTER),
        ((90, 17), (90, -140), 0),  # the pole, whatever the longitude
        ((-90, 0), (90, 0), 2 * QUARTER),
        ((0, 179), (0, -179), QUARTER * 2 / 90),  # two degrees, across the date line
        ((0, 180), (0, -180), 0),
        ((89, 0), (89, 180), QUARTER * 2 / 90),  # two degrees, across the pole
        ((52.5200, 13.4050), (48.8566, 2.3522), 877.46),  # Berlin to Paris
    ],
)
def test_great_circles(one, other, expected):
    assert kilometres(one, other) == pytest.approx(expected, abs=0.01)


def test_neighbours_across_the_date_line_and_the_pole():
    points = Points(*np.array([[0, 179.0, 1.0], [0, 170.0, 5.0], [89, 0, 2.0], [80, 180, 7.0]]).T)
    assert predict(points, [0, 0], [-179.5, 171.0], k=1).tolist() == [1, 5]
    assert predict(points, [89.5, 85.0, 86.0], [180, 180, 0], k=1).tolist() == [2, 7, 2]
    east, west = predict(points, [12.0, 12.0], [180, -180], k=3)
    assert east == pytest.approx(west)


def test_the_mean_weighs_inverse_distances():
    points = Points(*np.array([[0, 0, 10.0], [0, 3, 40.0]]).T)
    [[value]] = predict(points, [[0.0]], [[1.0]], k=2)
    assert value == pytest.approx((10 / 1 + 40 / 2) / (1 / 1 + 1 / 2), rel=1e-5)
    assert predict(points, [0.0], [0.0], k=5)[0] == pytest.approx(10, abs=0.1)


def test_the_picture(tmp_path, capsys, assert_picture):
    main([str(tmp_path / "p.csv"), "--demo", "400", "--step", "5", "-o", str(tmp_path / "out.png")])
    output = capsys.readouterr().out
    assert "2,701 pixels from 400 points" in output
    assert_picture(tmp_path / "out.png")
    points = read_points(tmp_path / "p.csv")
    assert np.abs(points.latitude).max() <= 90
    found = predict(points, points.latitude, points.longitude, k=1)
    np.testing.assert_allclose(found, points.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latitude,longitude\n1,2\n", "expected columns latitude, longitude, value, got none named value"),
        ("latitude,longitude,value\n1,2,3\n1,x,3\n", "line 3: expected three numbers"),
        ("latitude,longitude,value\n1,2\n", "line 2: expected three numbers"),
        ("latitude,longitude,value\n91,2,3\n", "line 2: expected degrees and a finite value"),
        ("latitude,longitude,value\n1,2,nan\n", "line 2: expected degrees and a finite value"),
        ("latitude,longitude,value\n", "expected at least one point"),
    ],
)
def test_bad_points(tmp_path, text, message):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_points(tmp_path / "p.csv")
