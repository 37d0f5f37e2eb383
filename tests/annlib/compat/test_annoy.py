"""Annoy's class: its methods, keywords, defaults, return types, states and errors, beside Annoy's own."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
from pathlib import Path

import annoy
import numpy as np
import pytest

from annlib import AnnlibError, Index
from annlib.compat.annoy import AnnoyIndex

BOTH = pytest.mark.parametrize("kind", [AnnoyIndex, annoy.AnnoyIndex], ids=["annlib", "annoy"])
METRICS = {
    "angular": "cosine",
    "euclidean": "euclidean",
    "manhattan": "manhattan",
    "hamming": "hamming",
    "dot": "inner_product",
}
VECTORS = {0: [1.0, 0.0, 0.0], 1: [0.0, 1.0, 0.0], 5: [1.0, 1.0, 0.0], 6: [0.0, 0.25, 1.0]}


def filled(kind=AnnoyIndex, metric="angular", *, build=True):
    index = kind(3, metric)
    for i, vector in VECTORS.items():
        index.add_item(i, vector)
    if build:
        index.build(10, n_jobs=1)
    return index


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@BOTH
@pytest.mark.parametrize("metric", METRICS)
def test_every_method_returns_what_annoy_returns(kind, metric):
    index = kind(f=3, metric=metric)
    assert index.f == 3
    assert index.verbose(True) is True
    assert index.verbose(False) is True
    assert index.set_seed(1) is None
    for i, vector in VECTORS.items():
        assert index.add_item(i=i, vector=vector) is None
    assert (index.get_n_items(), index.get_n_trees()) == (7, 0)
    assert index.build(n_trees=4, n_jobs=2) is True
    assert (index.get_n_items(), index.get_n_trees()) == (7, 4)
    assert index.unbuild() is True
    assert (index.get_n_items(), index.get_n_trees()) == (7, 0)
    index.add_item(2, (0, 0, 1))
    assert index.build(5, n_jobs=1) is True  # trees of several threads are miscounted by Annoy when they are loaded
    nearest = 5 if metric == "dot" else 0
    assert index.get_nns_by_item(i=0, n=1, search_k=-1, include_distances=False) == [0]
    assert index.get_nns_by_vector(vector=[2, 1, 0], n=1, search_k=100)[0] in (nearest, 5)
    ids, distances = index.get_nns_by_item(0, 2, 100, True)
    assert [type(value) for value in (ids[0], distances[0], index.get_distance(0, 1))] == [int, float, float]
    assert index.get_nns_by_vector([1, 0, 0], 2, include_distances=1) == (ids, distances)
    assert index.save("a.ann", prefault=True) is True
    assert index.load(fn="a.ann", prefault=False) is True
    assert (index.get_n_items(), index.get_n_trees()) == (7, 5)
    assert index.get_item_vector(5) == VECTORS[5]
    assert index.get_item_vector(3) == [0.0, 0.0, 0.0]
    assert index.unload() is True
    assert (index.get_n_items(), index.get_n_trees(), index.get_nns_by_vector([1, 0, 0], 3)) == (0, 0, [])


@BOTH
def test_angular_by_default_and_with_a_warning(kind):
    with pytest.warns(FutureWarning, match="The default argument for metric will be removed") as caught:
        index = kind(2)
    assert caught[0].filename == __file__
    index.add_item(0, [0, 2])
    index.add_item(1, [1, 1])
    assert index.get_distance(0, 1) == pytest.approx((2 * (1 - 2**-0.5)) ** 0.5)


@BOTH
def test_counts_that_are_odd(kind):
    index = filled(kind)
    everything = index.get_nns_by_vector([1, 0.5, 0.1], 4)
    assert len(everything) == 4
    assert index.get_nns_by_vector([1, 0.5, 0.1], 0) == []
    assert index.get_nns_by_vector([1, 0.5, 0.1], 0, include_distances=True) == ([], [])
    for n in (5, 2**31 - 1, -1, -7):
        assert index.get_nns_by_vector([1, 0.5, 0.1], n, 1000 if n > 0 else -1) == everything


@BOTH
def test_nothing_is_found_before_build(kind):
    index = filled(kind, build=False)
    assert index.get_nns_by_item(0, 3) == []
    assert index.get_nns_by_vector([1, 0, 0], 3, include_distances=True) == ([], [])
    assert index.get_distance(0, 1) == pytest.approx(2**0.5)
    assert index.get_item_vector(5) == VECTORS[5]
    assert index.unbuild() is True


@BOTH
def test_an_item_can_be_replaced(kind):
    index = filled(kind, "euclidean", build=False)
    index.add_item(5, [4, 5, 6])
    index.add_item(0, [7, 7, 7])
    index.build(1)
    assert (index.get_item_vector(5), index.get_item_vector(0)) == ([4, 5, 6], [7, 7, 7])
    assert index.get_nns_by_vector([7, 7, 7], 2) == [0, 5]


class Sequence3:
    def __len__(self):
        return 3

    def __getitem__(self, z):
        return np.float64([1, 2, 3][z])


@BOTH
@pytest.mark.parametrize(
    "vector",
    [
        [1, 2, 3],
        (1.0, True, np.float32(3)),
        range(1, 4),
        b"\x01\x02\x03",
        {0: 1, 1: 2, 2: 3},
        Sequence3(),
        np.array([1, 2, 3], dtype=np.uint8),
        np.array([1, 2, 3], dtype=np.float16),
        np.arange(1, 7)[::2],
        np.array([1.1, 2.2, 3.3]),
        np.array([1, 2.5, 3], dtype=object),
    ],
    ids=lambda vector: type(vector).__name__,
)
def test_vectors_of_every_type(kind, vector):
    index = kind(3, "euclidean")
    index.add_item(0, vector)
    index.add_item(1, [0, 0, 0])
    index.build(1)
    expected = np.array([float(vector[z]) for z in range(3)], dtype=np.float32)
    assert index.get_item_vector(0) == expected.tolist()
    assert index.get_nns_by_vector(vector, 2, include_distances=True)[1][0] == 0.0


WRONG_CALLS = {
    "negative item": lambda a: a.get_nns_by_item(-1, 1),
    "item too large": lambda a: a.get_nns_by_item(7, 1),
    "item far too large": lambda a: a.get_nns_by_item(2**31, 1),
    "item far too small": lambda a: a.get_nns_by_item(-(2**31) - 1, 1),
    "item of another type": lambda a: a.get_nns_by_item("0", 1),
    "vector of a negative item": lambda a: a.get_item_vector(-1000),
    "vector of an item too large": lambda a: a.get_item_vector(7),
    "vector of half an item": lambda a: a.get_item_vector(0.5),
    "distance to a negative item": lambda a: a.get_distance(0, -1),
    "distance from an item too large": lambda a: a.get_distance(1000, 0),
    "n of another type": lambda a: a.get_nns_by_item(0, 1.0),
    "n too large": lambda a: a.get_nns_by_vector([1, 2, 3], 2**31),
    "search_k of another type": lambda a: a.get_nns_by_item(0, 1, "all"),
    "include_distances of another type": lambda a: a.get_nns_by_item(0, 1, -1, "yes"),
    "query too short": lambda a: a.get_nns_by_vector([1, 2], 1),
    "query too long": lambda a: a.get_nns_by_vector([1, 2, 3, 4], 1),
    "query without length": lambda a: a.get_nns_by_vector(iter([1, 2, 3]), 1),
    "query of None": lambda a: a.get_nns_by_vector(None, 1),
    "query of a set": lambda a: a.get_nns_by_vector({1, 2, 3}, 1),
    "query of text": lambda a: a.get_nns_by_vector("123", 1),
    "query of strings": lambda a: a.get_nns_by_vector(["1", "2", "3"], 1),
    "query of an array of strings": lambda a: a.get_nns_by_vector(np.array(["1", "2", "3"]), 1),
    "query with None": lambda a: a.get_nns_by_vector([1, None, 3], 1),
    "query of rows": lambda a: a.get_nns_by_vector(np.eye(3), 1),
    "query of complex numbers": lambda a: a.get_nns_by_vector([1j, 2, 3], 1),
    "query of huge integers": lambda a: a.get_nns_by_vector([10**400, 2, 3], 1),
    "adding to a built index a vector too short": lambda a: a.add_item(1, [1]),
    "adding a negative item": lambda a: a.add_item(-1, [1, 2, 3]),
    "adding half an item": lambda a: a.add_item(0.5, [1, 2, 3]),
    "adding an item too large": lambda a: a.add_item(2**31, [1, 2, 3]),
    "building twice": lambda a: a.build(10),
    "building half a tree": lambda a: a.build(0.5),
    "no trees named": lambda a: a.build(),
    "seed of another type": lambda a: a.set_seed("1"),
    "verbose of another type": lambda a: a.verbose("yes"),
    "keyword for what has none": lambda a: a.get_item_vector(i=0),
    "keyword of the README": lambda a: a.get_nns_by_vector(v=[1, 2, 3], n=1),
    "too many arguments": lambda a: a.get_nns_by_item(0, 1, -1, False, 5),
    "loading nothing": lambda a: a.load("absent.ann"),
    "loading a number": lambda a: a.load(5),
    "loading bytes": lambda a: a.load(b"a.ann"),
    "loading a NUL": lambda a: a.load("a\0.ann"),
    "saving to no folder": lambda a: a.save("no/folder.ann"),
    "saving to a number": lambda a: a.save(5),
    "saving with prefault of another type": lambda a: a.save("a.ann", "yes"),
    "building on no disk": lambda a: type(a)(3, "dot").on_disk_build("no/folder.ann"),
    "unknown metric": lambda a: type(a)(3, "banana"),
    "metric of another type": lambda a: type(a)(3, 5),
    "no f": lambda a: type(a)(metric="angular"),
    "f of another type": lambda a: type(a)("3", "angular"),
    "f too large": lambda a: type(a)(2**31, "angular"),
    "saving what is not built": lambda a: type(a)(3, "dot").save("a.ann"),
}


@pytest.mark.parametrize("call", WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_errors_are_of_annoys_types(call):
    with pytest.raises(Exception) as theirs:  # noqa: PT011 (whatever Annoy raises)
        call(filled(annoy.AnnoyIndex))
    with pytest.raises(theirs.type) as ours:
        call(filled())
    if theirs.type in (IndexError, ValueError) or "must be real number" in str(theirs.value):
        assert str(ours.value).startswith(str(theirs.value))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: a.add_item(1, [1, 2, 3]), "You can't add an item to a loaded index"),
        (lambda a: a.build(1), "You can't build a loaded index"),
        (lambda a: a.unbuild(), "You can't unbuild a loaded index"),
    ],
)
def test_what_is_saved_or_loaded_cannot_be_changed(call, message):
    for kind in (annoy.AnnoyIndex, AnnoyIndex):
        saved, loaded = filled(kind), kind(3, "angular")
        saved.save("a.ann")
        loaded.load("a.ann")
        for index in (saved, loaded):
            with pytest.raises(Exception, match=f"^{message}$"):
                call(index)


def test_errors_of_our_own():
    built = filled()
    with pytest.raises(AnnlibError, match="You can't add an item to a built index"):
        built.add_item(1, [1, 2, 3])
    with pytest.raises(AnnlibError, match="call on_disk_build\\(\\) before adding items"):
        built.on_disk_build("a.ann")
    index = filled(build=False)
    for vector in ([1, float("nan"), 3], np.array([1, np.inf, 3]), np.array([1, 1e300, 3]), [1, -1e300, 3]):
        with pytest.raises(
            ValueError, match=r"vector: expected finite numbers within the range of float32, got .* at 1"
        ):
            index.add_item(0, vector)
        with pytest.raises(ValueError, match="vector: expected finite numbers"):
            built.get_nns_by_vector(vector, 1)
    index.add_item(0, [3e38, 3e38, 3e38])
    with pytest.raises(ValueError, match="n_trees: expected -1 or above, got -2"):
        index.build(-2)
    with pytest.raises(ValueError, match="n_jobs: expected -1 or above 0, got 0"):
        index.build(1, 0)
    for f in (0, -1, 65536):
        with pytest.raises(ValueError, match=f"f: expected 1 to 65535 dimensions, got {f}"):
            AnnoyIndex(f, "dot")
    with pytest.raises(AttributeError):
        index.f = 4


def test_signatures_have_annoys_names_and_defaults():
    expected = {
        "add_item": {"i": None, "vector": None},
        "build": {"n_trees": None, "n_jobs": -1},
        "get_nns_by_item": {"i": None, "n": None, "search_k": -1, "include_distances": False},
        "get_nns_by_vector": {"vector": None, "n": None, "search_k": -1, "include_distances": False},
        "load": {"fn": None, "prefault": False},
        "on_disk_build": {"fn": None},
        "save": {"fn": None, "prefault": False},
    }
    for name, parameters in expected.items():
        _, *given = inspect.signature(getattr(AnnoyIndex, name)).parameters.values()
        empty = inspect.Parameter.empty
        assert {p.name: None if p.default is empty else p.default for p in given} == parameters
    theirs = {name for name in dir(annoy.AnnoyIndex) if not name.startswith("_")}
    assert theirs == {name for name in dir(AnnoyIndex) if not name.startswith("_")}


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("ids", [[], [0], range(40), range(3, 90, 2)], ids=["none", "one", "dense", "holes"])
def test_a_saved_file_is_an_index_of_annlib(metric, ids):
    rng = np.random.default_rng(0)
    index = AnnoyIndex(4, metric)
    for i in reversed(ids):
        index.add_item(i, rng.normal(size=4))
    index.build(7)
    before = [index.get_nns_by_item(i, 10, include_distances=True) for i in ids]
    vectors = [index.get_item_vector(i) for i in ids]
    index.save(Path("a.ann"))
    opened = Index.open("a.ann")
    opened.verify()
    assert (opened.metric, opened.dim, opened.ids.tolist()) == (METRICS[metric], 4, list(ids))
    assert opened.vectors.tolist() == vectors
    again = AnnoyIndex(4, metric)
    again.load("a.ann", prefault=True)
    for same in (index, again, pickle.loads(pickle.dumps(again))):  # noqa: S301 (our own)
        assert [same.get_nns_by_item(i, 10, include_distances=True) for i in ids] == before
        assert [same.get_item_vector(i) for i in ids] == vectors
        assert (same.get_n_trees(), same.get_n_items()) == (7, max(ids, default=-1) + 1)


def test_an_index_that_annlib_built_can_be_loaded():
    vectors = np.random.default_rng(0).normal(size=(20, 3))
    Index.build(vectors, metric="inner_product", path="a.ann")
    index = AnnoyIndex(3, "dot")
    index.load("a.ann")
    assert (index.get_n_items(), index.get_n_trees()) == (20, 1)
    assert index.get_nns_by_vector([1, 2, 3], 20) == np.argsort(-(vectors @ [1, 2, 3])).tolist()
    for refused, message in [
        (AnnoyIndex(3, "angular"), "expected an index of f=3 and metric='angular'"),
        (AnnoyIndex(4, "dot"), "expected an index of f=4 and metric='dot'"),
    ]:
        with pytest.raises(OSError, match=message):
            refused.load("a.ann")
    for ids in (list("abc"), [2, 1, 0], [-1, 0, 1]):
        Index.build(vectors[:3], metric="inner_product", ids=ids, path="ids.ann")
        with pytest.raises(OSError, match="expected ids from 0 up in ascending order"):
            index.load("ids.ann")


def test_a_damaged_index_file_is_an_os_error():
    filled().save("a.ann")
    content = bytearray(Path("a.ann").read_bytes())
    for damaged in (content[:100], content[:-64], content[:20] + b"\xff" + content[21:]):
        Path("b.ann").write_bytes(damaged)
        with pytest.raises(OSError, match=r"b\.ann: section"):
            AnnoyIndex(3, "angular").load("b.ann")


def test_a_file_can_be_replaced_while_it_is_loaded():
    first, second, reader = filled(), AnnoyIndex(3, "angular"), AnnoyIndex(3, "angular")
    first.save("a.ann")
    reader.load("a.ann")
    second.add_item(0, [1, 2, 3])
    second.build(1)
    second.save("a.ann")
    second.save("a.ann")
    assert reader.get_nns_by_item(0, 9) == filled().get_nns_by_item(0, 9)
    reader.load("a.ann")
    assert reader.get_n_items() == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_device_is_written_through_and_stays():
    index = filled()
    with pytest.raises(OSError, match="Unable to write: No space left on device"):
        index.save("/dev/full")
    assert Path("/dev/full").is_char_device()
    assert index.save("/dev/null") is True
    assert Path("/dev/null").is_char_device()
    assert index.get_nns_by_item(0, 1) == [0]


@pytest.mark.parametrize("ids", [range(100), range(200, 0, -2)], ids=["dense", "descending"])
def test_on_disk_build(ids):
    index, in_memory = AnnoyIndex(5, "manhattan"), AnnoyIndex(5, "manhattan")
    assert index.on_disk_build("a.ann") is True
    assert Path("a.ann").exists()
    rng = np.random.default_rng(0)
    for i in ids:
        vector = rng.normal(size=5)
        index.add_item(i, vector)
        in_memory.add_item(i, vector)
    index.build(3)
    in_memory.build(3)
    assert list(Path().iterdir()) == [Path("a.ann")]
    assert index.save("a.ann") is True
    expected = [in_memory.get_nns_by_item(i, 5) for i in ids]
    loaded = AnnoyIndex(5, "manhattan")
    loaded.load("a.ann")
    for same in (index, loaded):
        assert [same.get_nns_by_item(i, 5) for i in ids] == expected
    index.unbuild()
    index.add_item(500, [9] * 5)
    index.build(1)
    index.unload()
    index.load("a.ann")
    assert index.get_nns_by_vector([9] * 5, 1) == [500]
    empty = AnnoyIndex(2, "dot")
    empty.on_disk_build("empty.ann")
    empty.build(1)
    assert empty.get_nns_by_vector([1, 2], 3) == []


def test_unbuild_lets_items_be_added():
    index = filled(metric="euclidean")
    for count in range(3):
        assert index.unbuild() is True
        index.add_item(10 + count, [10 + count, 0, 0])
        index.build(count)
        assert index.get_nns_by_vector([50, 0, 0], 1) == [10 + count]
        assert index.get_n_trees() == count
    assert sorted(index.get_nns_by_item(0, 99)) == [*VECTORS, 10, 11, 12]


def test_ids_far_apart_take_no_room_between_them():
    index = AnnoyIndex(3, "angular")
    for i in (2**31 - 2, 5, 2**30):
        index.add_item(i, [1, i % 7, 2])
    index.build(10)
    index.save("a.ann")
    assert Path("a.ann").stat().st_size < 100_000
    assert index.get_n_items() == 2**31 - 1
    assert sorted(index.get_nns_by_item(6, 10)) == [5, 2**30, 2**31 - 2]
    assert index.get_item_vector(2**31 - 3) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))])  # noqa: S301
@pytest.mark.parametrize("state", ["empty", "filled", "built", "saved", "on disk"])
def test_pickling_and_copying(duplicate, state):
    index = AnnoyIndex(3, "manhattan") if state == "empty" else filled(metric="manhattan", build=False)
    if state == "on disk":
        index.on_disk_build("disk.ann")
    if state in ("built", "saved", "on disk"):
        index.build(4)
    if state == "saved":
        index.save("a.ann")
    same = duplicate(index)
    assert (same.f, same.get_n_items(), same.get_n_trees()) == (3, index.get_n_items(), index.get_n_trees())
    assert same.get_nns_by_vector([1, 2, 3], 9, -1, True) == index.get_nns_by_vector([1, 2, 3], 9, -1, True)
    assert [same.get_item_vector(i) for i in range(same.get_n_items())] == [
        index.get_item_vector(i) for i in range(index.get_n_items())
    ]
    if state in ("built", "on disk"):
        same.unbuild()
    if state == "saved":
        with pytest.raises(AnnlibError, match="loaded"):
            same.add_item(9, [1, 2, 3])
    else:
        same.add_item(9, [1, 2, 3])
        assert index.get_n_items() < same.get_n_items() == 10


def test_a_subclass_may_be_made_and_pickled():
    index = Named(3, "dot")
    index.add_item(0, [1, 2, 3])
    assert isinstance(pickle.loads(pickle.dumps(index)), Named)  # noqa: S301


class Named(AnnoyIndex):
    pass


def test_annoy_is_not_needed():
    code = "import sys; import annlib.compat.annoy; sys.exit('annoy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
