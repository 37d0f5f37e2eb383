"""The built-in sample of listening data: invented listeners of invented artists, the same on every machine.

Three tables, addressed like files:

- ``sample://listening``: ``user_id``, ``track_id``, ``plays``, ``timestamp``; sittings of one listener with one track
- ``sample://tracks``: ``track_id``, ``title``, ``artist_id``
- ``sample://artists``: ``artist_id``, ``name``, ``genre``

Behind them: every artist plays in a genre and every listener has a taste for a few of those and some favourite artists,
met one after another over the 90 days, so that what comes next can be guessed from what others like, and not only from
what is popular. Everything is drawn by exact integer arithmetic from the raw stream of PCG64, which NumPy keeps for
ever; neither the methods of its Generator nor the mathematics library of a platform has a say.
"""

from __future__ import annotations

import datetime
import functools
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.data import sample_words as words
from pipeline.errors import ConfigError

SCHEME = "sample://"
#: Raised whenever the tables change, so that what was made of them is made anew.
VERSION = 1
#: The last day with events.
LAST_DAY = datetime.date(2026, 1, 31)
N_DAYS = 90
N_USERS = 2_000
N_ARTISTS = 600
N_TRACKS = 5_000
N_EVENTS = 200_000

_SEED = 20_260_131
_N_GENRES = len(words.GENRES)
_N_FAVOURITES = 12
_GENRES_PER_USER = 3

#: Of 100 sittings: with a favourite artist, with another of the listener's genres, and the rest with any artist.
_WITH_FAVOURITE, _WITHIN_TASTE = 55, 33
#: Of 100 listeners, how many come in each hour of the day.
_HOURS = (2, 1, 1, 1, 1, 1, 2, 4, 5, 4, 4, 4, 5, 4, 4, 4, 5, 6, 7, 8, 8, 8, 7, 4)

Integers = NDArray[np.int64]


def require(path: str) -> None:
    """Raise ConfigError unless a path names a table of the sample."""
    if path not in _TABLES:
        raise ConfigError(f"unknown sample {path!r}: expected one of {', '.join(_TABLES)}")


def table(path: str) -> pa.Table:
    """A table of the sample, by its path."""
    require(path)
    return _tables()[path]


