"""A fitted model on disk: the vectors, and what folding something into them needs beside them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csr_matrix

from pipeline.errors import StoreError
from pipeline.factors.base import Factorizer, FactorizerSettings, Factors, TrainingCurve, find_factorizer
from pipeline.factors.choosing import ChosenSettings
from pipeline.factors.weighting import Weighting, WeightingSettings

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

#: Raised whenever what :meth:`FittedModel.save` writes changes, so that nothing older is taken for it.
SCHEMA_VERSION = 5
#: Versions that :meth:`FittedModel.open` reads; 2 knows of no settings that were chosen from the data, 3 of no curve,
#: 4 of no trials.
_READABLE = (2, 3, 4, SCHEMA_VERSION)

_DOCUMENT = "model.json"
_COUNTS = ("user_degrees", "item_degrees")
_LENGTHS = "user_lengths"
_WEIGHTS = "weights"


@dataclass(frozen=True)
class FittedModel:
    """A model, the vectors it was fitted to, and the weighting of the interactions it was fitted on.

    Attributes
    ----------
    name
        What the model is registered as.
    factorizer
        The model with its settings, nothing in them left open.
    weighting
        The degrees, lengths and scale of the interactions of the fit.
    factors
        The vectors.
    chosen
        Which of the settings were chosen from the data, and from what; None where all were given.
    weights
        float32, shape ``(nnz,)``: the weights of the stored pairs that the model was fitted on, where a half-life has
        made them others than those of the interactions; else None.
    """

    name: str
    factorizer: Factorizer[FactorizerSettings]
    weighting: Weighting
    factors: Factors
    chosen: ChosenSettings | None = None
    weights: NDArray[np.float32] | None = None

    def fitted_on(self, user_items: csr_matrix) -> csr_matrix:
        """The matrix that the model was fitted on, before it was weighed.

        Parameters
        ----------
        user_items
            The interactions of the fit, shape ``(n_users, n_items)``.
        """
        if self.weights is None:
            return user_items
        return csr_matrix((self.weights, user_items.indices, user_items.indptr), shape=user_items.shape)

    def save(self, folder: Path, *, users: str, items: str) -> None:
        """Write into an existing empty folder; the vectors as ``<users>.npy`` and ``<items>.npy``."""
        np.save(folder / f"{users}.npy", self.factors.user_factors)
        np.save(folder / f"{items}.npy", self.factors.item_factors)
        (folder / "weighting").mkdir()
        for name in _COUNTS:
            np.save(_counts_path(folder, name), getattr(self.weighting, name))
        if self.weighting.user_lengths is not None:
            np.save(_counts_path(folder, _LENGTHS), self.weighting.user_lengths)
        if self.weights is not None:
            np.save(_counts_path(folder, _WEIGHTS), self.weights)
        for name, values in self.factors.state.items():
            (folder / "state").mkdir(exist_ok=True)
            np.save(_state_path(folder, name), values)
        document = {
            "schema_version": SCHEMA_VERSION,
            "model": self.name,
            "settings": self.factorizer.settings.model_dump(mode="json"),
            "weighting": self.weighting.settings.model_dump(mode="json"),
            "scale": self.weighting.scale,
            "chosen": None if self.chosen is None else self.chosen.to_json(),
            "state": sorted(self.factors.state),
            "curve": None if self.factors.curve is None else asdict(self.factors.curve),
            "vectors": {"users": f"{users}.npy", "items": f"{items}.npy"},
        }
        text = json.dumps(document, indent=2, sort_keys=True, allow_nan=False) + "\n"
        (folder / _DOCUMENT).write_text(text, encoding="utf-8")

    @classmethod
    def open(cls, folder: Path) -> FittedModel:
        """Map what :meth:`save` wrote.

        Raises
        ------
        StoreError
            If the folder holds no fitted model of this version.
        ConfigError
            If the model's package is no longer installed.
        """
        path = folder / _DOCUMENT
        if not path.is_file():
            raise StoreError(f"{folder}: expected a fitted model, found no {_DOCUMENT}", hint="Run again: cfpipe run.")
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if document["schema_version"] not in _READABLE:
            raise StoreError(
                f"{path}: expected version {SCHEMA_VERSION}, got {document['schema_version']}",
                hint="Run again: cfpipe run.",
            )
        factorizer = find_factorizer(document["model"])
        # As JSON, in which strict settings take a list for a tuple.
        settings = factorizer.Settings.model_validate_json(json.dumps(document["settings"]))
        weighting = WeightingSettings.model_validate_json(json.dumps(document["weighting"]))
        user_degrees, item_degrees = (_map(_counts_path(folder, name)) for name in _COUNTS)
        lengths, weights = (_map_if_there(_counts_path(folder, name)) for name in (_LENGTHS, _WEIGHTS))
        vectors, chosen, curve = document["vectors"], document.get("chosen"), document.get("curve")
        return cls(
            document["model"],
            factorizer(settings),
            Weighting(weighting, user_degrees, item_degrees, document["scale"], lengths),
            Factors(
                _map(folder / vectors["users"]),
                _map(folder / vectors["items"]),
                {name: _map(_state_path(folder, name)) for name in document["state"]},
                None if curve is None else TrainingCurve(curve["measure"], tuple(curve["values"])),
            ),
            None if chosen is None else ChosenSettings.from_json(chosen),
            weights,
        )

    def parameters(self) -> dict[str, Any]:
        """The settings of the fit, for the record: ``model``, its name, ``factorize`` and ``weighting``."""
        return {
            "model": self.name,
            "factorize": self.factorizer.settings.model_dump(mode="json"),
            "weighting": self.weighting.settings.model_dump(mode="json"),
        }


def _counts_path(folder: Path, name: str) -> Path:
    return folder / "weighting" / f"{name}.npy"


def _state_path(folder: Path, name: str) -> Path:
    return folder / "state" / f"{name}.npy"


def _map_if_there(path: Path) -> NDArray[Any] | None:
    return _map(path) if path.exists() else None


def _map(path: Path) -> NDArray[Any]:
    # Copy on write: compiled code asks for buffers it could write to, and a read-only one would be copied for it.
    mapped: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    return mapped
