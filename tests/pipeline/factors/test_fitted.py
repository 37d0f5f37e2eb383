"""A fitted model kept on disk folds in as the one that was fitted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.errors import StoreError
from pipeline.factors.base import factorizer_names, find_factorizer
from pipeline.factors.fitted import FittedModel
from pipeline.factors.weighting import Weighting, WeightingSettings
from pipeline.progress import no_progress

if TYPE_CHECKING:
    from pathlib import Path

    from scipy.sparse import csr_matrix


_PARTS = [{"model": "als", "factors": 2}, {"model": "spectral", "factors": 4}]


def _fit(name: str, plays: csr_matrix, confidence: str = "log1p") -> FittedModel:
    settings = {"parts": _PARTS} if name == "blend" else {"factors": 6}
    factorizer = find_factorizer(name)(find_factorizer(name).Settings.model_validate(settings))
    weighting = Weighting.fit(plays, WeightingSettings(confidence=confidence, item_degree_power=0.25))
    factors = factorizer.fit(weighting.transform(plays), seed=1, num_threads=1, progress=no_progress)
    return FittedModel(name, factorizer, weighting, factors)


@pytest.mark.parametrize(("name", "confidence"), [*((name, "log1p") for name in factorizer_names()), ("als", "bm25")])
def test_what_was_saved_folds_in_the_same(name: str, confidence: str, plays: csr_matrix, tmp_path: Path) -> None:
    fitted = _fit(name, plays, confidence)
    fitted.save(tmp_path, users="user", items="track")
    opened = FittedModel.open(tmp_path)
    assert opened.name == name
    assert opened.factorizer.settings == fitted.factorizer.settings
    assert opened.weighting.settings == fitted.weighting.settings
    for model in (fitted, opened):
        np.testing.assert_array_equal(np.load(tmp_path / "track.npy"), model.factors.item_factors)
    users, opened_users = (
        model.factorizer.fold_in_users(model.weighting.transform_users(plays[:5]), model.factors, num_threads=1)
        for model in (fitted, opened)
    )
    assert users.tobytes() == opened_users.tobytes()


def test_the_same_model_is_the_same_bytes(plays: csr_matrix, tmp_path: Path) -> None:
    contents = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        _fit("als", plays).save(folder, users="user", items="track")
        contents.append({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()})
    assert contents[0] == contents[1]


def test_a_folder_without_a_model_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"found no model.json\nRun again"):
        FittedModel.open(tmp_path)


def test_a_model_that_was_published_before_settings_were_chosen_is_read(plays: csr_matrix, tmp_path: Path) -> None:
    fitted = _fit("als", plays)
    fitted.save(tmp_path, users="user", items="track")
    document = json.loads((tmp_path / "model.json").read_text()) | {"schema_version": 2}
    del document["chosen"]
    (tmp_path / "model.json").write_text(json.dumps(document))
    opened = FittedModel.open(tmp_path)
    assert opened.chosen is None
    assert opened.weighting.settings == fitted.weighting.settings


def test_a_model_of_another_version_is_a_clear_error(plays: csr_matrix, tmp_path: Path) -> None:
    _fit("als", plays).save(tmp_path, users="user", items="track")
    document = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(document | {"schema_version": 1}))
    with pytest.raises(StoreError, match="expected version 5, got 1"):
        FittedModel.open(tmp_path)