class _Stream:
    """Random integers below given bounds, from the raw stream of PCG64."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def below(self, bounds: Integers) -> Integers:
        """One integer from 0 up to, without, each bound; bounds are below 2**31."""
        high = self._bits.random_raw(bounds.size).reshape(bounds.shape) >> np.uint64(32)
        return ((high * bounds.astype(np.uint64)) >> np.uint64(32)).astype(np.int64)

    def draw(self, weights: Integers, size: int) -> Integers:
        """Places in a list of weights, each drawn in proportion to its weight."""
        ends = np.cumsum(weights)
        return np.searchsorted(ends, self.below(np.full(size, ends[-1])), side="right").astype(np.int64)

    def draw_in_groups(self, ends: Integers, starts: Integers, stops: Integers) -> Integers:
        """Places in one list of weights cut into groups, each drawn from the group ``starts`` to ``stops``.

        ``ends`` are the running sums of the whole list; groups are of one place or more.
        """
        base = np.where(starts > 0, ends[starts - 1], 0)
        return np.searchsorted(ends, base + self.below(ends[stops - 1] - base), side="right").astype(np.int64)


@dataclass(frozen=True)
class _Catalogue:
    """Artists, sorted by genre, and tracks, sorted by artist; weights say how popular each is."""

    artist_genres: Integers
    artist_weights: Integers
    track_artists: Integers
    track_weights: Integers


@functools.lru_cache(maxsize=1)
def _tables() -> dict[str, pa.Table]:
    stream = _Stream(_SEED)
    catalogue = _make_catalogue(stream)
    artist_names = words.artist_names(N_ARTISTS, stream.below)
    track_titles = words.track_titles(N_TRACKS, stream.below)
    # Ids in an order that tells nothing of genre or popularity.
    artist_ids = _shuffled(stream, N_ARTISTS) + 1
    track_ids = _shuffled(stream, N_TRACKS) + 1
    artists = pa.table(
        {
            "artist_id": artist_ids,
            "name": artist_names,
            "genre": [words.GENRES[genre] for genre in catalogue.artist_genres],
        }
    )
    tracks = pa.table({"track_id": track_ids, "title": track_titles, "artist_id": artist_ids[catalogue.track_artists]})
    return {
        "sample://listening": _make_listening(stream, catalogue, track_ids),
        "sample://tracks": tracks.sort_by("track_id"),
        "sample://artists": artists.sort_by("artist_id"),
    }


_TABLES = ("sample://listening", "sample://tracks", "sample://artists")


def _make_catalogue(stream: _Stream) -> _Catalogue:
    genre_weights = 1_000 // (np.arange(_N_GENRES) + 5)
    artist_genres = np.sort(np.concatenate([np.arange(_N_GENRES), stream.draw(genre_weights, N_ARTISTS - _N_GENRES)]))
    ranks = _shuffled(stream, N_ARTISTS)
    artist_weights = 1_000_000 // (ranks + 4)
    # Popular artists have more tracks, and everyone has one.
    extra = stream.draw(1_000_000 // (ranks + 60), N_TRACKS - N_ARTISTS)
    track_artists = np.sort(np.concatenate([np.arange(N_ARTISTS), extra]))
    first = np.searchsorted(track_artists, track_artists)
    track_weights = 10_000 // (np.arange(N_TRACKS) - first + 1)
    return _Catalogue(artist_genres, artist_weights, track_artists, track_weights)


def _make_listening(stream: _Stream, catalogue: _Catalogue, track_ids: Integers) -> pa.Table:
    users = np.sort(np.concatenate([np.arange(N_USERS), _draw_users(stream, N_EVENTS - N_USERS)]))
    days = stream.below(np.full(N_EVENTS, N_DAYS))
    artists = _draw_artists(stream, catalogue, users, days)
    tracks = _draw_tracks(stream, catalogue, artists)
    hours = stream.draw(np.array(_HOURS), N_EVENTS)
    seconds = (days * 24 + hours) * 3_600 + stream.below(np.full(N_EVENTS, 3_600))
    plays = 1 + stream.draw(np.array([70, 18, 7, 3, 2]), N_EVENTS)
    first_day = LAST_DAY - datetime.timedelta(days=N_DAYS - 1)
    epoch = (first_day - datetime.date(1970, 1, 1)).days * 86_400
    order = np.argsort(seconds, kind="stable")
    return pa.table(
        {
            "user_id": users[order] + 1,
            "track_id": track_ids[tracks[order]],
            "plays": plays[order],
            "timestamp": pa.array((seconds[order] + epoch) * 1_000_000).cast(pa.timestamp("us", "UTC")),
        }
    )


def _draw_users(stream: _Stream, size: int) -> Integers:
    """Some listen a lot more than others."""
    return stream.draw(1_000_000 // (_shuffled(stream, N_USERS) + 200), size)


def _draw_artists(stream: _Stream, catalogue: _Catalogue, users: Integers, days: Integers) -> Integers:
    """The artist of each sitting: a favourite already met, one of a genre the listener likes, or any."""
    size = len(users)
    genre_counts = np.bincount(catalogue.artist_genres, minlength=_N_GENRES)
    stops = np.cumsum(genre_counts)
    starts = stops - genre_counts
    ends = np.cumsum(catalogue.artist_weights)

    tastes = stream.draw(genre_counts, N_USERS * _GENRES_PER_USER).reshape(N_USERS, _GENRES_PER_USER)
    taste_of = np.minimum.reduce([stream.below(np.full((N_USERS, _N_FAVOURITES), _GENRES_PER_USER)) for _ in range(2)])
    favourite_genres = np.take_along_axis(tastes, taste_of, axis=1)
    favourites = stream.draw_in_groups(ends, starts[favourite_genres], stops[favourite_genres])

    # A listener starts with four favourites and meets the others as the days go by.
    met = 4 + (days * (_N_FAVOURITES - 4)) // N_DAYS
    by_favourite = favourites[users, stream.below(met)]
    first, second = (stream.below(np.full(size, _GENRES_PER_USER)) for _ in range(2))
    genre = tastes[users, np.minimum(first, second)]
    by_taste = stream.draw_in_groups(ends, starts[genre], stops[genre])
    by_chance = stream.draw(catalogue.artist_weights, size)
    choice = stream.below(np.full(size, 100))
    return np.where(
        choice < _WITH_FAVOURITE, by_favourite, np.where(choice < _WITH_FAVOURITE + _WITHIN_TASTE, by_taste, by_chance)
    )


def _draw_tracks(stream: _Stream, catalogue: _Catalogue, artists: Integers) -> Integers:
    """A track of each artist, the first ones most often."""
    starts = np.searchsorted(catalogue.track_artists, artists, side="left")
    stops = np.searchsorted(catalogue.track_artists, artists, side="right")
    return stream.draw_in_groups(np.cumsum(catalogue.track_weights), starts, stops)


def _shuffled(stream: _Stream, size: int) -> Integers:
    """The integers below ``size`` in random order."""
    keys = stream.below(np.full(size, 2**31 - 1))
    return np.argsort(keys, kind="stable").astype(np.int64)
