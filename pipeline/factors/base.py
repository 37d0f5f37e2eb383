"""The contract of a factorizer, and how one is found by name.

A factorizer turns a matrix of confidences into latent vectors of users and items in one space. The models of
``implicit`` keep this contract; others join by the entry point group ``cfpipe.factorizers``::

    [project.entry-points."cfpipe.factorizers"]
    mymodel = "mypackage.mymodel:MyFactorizer"
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipeline.errors import ConfigError
from pipeline.factors.automatic import AutomaticSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scipy.sparse import csr_matrix

    from pipeline.factors.search_space import SearchSpace
    from pipeline.progress import Progress

ENTRY_POINT_GROUP = "cfpipe.factorizers"

Vectors = NDArray[np.float32]


class FactorizerSettings(AutomaticSettings):
    """Settings every factorizer has; a model adds its own in a subclass."""

    #: Dimensions of the vectors: more of them tell more apart, in tables that take longer to search.
    factors: int = Field(default=64, ge=1, le=65_535)


@dataclass(frozen=True)
class TrainingCurve:
    """How a fit went.

    Attributes
    ----------
    measure
        What was measured after each pass, for people; less is better.
    values
        After the first pass, the second, and so on.
    """

    measure: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Factors:
    """Latent vectors in one space.

    Attributes
    ----------
    user_factors
        float32, shape ``(n_users, n_columns)``; a model may add columns of its own to the ``factors`` asked for.
    item_factors
        float32, shape ``(n_items, n_columns)``.
    state
        Whatever else the model needs to fold in, by name; kept with the vectors.
    curve
        How the fit went, for the report; None for a model that does not say.
    """

    user_factors: Vectors
    item_factors: Vectors
    state: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    curve: TrainingCurve | None = None


#: Shown the passes done so far and what copies the factors as they are by then; whether the fit shall go on.
Watch = Callable[[int, Callable[[], Factors]], bool]

SettingsT = TypeVar("SettingsT", bound=FactorizerSettings)


class Factorizer(ABC, Generic[SettingsT]):
    """One way to factorize a user-item matrix.

    The matrices given are CSR, float32, without explicit zeros, with sorted indices; their values are confidences
    (see :mod:`pipeline.factors.weighting`). The results must be the same bytes for the same input, seed and, where
    ``threads_change_bytes``, number of threads.
    """

    #: The model of its settings; the keys of ``[factorize]`` beside ``model`` and ``seed`` are validated by it.
    Settings: ClassVar[type[FactorizerSettings]]
    #: Whether the number of threads changes the result; it then belongs to the fingerprint of the factors.
    threads_change_bytes: ClassVar[bool] = False
    #: Whether the values of the matrix mean anything to the model, and so the section ``[weighting]``.
    reads_confidences: ClassVar[bool] = True
    #: The settings that ``cfpipe tune`` chooses, and between what; see :mod:`pipeline.factors.search_space`.
    search_space: ClassVar[SearchSpace] = MappingProxyType({})

    def __init__(self, settings: SettingsT) -> None:
        self.settings = settings

    @abstractmethod
    def fit(self, user_items: csr_matrix, *, seed: int, num_threads: int, progress: Progress) -> Factors:
        """Factorize.

        Parameters
        ----------
        user_items
            Confidences, shape ``(n_users, n_items)``.
        seed
            Seed of every random choice.
        num_threads
            Number of threads, 0 for all cores.
        progress
            Told how far the fit is, between iterations.
        """

    def watch_fit(
        self, user_items: csr_matrix, *, seed: int, num_threads: int, progress: Progress, watch: Watch
    ) -> None:
        """Factorize as :meth:`fit` does, showing the factors after each pass, until all are done or enough is seen.

        What a model has to give that declares :class:`~pipeline.factors.search_space.Iterations`: after n passes, the
        factors are those of a :meth:`fit` with n iterations, to the byte.

        Parameters
        ----------
        user_items, seed, num_threads, progress
            As in :meth:`fit`.
        watch
            Called after each pass, with the number of passes done and a function that copies the factors; the fit
            ends where it returns False.
        """
        raise NotImplementedError(f"{type(self).__name__} declares iterations to be watched and has no watch_fit")

    @abstractmethod
    def fold_in_users(self, user_items: csr_matrix, factors: Factors, *, num_threads: int) -> Vectors:
        """Vectors of other users, the item factors held fixed.

        Parameters
        ----------
        user_items
            Confidences, shape ``(m, n_items)``.
        factors
            What was fitted; the user factors must not be looked at, and may be missing.

        Returns
        -------
        float32, shape ``(m, n_columns)``; zero for a user without interactions.
        """

    @abstractmethod
    def fold_in_items(self, user_items: csr_matrix, factors: Factors, *, num_threads: int) -> Vectors:
        """Vectors of other items, or of attributes of items, the user factors held fixed.

        Parameters
        ----------
        user_items
            Confidences, shape ``(n_users, m)``.
        factors
            What was fitted; the item factors must not be looked at, and may be missing.

        Returns
        -------
        float32, shape ``(m, n_columns)``; zero for an item without interactions.
        """

    def with_items(self, factors: Factors, item_factors: Vectors, degrees: NDArray[np.int64]) -> Factors:
        """The factors with others in the place of the items, so that users fold in with a history of these.

        A model whose state speaks of the items says here what becomes of it.

        Parameters
        ----------
        factors
            What was fitted.
        item_factors
            What :meth:`fold_in_items` made of the others, such as attributes of the items, shape ``(m, n_columns)``.
        degrees
            How many users each of them has, shape ``(m,)``.
        """
        return replace(factors, item_factors=item_factors)

    def contributions(self, history: csr_matrix, factors: Factors, target: Vectors) -> NDArray[np.float64]:
        """How much each item of a history adds to the score that its fold-in gives a target.

        A model whose fold-in is a sum over the history defines this; others cannot explain.

        Parameters
        ----------
        history
            Confidences of one user, shape ``(1, n_items)``.
        factors
            The vectors held fixed.
        target
            The vector that is scored, shape ``(n_columns,)``.

        Returns
        -------
        float64, shape ``(history.nnz,)``, in the order of the stored entries; adds up to
        ``fold_in_users(history, factors)[0] @ target``, to float32.

        Raises
        ------
        ConfigError
            If the model cannot explain; names those that can.
        """
        able = [name for name in factorizer_names() if find_factorizer(name).explains()]
        raise ConfigError(
            f"{type(self).__name__} cannot explain: its score is no sum over the history",
            hint=f"Models that can explain: {', '.join(able)}.",
        )

    @classmethod
    def explains(cls) -> bool:
        """Whether the model defines :meth:`contributions`."""
        return cls.contributions is not Factorizer.contributions

    @classmethod
    @abstractmethod
    def versions(cls) -> dict[str, str]:
        """Versions of the libraries whose change would change the result, for the fingerprint."""


def effective_threads(num_threads: int) -> int:
    """The number of threads meant: 0 is every core this process may run on."""
    if num_threads < 0:
        raise ValueError(f"num_threads: expected 0 or more, got {num_threads}")
    return num_threads or len(os.sched_getaffinity(0))


def factorizer_names() -> list[str]:
    """Names of the installed factorizers, sorted."""
    return sorted({point.name for point in entry_points(group=ENTRY_POINT_GROUP)})


def find_factorizer(name: str) -> type[Factorizer[FactorizerSettings]]:
    """Load the factorizer registered under a name.

    Raises
    ------
    ConfigError
        If no installed package, or more than one, registers the name, or what it registers is not a factorizer.
    """
    points = [point for point in entry_points(group=ENTRY_POINT_GROUP) if point.name == name]
    if not points:
        raise ConfigError(f"unknown model {name!r}: expected one of {', '.join(factorizer_names())}")
    if len({point.value for point in points}) > 1:
        raise ConfigError(f"model {name!r} is registered by several packages: {', '.join(p.value for p in points)}")
    factorizer = points[0].load()
    if not (isinstance(factorizer, type) and issubclass(factorizer, Factorizer)):
        raise ConfigError(f"model {name!r}: {points[0].value} is not a pipeline.factors.base.Factorizer")
    return factorizer
