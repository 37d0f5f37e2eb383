"""The estimators beside scikit-learn's own, by brute force."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn import neighbors
from sklearn.base import clone
from sklearn.cluster import DBSCAN, SpectralClustering
from sklearn.datasets import make_blobs
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.manifold import TSNE
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import GridSearchCV, LeaveOneOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from annlib.compat.sklearn import KNeighborsClassifier, KNeighborsRegressor, KNeighborsTransformer

if TYPE_CHECKING:
    from collections.abc import Iterator

Samples = NDArray[np.float64]

METRICS: dict[str, dict[str, Any]] = {
    "minkowski": {},
    "minkowski, 1": {"p": 1},
    "l2": {"metric": "l2"},
    "sqeuclidean": {"metric": "sqeuclidean"},
    "cityblock": {"metric": "cityblock"},
    "cosine": {"metric": "cosine"},
    "hamming": {"metric": "hamming"},
}
WEIGHTS = {"uniform": "uniform", "none": None, "distance": "distance", "own": lambda found: np.exp(-found)}
OURS = {"transformer": KNeighborsTransformer, "classifier": KNeighborsClassifier, "regressor": KNeighborsRegressor}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Of OpenMP and BLAS, whose threads spin where the machine is shared."""
    with threadpool_limits(1):
        yield


@parametrize_with_checks([KNeighborsTransformer(), KNeighborsClassifier(), KNeighborsRegressor(weights="distance")])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.fixture(params=METRICS)
def metric(request: pytest.FixtureRequest) -> dict[str, Any]:
    return METRICS[request.param]


@pytest.fixture(scope="module")
def samples() -> Samples:
    """Random samples, then small integers, many of them equal; one is zero."""
    rng = np.random.default_rng(0)
    ties = rng.integers(-1, 2, size=(120, 6)).astype(np.float64)
    ties[0] = 0
    return np.concatenate([rng.normal(size=(180, 6)).astype(np.float32), ties])


@pytest.fixture(scope="module")
def queries(samples: Samples) -> Samples:
    rng = np.random.default_rng(1)
    random = rng.normal(size=(60, 6)).astype(np.float32)
    return np.concatenate([random, rng.integers(-1, 2, size=(30, 6)), samples[::9]])


@pytest.fixture(scope="module")
def labels(samples: Samples) -> NDArray[np.str_]:
    """The signs of two components, as text."""
    return np.where(samples[:, :2] > 0, "+", "-").astype(object).sum(axis=1).astype(str)


@pytest.fixture(scope="module")
def targets(samples: Samples) -> NDArray[np.float64]:
    return np.stack([samples.sum(axis=1), samples[:, 0] * samples[:, 1]], axis=1)


def assert_neighbors(found: tuple[Any, Any], expected: tuple[Any, Any]) -> None:
    """Compare distances, and rows where they are alone at their distance."""
    distances, rows = found
    np.testing.assert_allclose(distances, expected[0], rtol=1e-7, atol=1e-7)
    assert (distances.dtype, rows.dtype) == (np.float64, np.int64)
    assert (np.diff(distances, axis=1) >= 0).all()
    assert (np.diff(np.sort(rows, axis=1), axis=1) > 0).all()
    gap = np.diff(distances, axis=1, prepend=-np.inf, append=distances[:, -1:]) > 1e-6
    alone = gap[:, :-1] & gap[:, 1:]
    np.testing.assert_array_equal(rows[alone], expected[1][alone])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("k", [1, 7, 299])
def test_neighbors(samples, queries, metric, k, dtype):
    ours = KNeighborsTransformer(n_neighbors=k, **metric).fit(samples.astype(dtype))
    theirs = neighbors.KNeighborsTransformer(n_neighbors=k, algorithm="brute", **metric).fit(samples)
    assert_neighbors(ours.kneighbors(queries.astype(dtype)), theirs.kneighbors(queries))
    assert_neighbors(ours.kneighbors(queries.astype(dtype), 3), theirs.kneighbors(queries, 3))
    assert_neighbors(ours.kneighbors(), theirs.kneighbors())
    np.testing.assert_array_equal(ours.kneighbors(queries, return_distance=False), ours.kneighbors(queries)[1])
    assert ours.effective_metric_ == {"l2": "euclidean", "cityblock": "manhattan"}.get(
        theirs.effective_metric_, theirs.effective_metric_
    )


