"""The API fuzzed from its own description: right and wrong requests, answers as described, never a failure."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from pipeline.serve.app import create_app
from pipeline.serve.openapi import describe_api
from pipeline.serve.runs import PublishedRuns

PATHS = describe_api()["paths"]
KNOWN = {"entity": "artist", "id": "3"}


def queries(path):
    return {each["name"] for each in PATHS[path]["get"]["parameters"] if each["in"] == "query"}


@pytest.fixture(scope="module")
def api(published):
    app = create_app(PublishedRuns(published.root), hosts=["testserver"])
    return schemathesis.openapi.from_asgi("/api/openapi.json", app)


def fuzz(api, path, mode, known, excluded=()):
    """Send requests; with ``known``, of an entity that there is."""

    @settings(max_examples=15, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=api[path]["GET"].as_strategy(generation_mode=mode))
    def keeps_its_word(case):
        case.path_parameters.update({name: KNOWN[name] for name in case.path_parameters if known})
        response = case.call()
        # That check does not know that an address can be refused for its length.
        unknown = [negative_data_rejection] if response.status_code == 414 else []
        case.validate_response(response, excluded_checks=[*excluded, *unknown])

    keeps_its_word()


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("path", PATHS)
def test_right_requests(api, path, known):
    # What a taste is made of can be well formed and yet wrong: empty, or liked and disliked at once.
    excluded = [positive_data_acceptance] if path in ("/api/recommend", "/api/explain") else []
    fuzz(api, path, GenerationMode.POSITIVE, known, excluded)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("path", [path for path in PATHS if "k" in queries(path) or "q" in queries(path)])
def test_wrong_requests(api, path, known):
    fuzz(api, path, GenerationMode.NEGATIVE, known)


def test_every_operation_is_described():
    document = describe_api()
    assert document["openapi"].startswith("3.1")
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations) == 7
    for operation in operations:
        assert {"200", "400", "414", "503"} <= set(operation["responses"])
        assert all(parameter["description"] and parameter["schema"] for parameter in operation["parameters"])
    parameters = document["paths"]["/api/{entity}/{id}/similar"]["get"]["parameters"]
    k = next(each["schema"] for each in parameters if each["name"] == "k")
    assert (k["minimum"], k["maximum"], k["default"]) == (1, 1000, 20)
