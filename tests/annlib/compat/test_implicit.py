"""FastModel beside the model that it wraps: implicit's own exact search is the reference."""

from __future__ import annotations

import copy
import io
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from implicit.cpu.lmf import LogisticMatrixFactorization
from implicit.nearest_neighbours import CosineRecommender
from scipy.sparse import csr_matrix, random_array
from threadpoolctl import threadpool_limits

from annlib.compat.implicit import FastModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

N_USERS, N_ITEMS = 230, 150
TOLERANCE = 2e-6

MODELS = {
    "als": lambda: AlternatingLeastSquares(factors=12, iterations=3, random_state=1, num_threads=1),
    "als-float64": lambda: AlternatingLeastSquares(
        factors=7, iterations=3, random_state=2, num_threads=1, dtype=np.float64
    ),
    "bpr": lambda: BayesianPersonalizedRanking(factors=9, iterations=20, random_state=3, num_threads=1),
    "lmf": lambda: LogisticMatrixFactorization(factors=5, iterations=10, random_state=4, num_threads=1),
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """implicit warns of more in BLAS, and those of OpenMP spin where the machine is shared."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def user_items() -> csr_matrix:
    """Weighted likes; user 5 likes nothing, item 7 is liked by nobody: BPR and LMF give them zero vectors."""
    likes = random_array((N_USERS, N_ITEMS), density=0.12, rng=np.random.default_rng(0), format="lil")
    likes[5, :] = 0
    likes[:, 7] = 0
    matrix = csr_matrix(likes, dtype=np.float32)
    matrix.eliminate_zeros()
    return matrix


@pytest.fixture(scope="module", params=MODELS)
def plain(request: pytest.FixtureRequest, user_items: csr_matrix) -> Any:
    model = MODELS[request.param]()
    model.fit(user_items, show_progress=False)
    return model


@pytest.fixture(scope="module")
def als(user_items: csr_matrix) -> AlternatingLeastSquares:
    model = MODELS["als"]()
    model.fit(user_items, show_progress=False)
    return model


@pytest.fixture
def fast(plain: Any) -> FastModel:
    return FastModel(plain)


def assert_same(found: tuple[Any, Any], expected: tuple[Any, Any]) -> None:
    """Compare shapes, dtypes, scores, and ids but where scores tie."""
    (ids, scores), (expected_ids, expected_scores) = found, expected
    assert (ids.shape, ids.dtype, scores.dtype) == (expected_ids.shape, expected_ids.dtype, expected_scores.dtype)
    np.testing.assert_allclose(scores, expected_scores, rtol=TOLERANCE, atol=TOLERANCE)
    lists = zip(*map(np.atleast_2d, (ids, expected_ids, expected_scores)), strict=True)
    for row, expected_row, score in lists:
        for place in np.flatnonzero(row != expected_row):
            ties = np.isclose(score, score[place], rtol=TOLERANCE, atol=TOLERANCE)
            assert ties.sum() > 1 or place == len(score) - 1, (row, expected_row, score)


def assert_alike(call: Callable[[Any], Any], fast: FastModel) -> None:
    with np.errstate(over="ignore"):  # of implicit, where the lowest score is divided by a small norm
        expected = call(fast.model)
    assert_same(call(fast), expected)


USERS = {"one": 0, "without likes": 5, "last": -1, "NumPy's": np.int32(3), "few": [4, 2, 2], "many": np.arange(120)}
MEMBERS = USERS | {"without dimensions": np.array(4), "all": np.arange(N_ITEMS), "none": []}
FILTERED = {
    "one": [3],
    "negative": [3, -1],
    "tuple": (1, 2),
    "none": [],
    "many": np.arange(140),
    "slice": slice(20),
    "number": 8,
    "mask": np.arange(N_ITEMS) > 4,
}
GIVEN = {"one": [9], "few": [9, 3, 70, 41], "int16": np.arange(100, 0, -1, dtype=np.int16)}


@pytest.mark.parametrize("length", [1, 10, N_ITEMS, N_ITEMS + 30])
@pytest.mark.parametrize("users", USERS.values(), ids=list(USERS))
def test_recommend(fast, user_items, users, length):
    liked = user_items[np.atleast_1d(np.arange(N_USERS)[users])]
    assert_alike(lambda model: model.recommend(users, liked, N=length), fast)
    assert_alike(lambda model: model.recommend(users, None, N=length, filter_already_liked_items=False), fast)


@pytest.mark.parametrize("filtered", FILTERED.values(), ids=list(FILTERED))
def test_filtered_items_are_indexed_as_in_numpy(fast, user_items, filtered):
    users = np.arange(40)
    assert_alike(lambda model: model.recommend(users, user_items[users], filter_items=filtered), fast)
    assert_alike(lambda model: model.similar_items(users, filter_items=filtered), fast)
    assert_alike(lambda model: model.similar_users(users, filter_users=np.arange(5, 228)), fast)


@pytest.mark.parametrize("items", GIVEN.values(), ids=list(GIVEN))
@pytest.mark.parametrize("length", [2, 20, 200])
def test_given_items(fast, user_items, items, length):
    users = np.arange(40)
    assert_alike(lambda model: model.recommend(users, user_items[users], length, items=items), fast)
    assert_alike(lambda model: model.recommend(3, user_items[3], length, items=items, filter_items=[]), fast)
    assert_alike(lambda model: model.similar_items(users, length, items=items), fast)
    assert_alike(lambda model: model.similar_users(users, length, users=items), fast)


@pytest.mark.parametrize("length", [2, 6, 20])
def test_items_given_twice_come_twice(fast, length):
    items = [9, 3, 9, 70, 3, 9]
    assert_alike(
        lambda model: model.recommend([0, 1], None, length, items=items, filter_already_liked_items=False), fast
    )
    assert_alike(lambda model: model.similar_items([0, 70], length, items=items), fast)
    assert_alike(lambda model: model.similar_users(2, length, users=items), fast)


@pytest.mark.parametrize("length", [1, 10, N_ITEMS + 30])
@pytest.mark.parametrize("ids", MEMBERS.values(), ids=list(MEMBERS))
def test_similar(fast, ids, length):
    assert_alike(lambda model: model.similar_items(ids, length), fast)
    assert_alike(lambda model: model.similar_users(ids, length), fast)


def test_masks_of_members(fast, user_items):
    users = np.arange(N_USERS) % 7 == 0
    assert_alike(lambda model: model.recommend(users, None, filter_already_liked_items=False), fast)
    assert_alike(lambda model: model.similar_users(users), fast)
    assert_alike(lambda model: model.similar_items(np.arange(N_ITEMS) > 140), fast)


def test_each_comes_first_in_its_own_list_also_among_equals(user_items):
    model = MODELS["als"]()
    model.fit(user_items, show_progress=False)
    model.item_factors = np.tile(model.item_factors[:1], (N_ITEMS, 1))
    ids, scores = FastModel(model).similar_items(np.arange(N_ITEMS), 3)
    assert ids[:, 0].tolist() == list(range(N_ITEMS))
    np.testing.assert_allclose(scores, 1, rtol=TOLERANCE)
    ids, _ = FastModel(model).similar_items(8, 3, filter_items=[8])
    assert 8 not in ids


def test_lists_go_on_as_those_of_implicit(fast, user_items):
    """With what was filtered out: the order of these is compared too, though they tie."""
    liked = user_items[:60].copy()
    for length in (5, N_ITEMS - 10, N_ITEMS, N_ITEMS + 3):
        found = fast.recommend(np.arange(60), liked, length, filter_items=np.arange(3, 148))
        expected = fast.model.recommend(np.arange(60), liked, length, filter_items=np.arange(3, 148))
        filtered = expected[1] == -np.finfo(expected[1].dtype).max
        assert filtered.any()
        np.testing.assert_array_equal(found[0][filtered], expected[0][filtered])
        np.testing.assert_array_equal(found[1][filtered], expected[1][filtered])


def test_results_do_not_depend_on_the_batch(fast, user_items):
    ids, scores = fast.recommend(np.arange(N_USERS), user_items)
    similar, cosines = fast.similar_items(np.arange(N_ITEMS))
    for one in range(0, N_ITEMS, 9):
        alone = fast.recommend(one, user_items[one])
        np.testing.assert_array_equal(alone[0], ids[one])
        np.testing.assert_array_equal(alone[1], scores[one])
        alone = fast.similar_items(one)
        np.testing.assert_array_equal(alone[0], similar[one])
        np.testing.assert_array_equal(alone[1], cosines[one])


def test_what_is_stored_counts_as_liked(als, user_items):
    """Zeros too, unless items are given; duplicates, any order; a matrix of fewer or more columns."""
    fast = FastModel(als)
    zeros = user_items[:3].copy()
    zeros.data[:] = 0
    unsorted = csr_matrix(
        (np.ones(4, dtype=np.float32), np.array([9, 2, 9, 4]), np.array([0, 2, 4])), shape=(2, N_ITEMS)
    )
    narrow, wide = user_items[:3, :20], csr_matrix((3, 400), dtype=np.float32)
    for liked in (zeros, unsorted, narrow, wide):
        users = np.arange(liked.shape[0])
        assert_same(fast.recommend(users, liked), als.recommend(users, liked))
    assert_same(
        fast.recommend(np.arange(3), zeros, items=np.arange(30)),
        als.recommend(np.arange(3), zeros, items=np.arange(30)),
    )
    wide = csr_matrix(([1.0], ([0], [399])), shape=(3, 400))
    with pytest.raises(IndexError, match="expected items from 0 to 149, got 399"):
        fast.recommend(np.arange(3), wide)


def test_recalculated_factors(fast, user_items):
    users, item_users = np.arange(60), user_items.T.tocsr()
    try:
        fast.model.recalculate_user(users, user_items[users])
    except NotImplementedError:
        with pytest.raises(NotImplementedError):
            fast.recommend(users, user_items[users], recalculate_user=True)
        with pytest.raises(NotImplementedError):
            fast.similar_items(users, recalculate_item=True, item_users=item_users[users])
        return
    shifted = user_items[users + 1]
    assert_alike(lambda model: model.recommend(users, shifted, recalculate_user=True), fast)
    assert_alike(
        lambda model: model.recommend(1, user_items[9], recalculate_user=True, filter_already_liked_items=False), fast
    )
    assert_alike(
        lambda model: model.similar_items(users, recalculate_item=True, item_users=item_users[users + 1]), fast
    )
    assert_alike(lambda model: model.similar_items(3, recalculate_item=True, item_users=item_users[9]), fast)
    assert_alike(
        lambda model: model.similar_items(3, 200, True, item_users[9], filter_items=np.arange(4, N_ITEMS)), fast
    )


BAD_CALLS = {
    "user": lambda model, likes: model.recommend(N_USERS, likes[0]),
    "float user": lambda model, likes: model.recommend(1.0, likes[0]),
    "user without dimensions": lambda model, likes: model.recommend(np.array(1), likes[0]),
    "users": lambda model, likes: model.recommend([0, N_USERS], likes[:2]),
    "csc": lambda model, likes: model.recommend(0, likes[0].tocsc()),
    "coo": lambda model, likes: model.recommend(0, likes[0].tocoo()),
    "none": lambda model, likes: model.recommend(0, None),
    "rows": lambda model, likes: model.recommend(0, likes),
    "negative length": lambda model, likes: model.recommend(0, likes[0], N=-1),
    "no length": lambda model, likes: model.recommend(0, likes[0], N=0),
    "text as length": lambda model, likes: model.recommend(0, likes[0], N="3"),
    "filter": lambda model, likes: model.recommend(0, likes[0], filter_items=[N_ITEMS]),
    "filter of no integers": lambda model, likes: model.recommend(0, likes[0], filter_items=np.array([])),
    "both": lambda model, likes: model.recommend(0, likes[0], items=[1, 2], filter_items=[1]),
    "items": lambda model, likes: model.recommend(0, likes[0], items=[1, N_ITEMS]),
    "negative items": lambda model, likes: model.recommend(0, likes[0], items=[1, -1]),
    "no items": lambda model, likes: model.recommend(0, likes[0], items=[]),
    "no integer items": lambda model, likes: model.recommend(0, likes[0], items=np.array([], dtype=int)),
    "float items": lambda model, likes: model.recommend(0, likes[0], items=[1.0]),
    "items in two dimensions": lambda model, likes: model.recommend(0, likes[0], items=[[1, 2], [3, 4]]),
    "item": lambda model, likes: model.similar_items(N_ITEMS),
    "item list": lambda model, likes: model.similar_items(0, items=[0, N_ITEMS]),
    "negative item list": lambda model, likes: model.similar_items(0, items=[0, -1]),
    "item and filter": lambda model, likes: model.similar_items(0, items=[0, 1], filter_items=[1]),
    "similar user": lambda model, likes: model.similar_users(N_USERS),
    "user list": lambda model, likes: model.similar_users(0, users=[0, -1]),
    "user filter": lambda model, likes: model.similar_users(0, filter_users=[N_USERS]),
    "users and filter": lambda model, likes: model.similar_users(0, users=[0, 1], filter_users=[1]),
}


@pytest.mark.parametrize("call", BAD_CALLS.values(), ids=list(BAD_CALLS))
def test_bad_arguments_raise_what_implicit_raises(als, user_items, call):
    with pytest.raises(Exception) as expected:  # noqa: PT011 (whatever it is)
        call(als, user_items)
    with pytest.raises(expected.type):
        call(FastModel(als), user_items)


def test_a_model_that_is_not_fitted_says_so(user_items):
    fast = FastModel(MODELS["als"]())
    for call in (
        lambda: fast.recommend(0, user_items[0]),
        lambda: fast.similar_items(0),
        lambda: fast.similar_users(0),
    ):
        with pytest.raises(TypeError, match="call fit"):
            call()
    fast.fit(user_items, show_progress=False)
    assert_alike(lambda model: model.recommend(0, user_items[0]), fast)


@pytest.mark.parametrize("name", MODELS)
def test_indexes_follow_the_factors(user_items, name):
    fast = FastModel(MODELS[name]())

    def check() -> None:
        assert_alike(lambda model: model.recommend(np.arange(40), user_items[:40]), fast)
        assert_alike(lambda model: model.similar_items(np.arange(40)), fast)
        assert_alike(lambda model: model.similar_users(np.arange(40)), fast)

    fast.fit(user_items, show_progress=False)
    check()
    half = user_items.multiply(user_items > 0.5).tocsr()
    fast.model._item_norms = fast.model._user_norms = None  # which LMF's own fit leaves as they are
    fast.fit(half, show_progress=False)
    check()
    fast.item_factors = fast.item_factors[::-1].copy()
    fast.user_factors = fast.user_factors[::-1].copy()
    fast.model._item_norms = fast.model._user_norms = None  # which implicit leaves as they are
    check()
    fast.model.item_factors[:] = fast.item_factors[::-1].copy()
    fast.model._item_norms = None
    fast.drop_indexes()
    check()


@pytest.mark.parametrize("through_model", [False, True])
def test_indexes_follow_partial_fits(user_items, through_model):
    fast = FastModel(MODELS["als"]())
    fast.fit(user_items, show_progress=False)
    item_users = user_items.T.tocsr()
    target = fast.model if through_model else fast
    for step in (
        lambda: target.partial_fit_users([3, 4], user_items[[40, 41]]),
        lambda: target.partial_fit_items([3, 4], item_users[[40, 41]]),
        lambda: target.partial_fit_users([N_USERS + 5], user_items[[8]]),
        lambda: target.partial_fit_items([N_ITEMS + 5], item_users[[8]]),
    ):
        assert_alike(lambda model: model.similar_items([3, 8]), fast)
        assert_alike(lambda model: model.similar_users([3, 8]), fast)
        step()
        assert_alike(lambda model: model.similar_items([3, 8]), fast)
        assert_alike(lambda model: model.similar_users([3, 8]), fast)
        assert_alike(lambda model: model.recommend([3, 8], user_items[[3, 8]]), fast)
    assert not hasattr(FastModel(MODELS["bpr"]()), "partial_fit_users")


def test_an_index_is_built_once(als, user_items):
    fast = FastModel(als)
    fast.recommend(0, user_items[0])
    index = fast._index("item", "factors")
    fast.recommend(np.arange(9), user_items[:9])
    assert fast._index("item", "factors") is index


def test_attributes_are_those_of_the_model(als):
    fast = FastModel(copy.deepcopy(als))
    assert fast.factors == als.factors
    np.testing.assert_array_equal(fast.item_factors, als.item_factors)
    fast.num_threads = 2
    assert fast.model.num_threads == 2
    assert "num_threads" not in vars(fast)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        fast.nothing  # noqa: B018
    assert "AlternatingLeastSquares" in repr(fast)


def test_deprecated_methods(als, user_items):
    fast = FastModel(als)
    with pytest.warns(DeprecationWarning, match="rank_items"):
        assert_alike(lambda model: model.rank_items(0, user_items[0], [4, 9, 30]), fast)
    with pytest.warns(DeprecationWarning, match="recommend_all"):
        ids = fast.recommend_all(user_items, N=4)
    expected, scores = als.recommend(np.arange(N_USERS), user_items, N=4)
    ties = scores[:, 0] == 0  # user 5, who likes nothing
    np.testing.assert_array_equal(ids[~ties], expected[~ties])


def test_copies(als, user_items):
    fast = FastModel(als)
    expected = fast.recommend(np.arange(9), user_items[:9])
    for twin in (pickle.loads(pickle.dumps(fast)), copy.deepcopy(fast), copy.copy(fast)):  # noqa: S301
        assert isinstance(twin, FastModel)
        assert_same(twin.recommend(np.arange(9), user_items[:9]), expected)


def test_saved_and_loaded(fast, user_items, tmp_path):
    path = tmp_path / "model"
    fast.save(str(path))
    buffer = io.BytesIO()
    buffer.write(b"before")
    fast.save(buffer)
    buffer.seek(6)
    loaded_by_itself = type(fast.model).load(str(path))
    for loaded in (FastModel.load(str(path)), FastModel.load(path.with_suffix(".npz")), FastModel(loaded_by_itself)):
        assert type(loaded.model) is type(fast.model)
        assert_same(loaded.recommend([0, 1], user_items[:2]), fast.recommend([0, 1], user_items[:2]))
    unprefixed = io.BytesIO()
    fast.save(unprefixed)
    unprefixed.seek(0)
    assert type(FastModel.load(unprefixed).model) is type(fast.model)


def test_a_file_of_something_else_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", vectors=np.ones(3))
    with pytest.raises(ValueError, match=r"other\.npz: expected a saved Alternating.* got an archive of vectors"):
        FastModel.load(tmp_path / "other.npz")


@pytest.mark.parametrize("other", [CosineRecommender(), None, AlternatingLeastSquares], ids=["other", "none", "class"])
def test_other_models_are_refused(other):
    with pytest.raises(TypeError, match="expected a matrix-factorization model of implicit on the CPU"):
        FastModel(other)


def test_subclasses_are_welcome(user_items):
    class Own(AlternatingLeastSquares):  # type: ignore[misc]
        def recalculate_user(self, userid: Any, user_items: csr_matrix) -> Any:
            return super().recalculate_user(userid, user_items) + 1

    fast = FastModel(Own(factors=4, iterations=2, random_state=0))
    fast.fit(user_items, show_progress=False)
    assert_alike(lambda model: model.recommend(np.arange(9), user_items[:9], recalculate_user=True), fast)