def test_equal_samples_are_at_no_distance(samples, metric):
    directed = samples[samples.any(axis=1)]
    found = KNeighborsTransformer(n_neighbors=1, **metric).fit(directed).kneighbors(directed)
    np.testing.assert_array_equal(found[0], 0)


def test_a_zero_vector_is_at_a_cosine_distance_of_one():
    model = KNeighborsTransformer(n_neighbors=3, metric="cosine").fit([[0, 0], [1, 0], [-1, 1]])
    distances, rows = model.kneighbors([[0, 0], [2, 0]])
    np.testing.assert_array_equal(distances[0], 1)
    np.testing.assert_allclose(distances[1], [0, 1, 1 + 0.5**0.5])
    assert rows[1].tolist() == [1, 0, 2]


def test_distances_are_those_of_the_samples_in_float64():
    """Found among vectors of float32, where all three are the same."""
    samples = np.array([[1.0], [1 + 3e-9], [1 + 1e-9]])
    distances, rows = KNeighborsRegressor(n_neighbors=3).fit(samples, [0, 1, 2]).kneighbors([[1.0]])
    assert rows.tolist() == [[0, 2, 1]]
    np.testing.assert_array_equal(distances, np.abs(samples[[0, 2, 1], 0] - 1)[np.newaxis])


