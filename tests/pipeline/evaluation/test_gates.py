from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from pipeline.config import GateSettings
from pipeline.evaluation.evaluate import Evaluation
from pipeline.evaluation.gates import Gate, RunFigures, TableFigures, check_gates, failures

TABLE = TableFigures(name="similar", rows=1000, sources=100, covered=90, neighbor_recall=1.0)
EVALUATION = Evaluation(
    users=100,
    users_without_test=0,
    users_without_train=0,
    test_pairs=500,
    test_pairs_of_cold_items=0,
    items=50,
    cold_items=0,
    model={"ndcg@20": 0.2, "recall@20": 0.5},
    baselines={"popularity": {"ndcg@20": 0.1, "recall@20": 0.6}},
)
GOOD = RunFigures(tables=(TABLE,), evaluation=EVALUATION)


def _with_table(**changes: object) -> RunFigures:
    return replace(GOOD, tables=(replace(TABLE, **changes),))


def _with_quality(model: float, popularity: float = 0.1) -> RunFigures:
    baselines = {"popularity": {"ndcg@20": popularity}}
    return replace(GOOD, evaluation=replace(EVALUATION, model={"ndcg@20": model}, baselines=baselines))


def _failed(gates: list[Gate]) -> list[str]:
    return [gate.name for gate in failures(gates)]


def test_a_good_run_passes_every_gate() -> None:
    gates = check_gates(GateSettings(), GOOD, previous=GOOD)
    assert [gate.name for gate in gates] == [
        "rows of similar",
        "coverage of similar",
        "neighbor recall of similar",
        "rows of similar against the published run",
        "coverage of similar against the published run",
        "ndcg@20 against popularity",
        "ndcg@20 against the published run",
    ]
    assert failures(gates) == []


def test_a_first_run_is_compared_with_nothing() -> None:
    gates = check_gates(GateSettings(), GOOD, previous=None)
    assert not any("published run" in gate.name for gate in gates)
    assert failures(gates) == []


NAN = math.nan


@pytest.mark.parametrize(
    ("name", "settings", "good", "bad"),
    [
        ("rows of similar", {"min_rows": 1000}, _with_table(rows=1000), _with_table(rows=999)),
        ("rows of similar", {"min_coverage": 0.0}, _with_table(rows=1, covered=1), _with_table(rows=0, covered=0)),
        ("coverage of similar", {"min_coverage": 0.9}, _with_table(covered=90), _with_table(covered=89)),
        ("coverage of similar", {}, _with_table(sources=1, covered=1), _with_table(sources=0, covered=0)),
        ("neighbor recall of similar", {}, _with_table(neighbor_recall=0.99), _with_table(neighbor_recall=0.98)),
        ("neighbor recall of similar", {}, _with_table(neighbor_recall=None), _with_table(neighbor_recall=NAN)),
        ("ndcg@20 against popularity", {}, _with_quality(0.1), _with_quality(0.0999)),
        ("ndcg@20 against popularity", {}, _with_quality(0.1), _with_quality(NAN)),
        ("ndcg@20 against popularity", {}, _with_quality(0.1), _with_quality(0.1, popularity=NAN)),
        (
            "ndcg@20 against popularity",
            {"min_against_popularity": 2.0},
            _with_quality(0.2),
            _with_quality(0.19),
        ),
        (
            "recall@20 against popularity",
            {"metric": "recall@20"},
            replace(GOOD, evaluation=replace(EVALUATION, baselines={"popularity": {"recall@20": 0.5}})),
            GOOD,
        ),
    ],
)
def test_each_gate_both_ways(name: str, settings: dict[str, object], good: RunFigures, bad: RunFigures) -> None:
    limits = GateSettings.model_validate(settings)
    assert _failed(check_gates(limits, good, previous=None)) == []
    assert _failed(check_gates(limits, bad, previous=None)) == [name]


@pytest.mark.parametrize(
    ("wanted", "error", "good", "bad"),
    [
        (1.0, 0.5, 0.99, 0.9899),  # exact tables have no sampling error
        (0.95, 0.0, 0.95, 0.9499),
        (0.95, 0.01, 0.9201, 0.9199),
        (0.999, 0.001, 0.99, 0.9899),
    ],
)
def test_a_table_is_held_to_the_recall_it_asks_for(wanted: float, error: float, good: float, bad: float) -> None:
    for measured, failed in ((good, []), (bad, ["neighbor recall of similar"])):
        run = _with_table(neighbor_recall=measured, neighbor_recall_error=error, wanted_recall=wanted)
        assert _failed(check_gates(GateSettings(), run, previous=None)) == failed
    strict = _with_table(neighbor_recall=bad, neighbor_recall_error=error, wanted_recall=wanted)
    assert failures(check_gates(GateSettings(min_neighbor_recall=0.0), strict, previous=None)) == []


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("rows of similar against the published run", _with_table(rows=701), _with_table(rows=699)),
        ("coverage of similar against the published run", _with_table(covered=64), _with_table(covered=62)),
        ("ndcg@20 against the published run", _with_quality(0.141), _with_quality(0.139)),
    ],
)
def test_each_fall_both_ways(name: str, good: RunFigures, bad: RunFigures) -> None:
    assert _failed(check_gates(GateSettings(), good, previous=GOOD)) == []
    assert _failed(check_gates(GateSettings(), bad, previous=GOOD)) == [name]


def test_popularity_can_be_turned_off_but_not_nan() -> None:
    off = GateSettings(min_against_popularity=0.0)
    assert _failed(check_gates(off, _with_quality(0.0), previous=None)) == []
    assert _failed(check_gates(off, _with_quality(NAN), previous=None)) == ["ndcg@20 against popularity"]


def test_a_new_table_and_a_new_measure_are_not_compared() -> None:
    earlier = RunFigures(tables=(replace(TABLE, name="other"),), evaluation=replace(EVALUATION, model={"ndcg@10": 0.9}))
    gates = check_gates(GateSettings(), GOOD, previous=earlier)
    assert not any("published run" in gate.name for gate in gates)


def test_a_fall_by_everything_may_be_allowed() -> None:
    gates = check_gates(GateSettings(max_fall=1.0), _with_quality(0.1), previous=_with_quality(0.9))
    assert failures(gates) == []


def test_messages_say_what_was_measured_expected_and_set() -> None:
    (gate,) = failures(check_gates(GateSettings(), _with_table(covered=30), previous=None))
    assert gate.message == "FAILED: coverage of similar: 0.3, expected at least 0.5 (gates.min_coverage)"


def test_survives_json() -> None:
    gates = check_gates(GateSettings(), _with_quality(NAN, popularity=NAN), previous=GOOD)
    documents = json.loads(json.dumps([gate.to_json() for gate in gates], allow_nan=False))
    assert [document["passed"] for document in documents] == [gate.passed for gate in gates]
    assert documents[-2]["value"] is None


def test_without_interactions_there_is_no_quality_to_judge() -> None:
    names = {gate.name for gate in check_gates(GateSettings(), replace(GOOD, evaluation=None), GOOD)}
    assert names == {gate.name for gate in check_gates(GateSettings(), GOOD, GOOD) if "ndcg" not in gate.name}
    assert names
    since = {gate.name for gate in check_gates(GateSettings(), GOOD, replace(GOOD, evaluation=None))}
    assert "ndcg@20 against popularity" in since
    assert "ndcg@20 against the published run" not in since
