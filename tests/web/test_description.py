"""The OpenAPI description says what is so: types, redirects, refusals, rights."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

SAE = "/synthetic/resid-2-1k"


@pytest.fixture(scope="module")
def described(client: TestClient) -> dict[str, Any]:
    return client.get("/-/openapi.json").json()


def _said(described: dict[str, Any], address: str, method: str = "get") -> dict[str, Any]:
    return described["paths"][address][method]


@pytest.mark.parametrize(
    ("address", "kinds"),
    [
        ("/", ["text/html"]), ("/index.json", ["application/json"]),
        ("/{model}/{sae}/features.{kind}", ["text/csv", "application/json"]),
        ("/{model}/{sae}/card.png", ["image/png"]),
        ("/{model}/{sae}/{feature_index}/figure.svg", ["image/svg+xml"]),
        ("/{model}/{sae}/{feature_index}/page.html", ["text/html"]),
    ],
)  # fmt: skip
def test_an_answer_is_what_its_address_says(
    described: dict[str, Any], client: TestClient, address: str, kinds: list[str]
) -> None:
    assert list(_said(described, address)["responses"]["200"]["content"]) == kinds
    filled = address.replace("{model}/{sae}", SAE[1:]).replace("{feature_index}", "3")
    for kind in kinds:
        answer = client.get(filled.replace("{kind}", kind.partition("/")[2]))
        assert answer.headers["content-type"].partition(";")[0] == kind


def test_forms_lead_elsewhere_and_questions_to_the_model_do_not(described: dict[str, Any]) -> None:
    writing = 0
    for path, methods in described["paths"].items():
        if "post" in methods:
            statuses = set(methods["post"]["responses"])
            assert ("200" in statuses) == path.endswith(".json")
            assert ("303" in statuses) != path.endswith(".json")
            writing += "303" in statuses
            kinds = list(methods["post"].get("requestBody", {}).get("content", {}))
            json_only = path.endswith(".json")
            assert kinds in ([], ["application/json" if json_only else _FORM])
    assert writing >= 10


_FORM = "application/x-www-form-urlencoded"


def test_every_refusal_has_the_one_envelope(described: dict[str, Any], client: TestClient) -> None:
    text = json.dumps(described)
    assert "HTTPValidationError" not in text and '"422"' not in text
    problem = described["components"]["schemas"]["Problem"]
    body = client.get("/nothing.json").json()
    assert body.keys() == set(problem["required"]) == set(problem["properties"])
    for methods in described["paths"].values():
        for said in methods.values():
            refusal = said["responses"]["4XX"]["content"]
            assert refusal["application/json"]["schema"]["$ref"].endswith("/Problem")


def test_who_may_write_is_said(described: dict[str, Any]) -> None:
    schemes = described["components"]["securitySchemes"]
    assert schemes["same_site"]["name"] == "X-Same-Site"
    assert {} not in _said(described, "/-/lists", "post")["security"]
    assert {} in _said(described, "/-/lists")["security"]
    for methods in described["paths"].values():
        for said in methods.values():
            assert {name for one in said["security"] for name in one} <= schemes.keys()


def test_it_names_no_dictionary(described: dict[str, Any]) -> None:
    """One who is limited to one dictionary reads the same description as everybody."""
    assert "synthetic" not in json.dumps(described) and "resid-2-1k" not in json.dumps(described)


def test_arguments_say_what_they_take(described: dict[str, Any]) -> None:
    said = {p["name"]: p["schema"] for p in _said(described, "/{model}/{sae}")["parameters"]}
    assert "density" in said["x"]["enum"] and "density" in said["sort"]["pattern"]
    assert (said["size"]["minimum"], said["size"]["maximum"]) == (1, 500)
    path = _said(described, "/{model}/{sae}/{feature_index}")["parameters"]
    number = next(p["schema"] for p in path if p["name"] == "feature_index")
    assert number["minimum"] == 0


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        (SAE, "GET, HEAD"), (f"{SAE}/3/labels", "POST"), ("/-/shares", "GET, HEAD, POST"),
        ("/-/live/top.json", "GET, HEAD, POST"), ("/-/live/activations.json", "POST"),
    ],
)  # fmt: skip
def test_a_wrong_method_is_told_the_right_ones(
    client: TestClient, address: str, allowed: str
) -> None:
    answer = client.request("DELETE", address)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("kind", ["application/json", "text/html"])
def test_nothing_invisible_is_repeated(client: TestClient, kind: str) -> None:
    answer = client.get("/a%C2%84b/c%E2%80%AEd", headers={"accept": kind})
    assert answer.status_code == 404
    assert "\x84" not in answer.text and "\u202e" not in answer.text
    assert "x84b" in answer.text and "u202ed" in answer.text


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ("{", "application/json", "is no JSON: expecting property name enclosed in double quotes"),
        ("[]", "application/json", "A JSON object is wanted here"),
        ('{"saes": ["a/b"], "text": "a"}', "text/plain", "A JSON object is wanted here"),
        ("\xff", "application/json", "can't be read"),
    ],
)
def test_a_body_that_is_none_is_a_sentence(
    client: TestClient, body: str, kind: str, said: str
) -> None:
    sent = body.encode("latin-1")
    answer = client.post("/-/live/top.json", content=sent, headers={"content-type": kind})
    assert answer.status_code == 400
    assert said in answer.json()["error"] and answer.json()["error"].endswith(".")
