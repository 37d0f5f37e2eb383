"""The words the invented artists and tracks of the sample are named with."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Below = Callable[[NDArray[np.int64]], NDArray[np.int64]]

GENRES = (
    "indie rock", "electronic", "hip hop", "folk", "metal", "jazz", "pop", "ambient", "punk", "soul",
    "techno", "country", "classical", "post-rock", "reggae", "blues", "shoegaze", "funk", "synthwave", "bossa nova",
)  # fmt: skip

_ADJECTIVES = (
    "Velvet", "Silver", "Hollow", "Golden", "Quiet", "Electric", "Paper", "Northern", "Crimson", "Distant",
    "Broken", "Midnight", "Winter", "Lunar", "Wild", "Copper", "Pale", "Burning", "Second", "Slow",
    "Glass", "Secret", "Southern", "Ivory", "Restless", "Neon", "Salt", "Lonely", "Marble", "Bright",
    "Hidden", "Blue", "Sleeping", "Tall", "Wooden", "Feral", "Gentle", "Static", "Amber", "Lost",
)  # fmt: skip

_NOUNS = (
    "Harbour", "Lanterns", "Foxes", "Orchard", "Satellites", "Cathedral", "Rivers", "Machines", "Parade", "Wolves",
    "Letters", "Garden", "Engines", "Tides", "Mirrors", "Avenue", "Sparrows", "Meridian", "Ghosts", "Carousel",
    "Canyons", "Signals", "Horizon", "Pilots", "Embers", "Theatre", "Islands", "Antlers", "Weather", "Kites",
    "Motel", "Echoes", "Shepherds", "Voyage", "Thunder", "Almanac", "Monument", "Arcade", "Meadow", "Choir",
)  # fmt: skip

_FIRST_NAMES = (
    "Ada", "Björn", "Clara", "Dario", "Elena", "Farid", "Greta", "Hugo", "Inès", "Jonas",
    "Keiko", "Liam", "Mara", "Nils", "Odette", "Pavel", "Rosa", "Søren", "Tess", "Yusuf",
)  # fmt: skip

_LAST_NAMES = (
    "Alder", "Brandt", "Castell", "Duarte", "Eklund", "Fontaine", "Grove", "Holloway", "Ito", "Jansen",
    "Kovač", "Lindqvist", "Marlowe", "Novak", "Okafor", "Prado", "Quill", "Rivera", "Sato", "Thorne",
)  # fmt: skip

_TITLE_PATTERNS = (
    "{a} {n}", "The {n}", "{n} in the Rain", "Letters to {f}", "{a} Nights", "Song for {f}", "Under {a} Skies",
    "After the {n}", "{f}'s {n}", "No More {n}", "{a} and {b}", "Where the {n} Go", "{n}, Part Two", "Goodbye, {a} {n}",
    "Dancing with {n}", "Almost {a}",
)  # fmt: skip


def artist_names(size: int, below: Below) -> list[str]:
    """Different names of bands and solo artists, in random order.

    Parameters
    ----------
    size
        How many.
    below
        Gives a random integer below each of some bounds.
    """
    bands = [f"{adjective} {noun}" for adjective in _ADJECTIVES for noun in _NOUNS]
    bands += [f"The {adjective} {noun}" for adjective in _ADJECTIVES for noun in _NOUNS if noun.endswith("s")]
    people = [f"{first} {last}" for first in _FIRST_NAMES for last in _LAST_NAMES]
    n_people = size // 4
    chosen = _some(people, n_people, below) + _some(bands, size - n_people, below)
    return _some(chosen, size, below)


def track_titles(size: int, below: Below) -> list[str]:
    """Titles of tracks; as in life, some occur more than once."""
    parts = [_TITLE_PATTERNS, _ADJECTIVES, _ADJECTIVES, _NOUNS, _FIRST_NAMES]
    picks = [below(np.full(size, len(part), np.int64)) for part in parts]
    titles = []
    for pattern, first, second, noun, person in zip(*(pick.tolist() for pick in picks), strict=True):
        titles.append(
            _TITLE_PATTERNS[pattern].format(
                a=_ADJECTIVES[first], b=_ADJECTIVES[second], n=_NOUNS[noun], f=_FIRST_NAMES[person]
            )
        )
    return titles


def _some(values: list[str], size: int, below: Below) -> list[str]:
    """Different ones of some values, in random order."""
    order = np.argsort(below(np.full(len(values), 2**31 - 1, np.int64)), kind="stable")
    return [values[place] for place in order[:size]]