@pytest.mark.parametrize("mode", ["distance", "connectivity"])
def test_graph(samples, queries, voters, mode):
    """Of samples without ties, so that the graphs are the same."""
    random, unseen = samples[:180], queries[:60]
    ours = KNeighborsTransformer(mode=mode, **voters)
    theirs = neighbors.KNeighborsTransformer(mode=mode, algorithm="brute", **voters)
    pairs = [
        (ours.fit_transform(random), theirs.fit_transform(random)),
        (ours.transform(unseen), theirs.transform(unseen)),
        (ours.kneighbors_graph(n_neighbors=3, mode=mode), theirs.kneighbors_graph(n_neighbors=3, mode=mode)),
        (ours.kneighbors_graph(unseen), theirs.kneighbors_graph(unseen)),
    ]
    for graph, expected in pairs:
        assert type(graph) is type(expected)
        assert (graph.shape, graph.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_array_equal(graph.indptr, expected.indptr)
        np.testing.assert_allclose(graph.toarray(), expected.toarray(), atol=1e-7)


def test_names_of_what_comes_out(samples):
    model = KNeighborsTransformer().fit(samples)
    assert model.get_feature_names_out()[[0, -1]].tolist() == ["kneighborstransformer0", "kneighborstransformer299"]


@pytest.fixture(params=[name for name in METRICS if name != "hamming"])
def voters(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Parameters of an estimator; not of Hamming distances, which tie: who votes is then each library's own choice."""
    return {"n_neighbors": 6, **METRICS[request.param]}


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=list(WEIGHTS))
def test_classifier(samples, queries, labels, voters, weights):
    random, unseen = slice(180), queries[:60]
    ours = KNeighborsClassifier(weights=weights, **voters).fit(samples[random], labels[random])
    theirs = neighbors.KNeighborsClassifier(weights=weights, algorithm="brute", **voters)
    theirs.fit(samples[random], labels[random])
    np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    np.testing.assert_allclose(ours.predict_proba(unseen), theirs.predict_proba(unseen), atol=1e-7)
    np.testing.assert_array_equal(ours.predict(unseen), theirs.predict(unseen))
    np.testing.assert_array_equal(ours.predict(None), theirs.predict(None))
    assert ours.score(None, labels[random]) == theirs.score(None, labels[random])


@pytest.mark.parametrize("weights", WEIGHTS.values(), ids=list(WEIGHTS))
def test_regressor(samples, queries, targets, voters, weights):
    random, unseen = slice(180), queries[:60]
    for wanted in (targets, targets[:, 0], targets[:, :1], np.round(targets[:, 0]).astype(int)):
        ours = KNeighborsRegressor(weights=weights, **voters).fit(samples[random], wanted[random])
        theirs = neighbors.KNeighborsRegressor(weights=weights, algorithm="brute", **voters)
        theirs.fit(samples[random], wanted[random])
        assert ours.predict(unseen).shape == theirs.predict(unseen).shape
        np.testing.assert_allclose(ours.predict(unseen), theirs.predict(unseen), atol=1e-6)
        np.testing.assert_allclose(ours.predict(None), theirs.predict(None), atol=1e-6)
        assert ours.score(unseen, theirs.predict(unseen)) > 1 - 1e-9


def test_ties_go_to_the_lower_row_and_votes_to_the_first_class():
    samples, classes = [[0.0], [2.0], [0.0], [2.0]], ["b", "a", "c", "b"]
    assert KNeighborsClassifier(1).fit(samples, classes).predict([[1.0]]).tolist() == ["b"]
    assert KNeighborsClassifier(2).fit(samples, classes).predict([[1.0], [0.0]]).tolist() == ["a", "b"]
    assert KNeighborsClassifier(4).fit(samples, classes).predict([[1.0]]).tolist() == ["b"]


def test_neighbors_at_no_distance_decide_alone():
    samples, wanted = [[0.0], [0.0], [0.1], [5.0]], [1.0, 3.0, 100.0, 100.0]
    model = KNeighborsRegressor(4, weights="distance").fit(samples, wanted)
    np.testing.assert_array_equal(model.predict([[0.0]]), [2.0])
    shares = KNeighborsClassifier(4, weights="distance").fit(samples, [0, 1, 2, 2]).predict_proba([[0.0]])
    np.testing.assert_array_equal(shares, [[0.5, 0.5, 0]])


def test_several_outputs(samples, queries):
    classes = np.stack([samples[:, 0] > 0, samples.sum(axis=1) // 1], axis=1).astype(int)
    ours = KNeighborsClassifier(weights="distance").fit(samples[:180], classes[:180])
    theirs = neighbors.KNeighborsClassifier(weights="distance", algorithm="brute").fit(samples[:180], classes[:180])
    np.testing.assert_array_equal(ours.predict(queries[:60]), theirs.predict(queries[:60]))
    shares, expected = ours.predict_proba(queries[:60]), theirs.predict_proba(queries[:60])
    assert isinstance(shares, list)
    for share, other in zip(shares, expected, strict=True):
        np.testing.assert_allclose(share, other, atol=1e-7)
    for found, other in zip(ours.classes_, theirs.classes_, strict=True):
        np.testing.assert_array_equal(found, other)


def test_leave_one_out_of_the_fitted_samples(samples, labels):
    samples, labels = samples[::6], labels[::6]
    model = KNeighborsClassifier().fit(samples, labels)
    np.testing.assert_array_equal(model.predict(None), cross_val_predict(model, samples, labels, cv=LeaveOneOut()))


def test_a_column_of_targets_warns(samples, labels):
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        model = KNeighborsClassifier().fit(samples, labels[:, np.newaxis])
    assert model.predict(samples[:3]).shape == (3,)


BAD_PARAMETERS = {
    "n_neighbors": (0, ValueError, "n_neighbors: expected at least 1, got 0"),
    "n_neighbors, a fraction": (2.5, TypeError, "n_neighbors: expected an integer, got float"),
    "metric": ("haversine", ValueError, "metric: expected one of minkowski, euclidean, .*, got 'haversine'"),
    "metric, a function": (max, ValueError, "metric: expected one of minkowski"),
    "metric, of distances": ("precomputed", ValueError, "metric: expected one of minkowski"),
    "p": (3, ValueError, r"p: expected 1 \(manhattan\) or 2 \(euclidean\) with metric='minkowski', got 3"),
    "metric_params": ({"w": [1]}, ValueError, "metric_params: expected None"),
    "algorithm": ("best", ValueError, "algorithm: expected one of auto, .*, got 'best'"),
    "n_jobs": (0, ValueError, "n_jobs: expected an integer other than 0"),
    "n_jobs, a text": ("2", TypeError, "n_jobs: expected an integer or None, got str"),
}


@pytest.mark.parametrize("estimator", OURS.values(), ids=list(OURS))
@pytest.mark.parametrize("name", BAD_PARAMETERS)
def test_bad_parameters(samples, labels, estimator, name):
    value, error, message = BAD_PARAMETERS[name]
    with pytest.raises(error, match=message):
        estimator(**{name.split(",")[0]: value}).fit(samples, np.arange(len(samples)) % 7)


def test_other_bad_arguments(samples, labels):
    with pytest.raises(ValueError, match="weights: expected 'uniform', 'distance', a callable or None, got 'near'"):
        KNeighborsClassifier(weights="near").fit(samples, labels)
    with pytest.raises(ValueError, match="mode: expected 'connectivity' or 'distance', got 'both'"):
        KNeighborsTransformer(mode="both").fit(samples)
    model = KNeighborsTransformer(n_neighbors=300).fit(samples)
    with pytest.raises(ValueError, match="Expected n_neighbors <= n_samples_fit, but n_neighbors = 301, n_samples_fit"):
        model.transform(samples[:2])
    with pytest.raises(ValueError, match="Expected n_neighbors < n_samples_fit, but n_neighbors = 300, n_samples_fit"):
        model.kneighbors()
    with pytest.raises(ValueError, match="n_neighbors: expected at least 1, got -1"):
        model.kneighbors(samples, -1)
    with pytest.raises(ValueError, match="mode: expected"):
        model.kneighbors_graph(samples, mode="both")
    with pytest.raises(ValueError, match="X has 5 features, but KNeighborsTransformer is expecting 6"):
        model.kneighbors(samples[:, :5])
    with pytest.raises(TypeError, match="data was passed"):
        model.fit(csr_matrix(samples))
    with pytest.raises(ValueError, match="contains NaN"):
        model.kneighbors(np.full((1, 6), np.nan))
    with pytest.raises(ValueError, match="numbers within the range of float32, got 1e\\+300"):
        model.fit(samples * 0 + 1e300)
    silent = KNeighborsClassifier(weights=np.zeros_like).fit(samples, labels)
    with pytest.raises(ValueError, match="All neighbors of some sample is getting zero weights"):
        silent.predict(samples)


@pytest.mark.parametrize("call", ["kneighbors", "kneighbors_graph", "transform"])
def test_not_fitted(samples, call):
    with pytest.raises(NotFittedError):
        getattr(KNeighborsTransformer(), call)(samples)


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1, -2, -99])
def test_any_number_of_jobs_gives_the_same(samples, queries, n_jobs):
    found = KNeighborsTransformer(n_jobs=n_jobs).fit(samples).kneighbors(queries)
    expected = KNeighborsTransformer().fit(samples).kneighbors(queries)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("estimator", OURS.values(), ids=list(OURS))
def test_copies(samples, queries, estimator):
    model = estimator(n_neighbors=3, metric="cosine").fit(samples, np.arange(len(samples)) % 7)
    expected = model.kneighbors(queries)
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):  # noqa: S301
        np.testing.assert_array_equal(twin.kneighbors(queries), expected)
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        pickle.loads(pickle.dumps(clone(model))).kneighbors(queries)  # noqa: S301


