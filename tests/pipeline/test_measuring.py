"""What a step takes is measured from its beginning."""

from __future__ import annotations

import datetime

import numpy as np

from pipeline import measuring
from pipeline.measuring import Meter


def test_a_peak_is_of_its_own_step():
    meter = Meter()
    large = np.ones(30 << 20, dtype=np.uint8)
    del large
    first = meter.read()
    second = Meter().read()
    assert first["seconds"] >= 0.0
    assert first["peak_memory_bytes"] - second["peak_memory_bytes"] > 20 << 20
    assert datetime.datetime.fromisoformat(first["finished"]).utcoffset() == datetime.timedelta(0)


def test_where_a_peak_cannot_be_set_back_there_is_none(monkeypatch, tmp_path):
    monkeypatch.setattr(measuring, "_CLEAR_PEAK", tmp_path / "absent" / "clear_refs")
    assert Meter().read()["peak_memory_bytes"] is None
