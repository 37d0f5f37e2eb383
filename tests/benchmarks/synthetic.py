"""A synthetic catalogue of any size: Zipf popularity; users with a few of several thousand tastes under some genres.

What makes real interactions compressible is kept: a user's items come from few tastes, tastes of one genre share users,
and a few items are known to everybody. Everything is drawn by inverse cumulative sums, block by block of users, so that
a million users take seconds and little memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK_USERS = 100_000
#: How likely each of a user's tastes is the source of an interaction; the first is the favourite.
_TASTE_SHARES = np.array([0.4, 0.25, 0.2, 0.15])
#: Of the interactions, from one of the user's tastes, and from that or anywhere in the favourite's genre.
_FROM_TASTE, _FROM_TASTE_OR_GENRE = 0.85, 0.92
#: How often a user's further tastes lie in the genre of the favourite.
_SAME_GENRE = 0.35
#: Popularity falls as (rank + offset) ** -exponent, from taste to taste, and from item to item of a taste.
_TASTE_OFFSET, _TASTE_EXPONENT = 30.0, 1.0
_ITEM_OFFSET, _ITEM_EXPONENT = 5.0, 1.4
_ACTIVITY_DEVIATION = 0.9


@dataclass(frozen=True)
class SyntheticSettings:
    """Size of a synthetic catalogue; ``mean_draws`` interactions a user are drawn, and repeated ones count once."""

    n_users: int
    n_items: int
    mean_draws: float
    n_genres: int = 60
    n_tastes: int = 3_000
    seed: int = 0


@dataclass(frozen=True)
class _Catalogue:
    """Items in the order of their tastes, tastes in the order of their genres, so that each is an interval.

    Attributes
    ----------
    popularity
        Cumulative popularity of the items, from 0 to 1, shape ``(n_items + 1,)``.
    taste_starts
        First item of each taste, and the end, shape ``(n_tastes + 1,)``.
    genre_of_taste
        Shape ``(n_tastes,)``, ascending.
    genre_starts
        First taste of each genre, and the end, shape ``(n_genres + 1,)``.
    item_ids
        A shuffle of the row numbers: the order above must not show in the rows.
    """

    popularity: NDArray[np.float64]
    taste_starts: NDArray[np.int64]
    genre_of_taste: NDArray[np.int64]
    genre_starts: NDArray[np.int64]
    item_ids: NDArray[np.int32]


def interactions(settings: SyntheticSettings) -> csr_matrix:
    """Binary interactions, shape ``(n_users, n_items)``, float32, sorted indices; items without any are possible."""
    random = np.random.default_rng(settings.seed)
    catalogue = _make_catalogue(settings, random)
    indices, degrees = [], []
    for start in range(0, settings.n_users, _BLOCK_USERS):
        n_users = min(_BLOCK_USERS, settings.n_users - start)
        users, items = _draw_block(catalogue, n_users, settings.mean_draws, random)
        pairs = np.unique(users * settings.n_items + items)
        degrees.append(np.bincount(pairs // settings.n_items, minlength=n_users))
        indices.append((pairs % settings.n_items).astype(np.int32))
    columns = np.concatenate(indices)
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(degrees))]).astype(np.int32)
    values = np.ones(len(columns), dtype=np.float32)
    return csr_matrix((values, columns, indptr), shape=(settings.n_users, settings.n_items))


def _make_catalogue(settings: SyntheticSettings, random: np.random.Generator) -> _Catalogue:
    genre_of_taste = np.sort(_draw_zipf(settings.n_genres, settings.n_tastes, random))
    taste_of_item = np.sort(random.integers(settings.n_tastes, size=settings.n_items))
    taste_starts = np.searchsorted(taste_of_item, np.arange(settings.n_tastes + 1))
    rank_in_taste = np.arange(settings.n_items) - taste_starts[taste_of_item]
    taste_popularity = random.permutation(_zipf(settings.n_tastes, _TASTE_OFFSET, _TASTE_EXPONENT))
    rank_weights = _zipf(settings.n_items, _ITEM_OFFSET, _ITEM_EXPONENT)
    popularity = taste_popularity[taste_of_item] * rank_weights[rank_in_taste]
    cumulative = np.concatenate([[0.0], np.cumsum(popularity)])
    return _Catalogue(
        popularity=cumulative / cumulative[-1],
        taste_starts=taste_starts,
        genre_of_taste=genre_of_taste,
        genre_starts=np.searchsorted(genre_of_taste, np.arange(settings.n_genres + 1)),
        item_ids=random.permutation(settings.n_items).astype(np.int32),
    )


def _zipf(n_ranks: int, offset: float, exponent: float) -> NDArray[np.float64]:
    weights: NDArray[np.float64] = (np.arange(n_ranks, dtype=np.float64) + offset) ** -exponent
    return weights


def _draw_zipf(n_values: int, size: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Values below ``n_values``, the smaller the more often."""
    cumulative = np.concatenate([[0.0], np.cumsum(_zipf(n_values, offset=10.0, exponent=1.0))])
    return _interval_of(cumulative, random.random(size) * cumulative[-1])