def test_in_a_pipeline_and_a_search_of_parameters(samples, labels):
    pipeline = make_pipeline(StandardScaler(), KNeighborsClassifier())
    search = GridSearchCV(pipeline, {"kneighborsclassifier__n_neighbors": [1, 5], "kneighborsclassifier__p": [1, 2]})
    theirs = GridSearchCV(
        make_pipeline(StandardScaler(), neighbors.KNeighborsClassifier(algorithm="brute")), search.param_grid
    )
    random = slice(180)
    found, expected = search.fit(samples[random], labels[random]), theirs.fit(samples[random], labels[random])
    np.testing.assert_allclose(found.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"])


@pytest.fixture(scope="module")
def blobs() -> tuple[Samples, NDArray[np.int64]]:
    points, members = make_blobs(120, n_features=5, centers=3, cluster_std=0.5, random_state=0)
    return points, members


def test_graph_for_tsne(blobs):
    points, members = blobs

    def embed(transformer: Any) -> Samples:
        settings = {"metric": "precomputed", "init": "random", "perplexity": 10, "random_state": 0, "max_iter": 250}
        return make_pipeline(transformer, TSNE(method="barnes_hut", **settings)).fit_transform(points)

    embedded = embed(KNeighborsTransformer(n_neighbors=35))
    np.testing.assert_allclose(embedded, embed(neighbors.KNeighborsTransformer(n_neighbors=35)), rtol=0.01, atol=0.01)
    assert KNeighborsClassifier(5).fit(embedded, members).score(None, members) == 1


def test_graph_for_spectral_clustering(blobs):
    points, members = blobs
    clustering = SpectralClustering(
        n_clusters=3, n_neighbors=60, affinity="precomputed_nearest_neighbors", random_state=0
    )
    found = make_pipeline(KNeighborsTransformer(n_neighbors=60), clustering).fit_predict(points)
    assert adjusted_rand_score(found, members) == 1


def test_graph_for_dbscan(blobs):
    points, _ = blobs
    transformer = KNeighborsTransformer(n_neighbors=119)
    found = make_pipeline(transformer, DBSCAN(eps=0.9, metric="precomputed")).fit_predict(points)
    np.testing.assert_array_equal(found, DBSCAN(eps=0.9, algorithm="brute").fit_predict(points))
    assert len(set(found)) > 3  # clusters, and noise
