"""Several models side by side: their vectors joined end to end, so that scores add up, and compressed if wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

from pipeline.factors.base import (
    Factorizer,
    FactorizerSettings,
    Factors,
    Vectors,
    factorizer_names,
    find_factorizer,
)
from pipeline.factors.compression import (
    compress,
    narrow_items,
    narrow_users,
    widened,
    widened_items,
    widened_target,
    with_other_items,
)
from pipeline.factors.gram import gram
from pipeline.progress import span

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from pipeline.progress import Progress

#: What the models are registered as; a blend of blends would say nothing that a blend does not.
NAME = "blend"

#: State that the blend keeps of a part beside the part's own: see :func:`_mean_gram` and :func:`_levels`.
_GRAM = "score_gram"
_LEVELS = "score_levels"

_ROWS = 1 << 14


class BlendPart(BaseModel):
    """One model of a blend: ``model``, ``share``, and the model's own settings beside them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Name of the model.
    model: str
    #: How much the scores of this model count for, once those of all models spread alike.
    share: float = Field(default=1.0, gt=0.0, allow_inf_nan=False)
    #: What is not given of them has the default of the class of the model.
    settings: FactorizerSettings

    @model_validator(mode="before")
    @classmethod
    def _settings_of_the_model(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        options = dict(data)
        model = options.pop("model", None)
        if not isinstance(model, str) or model == NAME:
            raise ValueError(f"model: expected the name of a factorizer other than {NAME!r}, got {model!r}")
        own = {"share": options.pop("share")} if "share" in options else {}
        return {"model": model, **own, "settings": find_factorizer(model).Settings.model_validate(options)}

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        return {"model": self.model, "share": self.share, **self.settings.model_dump(mode="json")}

    def factorizer(self) -> Factorizer[FactorizerSettings]:
        """The model with its settings."""
        return find_factorizer(self.model)(self.settings)


class BlendSettings(FactorizerSettings):
    """Settings of a blend; ``factors`` is the sum of its parts' where it is not given, and where less, compresses."""

    #: The models, each as ``{ model = "als", factors = 256, share = 3.0, ... }``.
    parts: tuple[BlendPart, ...] = Field(min_length=2, strict=False)
    #: Where the blend is compressed: how much more errors in the scores of the 100 best items that a user has not seen
    #: count than those of all others. 0 lets all count alike, and saves a sweep of least squares over users and items.
    emphasis: float = Field(default=100.0, ge=0.0, le=10_000.0)

    @model_validator(mode="before")
    @classmethod
    def _factors_of_the_parts(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or not isinstance(data.get("parts"), list | tuple):
            return data
        parts = tuple(BlendPart.model_validate(part) for part in data["parts"])
        total = sum(part.settings.factors for part in parts)
        factors = data.get("factors", total)
        if isinstance(factors, int) and factors > total:
            raise ValueError(f"factors: expected at most the sum of the parts', {total}, or nothing, got {factors}")
        return {**data, "parts": parts, "factors": factors}

    @property
    def compressed(self) -> bool:
        """Whether fewer dimensions are wanted than the parts have together."""
        return self.factors < sum(part.settings.factors for part in self.parts)


class Blend(Factorizer[BlendSettings]):
    """Models that were fitted by themselves, their vectors joined: a score is the weighted sum of theirs.

    Each user's vector of each part is divided by the root mean square of its scores over all items, so that parts
    whose scores differ in size count for what their shares say: ``sum_p share_p x_p . y_p / rms_p(x_p)``. A linear
    combination of rankers that err differently ranks better than each of them (Jahrer, Töscher & Legenstein, KDD
    2010), and here it is still one vector that an index serves.

    With ``factors`` below the sum of the parts' the joined vectors are compressed to as many dimensions, which rank as
    closely as so many can; see :func:`~pipeline.factors.compression.compress`.

    Fold-in is that of the parts, each of which is given a copy of its columns; compressed, a linear map of it.
    """

    Settings: ClassVar[type[FactorizerSettings]] = BlendSettings
    threads_change_bytes: ClassVar[bool] = True

    def fit(self, user_items: csr_matrix, *, seed: int, num_threads: int, progress: Progress) -> Factors:
        """Fit the parts, one after the other; see :meth:`Factorizer.fit`.

        State: theirs, numbered, and the levels; where it is compressed, the joined vectors too.
        """
        joined = self._fit_parts(user_items, seed, num_threads, progress)
        if not self.settings.compressed:
            return joined
        settings = self.settings
        return compress(joined, user_items, settings.factors, settings.emphasis, num_threads=num_threads)

    def fold_in_users(self, user_items: csr_matrix, factors: Factors, *, num_threads: int) -> Vectors:
        """What the parts make of other users, joined; see :meth:`Factorizer.fold_in_users`."""
        folded = []
        for piece in self._pieces(self._joined(factors)):
            users = piece.model.fold_in_users(user_items, piece.with_items_alone(), num_threads=num_threads)
            folded.append(users * piece.scale(users)[:, np.newaxis])
        joined = np.hstack(folded)
        return narrow_users(joined, factors) if self.settings.compressed else joined

    def fold_in_items(self, user_items: csr_matrix, factors: Factors, *, num_threads: int) -> Vectors:
        """What the parts make of other items, joined; see :meth:`Factorizer.fold_in_items`."""
        pieces = self._pieces(self._joined(factors))
        joined = np.hstack(
            [each.model.fold_in_items(user_items, each.with_users_alone(), num_threads=num_threads) for each in pieces]
        )
        return narrow_items(joined, factors) if self.settings.compressed else joined

    def with_items(self, factors: Factors, item_factors: Vectors, degrees: NDArray[np.int64]) -> Factors:
        """Others in the place of the items, in every part; levels stay those over the items of the fit.

        Of a compressed blend the parts are given what its vectors keep of theirs.
        """
        if not self.settings.compressed:
            return self._with_joined_items(factors, item_factors, degrees)
        wide = self._with_joined_items(self._joined(factors), widened_items(item_factors, factors), degrees)
        return with_other_items(factors, wide, item_factors)

    def contributions(self, history: csr_matrix, factors: Factors, target: Vectors) -> NDArray[np.float64]:
        """The sum of what the parts say, where all of them can explain; see :meth:`Factorizer.contributions`."""
        joined = widened_target(target, factors) if self.settings.compressed else target
        total = np.zeros(history.nnz)
        for piece in self._pieces(self._joined(factors)):
            fixed = piece.with_items_alone()
            scale = piece.scale(piece.model.fold_in_users(history, fixed, num_threads=1))[0]
            total += scale * piece.model.contributions(history, fixed, joined[piece.columns])
        return total

    @classmethod
    def versions(cls) -> dict[str, str]:
        """Versions of what the other models compute with: which of them are parts is not known here."""
        others = [find_factorizer(name) for name in factorizer_names() if name != NAME]
        return {library: version for model in others for library, version in model.versions().items()}

    def _fit_parts(self, user_items: csr_matrix, seed: int, num_threads: int, progress: Progress) -> Factors:
        parts = self.settings.parts
        users, items = [], []
        state: dict[str, NDArray[np.float32]] = {}
        for number, part in enumerate(parts):
            its_progress = span(progress, number / len(parts), (number + 1) / len(parts))
            fitted = part.factorizer().fit(user_items, seed=seed, num_threads=num_threads, progress=its_progress)
            mean_gram = _mean_gram(fitted.item_factors)
            levels = _levels(fitted.user_factors, mean_gram)
            users.append(fitted.user_factors * (np.float32(part.share) / levels)[:, np.newaxis])
            items.append(fitted.item_factors)
            state |= _numbered(number, {**fitted.state, _GRAM: mean_gram, _LEVELS: levels})
        return Factors(np.hstack(users), np.hstack(items), state)

    def _with_joined_items(self, joined: Factors, item_factors: Vectors, degrees: NDArray[np.int64]) -> Factors:
        state = dict(joined.state)
        for piece in self._pieces(joined):
            replaced = piece.model.with_items(piece.with_items_alone(), item_factors[:, piece.columns], degrees)
            state |= _numbered(piece.number, replaced.state)
        return replace(joined, item_factors=item_factors, state=state)

    def _joined(self, factors: Factors) -> Factors:
        """The vectors as they are joined, with the state of the parts."""
        return widened(factors) if self.settings.compressed else factors

    def _pieces(self, joined: Factors) -> list[_Piece]:
        pieces, start = [], 0
        for number, part in enumerate(self.settings.parts):
            stop = start + len(joined.state[f"{number}.{_GRAM}"])
            pieces.append(_Piece(part, number, slice(start, stop), joined))
            start = stop
        return pieces


@dataclass(frozen=True)
class _Piece:
    """One part of fitted vectors.

    Attributes
    ----------
    part
        Its settings.
    number
        Its number among the parts.
    columns
        Where its columns are among those of the blend.
    joined
        The factors of the blend.
    """

    part: BlendPart
    number: int
    columns: slice
    joined: Factors

    @property
    def model(self) -> Factorizer[FactorizerSettings]:
        return self.part.factorizer()

    def scale(self, users: Vectors) -> NDArray[np.float32]:
        """What the part's vectors of users are multiplied by in the blend, shape ``(m,)``."""
        return np.float32(self.part.share) / _levels(users, self._state(_GRAM))

    def with_items_alone(self) -> Factors:
        """The part's factors for folding in users, without those of the users."""
        items = np.ascontiguousarray(self.joined.item_factors[:, self.columns])
        return Factors(np.empty((0, items.shape[1]), np.float32), items, self._own_state())

    def with_users_alone(self) -> Factors:
        """The part's factors for folding in items, without those of the items."""
        unscaled = self._state(_LEVELS) / np.float32(self.part.share)
        users = self.joined.user_factors[:, self.columns] * unscaled[:, np.newaxis]
        return Factors(users, np.empty((0, users.shape[1]), np.float32), self._own_state())

    def _own_state(self) -> dict[str, NDArray[np.float32]]:
        prefix = f"{self.number}."
        names = [name.removeprefix(prefix) for name in self.joined.state if name.startswith(prefix)]
        return {name: self._state(name) for name in names if name not in (_GRAM, _LEVELS)}

    def _state(self, name: str) -> NDArray[np.float32]:
        return self.joined.state[f"{self.number}.{name}"]


def _numbered(number: int, state: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    return {f"{number}.{name}": values for name, values in state.items()}


def _mean_gram(items: Vectors) -> NDArray[np.float32]:
    """Mean of ``y y'`` over the items, shape ``(d, d)``: ``x' gram x`` is the mean square of the scores of x."""
    return (gram(items) / max(1, len(items))).astype(np.float32)


def _levels(users: Vectors, gram: NDArray[np.float32]) -> NDArray[np.float32]:
    """Root mean squares of users' scores over the items of the fit, shape ``(m,)``; 1 where all are 0."""
    squares = np.empty(len(users))
    for start in range(0, len(users), _ROWS):
        block = users[start : start + _ROWS]
        squares[start : start + _ROWS] = np.einsum("ij,ij->i", block @ gram, block, dtype=np.float64)
    levels = np.sqrt(np.maximum(squares, 0.0)).astype(np.float32)
    levels[levels == 0.0] = 1.0
    return levels
