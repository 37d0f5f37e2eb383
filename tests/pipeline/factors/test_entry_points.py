"""A factorizer of another package joins by an entry point, and is used by its name."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from pipeline.config import parse_config
from pipeline.errors import ConfigError
from pipeline.factors.base import factorizer_names, find_factorizer
from pipeline.progress import no_progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLUGIN = """
import numpy as np
from pydantic import Field
from pipeline.factors.base import Factorizer, FactorizerSettings, Factors

class TruncatedSvdSettings(FactorizerSettings):
    power: float = Field(default=0.5, ge=0.0)

class TruncatedSvd(Factorizer[TruncatedSvdSettings]):
    Settings = TruncatedSvdSettings

    def fit(self, user_items, *, seed, num_threads, progress):
        u, s, vt = np.linalg.svd(user_items.toarray(), full_matrices=False)
        d = self.settings.factors
        progress(1.0, "decomposed")
        s = s[:d] ** self.settings.power
        return Factors((u[:, :d] * s).astype(np.float32), (vt[:d].T * s).astype(np.float32))

    def fold_in_users(self, user_items, factors, *, num_threads):
        return user_items @ factors.item_factors

    def fold_in_items(self, user_items, factors, *, num_threads):
        return user_items.T @ factors.user_factors

    @classmethod
    def versions(cls):
        return {"numpy": np.__version__}

class NotAFactorizer:
    pass
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed distribution ``cfpipe-plugin``, as pip leaves one behind."""
    (tmp_path / "cfpipe_plugin_under_test.py").write_text(PLUGIN)
    for distribution, entry_points in (
        (
            "cfpipe_plugin",
            ["svd = cfpipe_plugin_under_test:TruncatedSvd", "odd = cfpipe_plugin_under_test:NotAFactorizer"],
        ),
        ("cfpipe_rival", ["als = cfpipe_plugin_under_test:TruncatedSvd"]),
    ):
        folder = tmp_path / f"{distribution}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text("\n".join(["[cfpipe.factorizers]", *entry_points, ""]))
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield
    sys.modules.pop("cfpipe_plugin_under_test", None)


@pytest.mark.usefixtures("plugin")
def test_a_factorizer_of_another_package_is_found_and_used() -> None:
    assert "svd" in factorizer_names()
    config = parse_config(
        {
            "interactions": {"path": "plays.csv", "user": "user", "item": "track"},
            "factorize": {"model": "svd", "factors": 2, "power": 1.0},
        }
    )
    model = find_factorizer(config.factorize.model)(config.factorize.settings)
    matrix = csr_matrix(np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=np.float32))
    factors = model.fit(matrix, seed=0, num_threads=1, progress=no_progress)
    product = factors.user_factors @ factors.item_factors.T
    np.testing.assert_allclose(
        product, np.linalg.matrix_power(matrix.toarray(), 1) * [[2, 2, 1]] * [[1], [1], [1]], atol=1e-5
    )


@pytest.mark.usefixtures("plugin")
def test_settings_of_another_package_are_validated() -> None:
    with pytest.raises(ConfigError, match=r"factorize\.power"):
        parse_config(
            {
                "interactions": {"path": "plays.csv", "user": "user", "item": "track"},
                "factorize": {"model": "svd", "power": -1.0},
            }
        )


@pytest.mark.usefixtures("plugin")
def test_a_name_two_packages_register_is_refused() -> None:
    with pytest.raises(ConfigError, match="registered by several packages"):
        find_factorizer("als")


@pytest.mark.usefixtures("plugin")
def test_what_is_not_a_factorizer_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"NotAFactorizer is not a pipeline\.factors\.base\.Factorizer"):
        find_factorizer("odd")


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(ConfigError, match="unknown model 'nope': expected one of als, blend, bpr, lmf"):
        find_factorizer("nope")
