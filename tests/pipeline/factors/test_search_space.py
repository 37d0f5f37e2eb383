"""What models declare for tuning, and fits that are watched."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.errors import DataError
from pipeline.factors.base import factorizer_names, find_factorizer
from pipeline.factors.search_space import Choice, FloatRange, IntRange, Iterations
from pipeline.progress import no_progress


@pytest.mark.parametrize("name", [name for name in factorizer_names() if name != "blend"])  # its parts are tuned alone
def test_a_search_space_names_settings_and_has_their_defaults_in_it(name):
    model = find_factorizer(name)
    assert model.search_space
    for key, values in model.search_space.items():
        assert key in model.Settings.model_fields
        assert getattr(model.Settings(), key) in values


def watched(name, confidences, passes, enough):
    """The factors after each pass, and what ``fit`` gives after as many."""
    model = find_factorizer(name)
    seen = {}

    def watch(done, factors):
        seen[done] = factors()
        return done < enough

    factorizer = model(model.Settings(factors=6, iterations=passes))
    factorizer.watch_fit(confidences, seed=3, num_threads=1, progress=no_progress, watch=watch)
    return seen


@pytest.mark.parametrize("name", ["als", "bpr", "lmf"])
def test_a_watched_fit_shows_what_a_fit_of_so_many_passes_gives(name, make_plays):
    plays = make_plays()
    plays.resize(plays.shape[0] + 2, plays.shape[1] + 3)  # users and items without an interaction
    seen = watched(name, plays, passes=7, enough=5)
    assert list(seen) == [1, 2, 3, 4, 5]
    model = find_factorizer(name)
    for passes in (1, 4, 5):
        settings = model.Settings(factors=6, iterations=passes)
        alone = model(settings).fit(plays, seed=3, num_threads=1, progress=no_progress)
        np.testing.assert_array_equal(seen[passes].user_factors, alone.user_factors)
        np.testing.assert_array_equal(seen[passes].item_factors, alone.item_factors)


def test_a_watched_fit_that_diverges_is_an_error(confidences):
    model = find_factorizer("bpr")
    factorizer = model(model.Settings(factors=4, iterations=3, learning_rate=1e30))
    with pytest.raises(DataError, match="the fit diverged"):
        factorizer.watch_fit(
            confidences, seed=0, num_threads=1, progress=no_progress, watch=lambda _, factors: bool(factors())
        )


@pytest.mark.parametrize(
    ("values", "among", "not_among"),
    [
        (FloatRange(0.5, 2.0), [0.5, 1, 2.0], [0.4, "1", None, True]),
        (IntRange(2, 5), [2, 5], [1, 2.5, True, "2"]),
        (Choice(("a", 1)), ["a", 1], ["b", 2, None]),
        (Iterations(20, 60, step=20), [20, 40, 60], [30, 0, 80, "20"]),
    ],
)
def test_what_is_in_a_range(values, among, not_among):
    assert all(value in values for value in among)
    assert not any(value in values for value in not_among)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FloatRange(2.0, 1.0), "expected low <= high, got 2.0 and 1.0"),
        (lambda: FloatRange(0.0, 1.0, log=True), "low: expected a number above 0"),
        (lambda: IntRange(0, 3, log=True), "low: expected a number above 0"),
        (lambda: Iterations(0, 3), "low: expected a number above 0"),
        (lambda: Iterations(1, 3, step=0), "step: expected 1 or more, got 0"),
        (lambda: Choice(()), "expected at least one"),
    ],
)
def test_a_range_that_is_none_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