def _draw_block(
    catalogue: _Catalogue, n_users: int, mean_draws: float, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Users, from 0, and items of some interactions, repeated ones included; every user has at least one."""
    tastes = _draw_tastes(catalogue, n_users, random)
    scale = mean_draws * np.exp(-(_ACTIVITY_DEVIATION**2) / 2)
    activity = scale * random.lognormal(0.0, _ACTIVITY_DEVIATION, n_users)
    users = np.repeat(np.arange(n_users), np.maximum(activity.round().astype(np.int64), 1))

    slot = np.searchsorted(np.cumsum(_TASTE_SHARES)[:-1], random.random(len(users)), side="right")
    taste = tastes[users, slot]
    genre = catalogue.genre_of_taste[tastes[users, 0]]
    origin = random.random(len(users))
    from_taste, from_genre = origin < _FROM_TASTE, origin < _FROM_TASTE_OR_GENRE
    everywhere = 0, len(catalogue.genre_of_taste)
    wide = [np.where(from_genre, catalogue.genre_starts[genre + end], everywhere[end]) for end in (0, 1)]
    items = _draw_items(
        catalogue, np.where(from_taste, taste, wide[0]), np.where(from_taste, taste + 1, wide[1]), random
    )
    return users, catalogue.item_ids[items].astype(np.int64)


def _draw_tastes(catalogue: _Catalogue, n_users: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Tastes of each user by their popularity, shape ``(n_users, 4)``: most of them in the genre of the first."""
    ends = catalogue.popularity[catalogue.taste_starts]
    shape = (n_users, len(_TASTE_SHARES))
    tastes = _interval_of(ends, random.random(shape))
    genre = catalogue.genre_of_taste[tastes[:, 0]]
    low, high = ends[catalogue.genre_starts[genre]], ends[catalogue.genre_starts[genre + 1]]
    near = _interval_of(ends, low[:, np.newaxis] + random.random(shape) * (high - low)[:, np.newaxis])
    stays = random.random(shape) < _SAME_GENRE
    stays[:, 0] = False
    return np.where(stays, near, tastes)


def _draw_items(
    catalogue: _Catalogue, first_taste: NDArray[np.int64], end_taste: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.int64]:
    """An item of the tastes from ``first_taste`` to before ``end_taste``, by popularity, for each of them."""
    ends = catalogue.popularity[catalogue.taste_starts]
    low, high = ends[first_taste], ends[end_taste]
    return _interval_of(catalogue.popularity, low + random.random(len(low)) * (high - low))


def _interval_of(edges: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The interval between two edges that each value, from the first edge to below the last, lies in."""
    return np.minimum(np.searchsorted(edges, values, side="right"), len(edges) - 1).astype(np.int64) - 1
