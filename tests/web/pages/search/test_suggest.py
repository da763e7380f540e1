"""`/-/suggest.json`: what a text being typed may become."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.demo.synthetic import build_synthetic_atlas
from app.demo.synthetic.text import HOSTILE_TOKENS

from ...conftest import MakeClient


def _suggest(client: TestClient, q: str, **arguments: Any) -> dict[str, Any]:
    answer = client.get("/-/suggest.json", params={"q": q, **arguments})
    assert answer.status_code == 200
    return answer.json()


def test_the_documented_keys(client: TestClient) -> None:
    answer = _suggest(client, "sel")
    groups = {"tokens", "features", "labels", "summaries", "examples"}
    assert answer.keys() == {"ok", "q", *groups}
    assert answer["tokens"][0].keys() == {
        "model", "token_id", "token", "shown", "n_occurrences", "url",
    }  # fmt: skip
    assert answer["summaries"][0].keys() == {
        "model", "sae", "feature_index", "short", "label", "url",
    }  # fmt: skip
    assert answer["examples"].keys() == {"text", "url"}


def test_tokens_come_exact_first_then_by_count(client: TestClient) -> None:
    tokens = _suggest(client, "self")["tokens"]
    assert {t["token"] for t in tokens[:2]} == {"self", " self"}
    assert "·self" in [t["shown"] for t in tokens]
    prefix = _suggest(client, "se")["tokens"]
    counts = [t["n_occurrences"] for t in prefix if t["token"].strip().lower() != "se"]
    assert counts == sorted(counts, reverse=True)
    assert len(prefix) == 8


def test_a_chosen_token_is_the_one_that_is_ticked(client: TestClient) -> None:
    for q in ("self", "SEL", "raise -se", "raise se", "(", "\n", "-"):
        tokens = _suggest(client, q)["tokens"]
        assert tokens, q
        for token in tokens:
            url = token["url"].replace("/-/search?", "/-/search.json?")
            ticked = [t["token_id"] for t in client.get(url).json()["tokens"] if t["searched"]]
            assert token["token_id"] in ticked, (q, token)
            if " " not in q:
                assert ticked == [token["token_id"]]


def test_the_last_word_is_completed_and_the_rest_is_kept(client: TestClient) -> None:
    [first, *_] = _suggest(client, "raise -self")["tokens"]
    answer = client.get(first["url"].replace("/-/search?", "/-/search.json?")).json()
    assert answer["q"] == "raise -self"
    assert [t["excluded"] for t in answer["tokens"] if t["token_id"] == first["token_id"]] == [True]
    assert _suggest(client, '"raise sel')["tokens"] == []


def test_features_by_number(client: TestClient) -> None:
    features = _suggest(client, "#7")["features"]
    assert [f["sae"] for f in features] == ["resid-2-1k", "resid-1-1k"]
    assert features[0]["url"] == "/synthetic/resid-2-1k/7"
    [one] = _suggest(client, "#7", sae="synthetic/resid-1-1k")["features"]
    assert one["sae"] == "resid-1-1k"
    [named] = _suggest(client, "resid-1-1k#7", sae="synthetic/resid-2-1k")["features"]
    assert named["sae"] == "resid-1-1k"
    assert _suggest(client, "#60")["features"] == []


def test_summaries_and_examples_lead_to_what_they_promise(client: TestClient) -> None:
    answer = _suggest(client, "raise Val", sae="synthetic/resid-2-1k")
    url = answer["examples"]["url"].replace("/-/search?", "/-/search.json?")
    found = client.get(url).json()
    assert (found["q"], found["mode"]) == ('"raise Val*"', "examples")
    assert found["n_results"] > 0
    assert {r["sae"] for r in found["results"]} == {"resid-2-1k"}
    for feature in _suggest(client, "single tok")["summaries"]:
        page = client.get(f"{feature['url']}.json").json()
        assert "single" in page["summary"] and "tok" in page["summary"]


@pytest.mark.parametrize(
    "q", ["", " ", '"', '""', "*", "-", "\0", "x" * 500, "#", "½", "\u202ea", "'"]
)
def test_nothing_breaks_it(client: TestClient, q: str) -> None:
    assert _suggest(client, q)["ok"] is True


def test_hostile_tokens_are_shown_named(hostile_path: Path, make_client: MakeClient) -> None:
    client = make_client(hostile_path)
    for text in HOSTILE_TOKENS:
        answer = _suggest(client, text[:200])
        for token in answer["tokens"]:
            assert not set(token["shown"]) & set("\x00\x1b\u202e\u200b\u2028\ufeff")
            assert len(token["shown"]) < 400
            assert client.get(token["url"]).status_code == 200
        if answer["examples"]:
            assert client.get(answer["examples"]["url"]).status_code == 200


def test_summaries_are_the_first_of_the_search(client: TestClient) -> None:
    found = client.get("/-/search.json", params={"q": "self", "mode": "summaries"}).json()
    suggested = _suggest(client, "self")["summaries"]
    assert [(s["sae"], s["feature_index"]) for s in suggested] == [
        (r["sae"], r["feature_index"]) for r in found["results"][: len(suggested)]
    ]
    assert suggested


def test_unknown_dictionaries_and_arguments_are_a_sentence(client: TestClient) -> None:
    answer = client.get("/-/suggest.json?q=a&sae=synthetic/nothing")
    assert answer.status_code == 404
    assert "There is no dictionary synthetic/nothing" in answer.json()["error"]
    assert client.get("/-/suggest.json?x=1").status_code == 400


def test_with_several_models_tokens_name_theirs(tmp_path: Path, make_client: MakeClient) -> None:
    path = tmp_path / "atlas.db"
    build_synthetic_atlas(path, n_features=20, saes=("one",), model="first")
    build_synthetic_atlas(path, n_features=20, saes=("one",), model="second", hostile=True)
    client = make_client(path)
    tokens = _suggest(client, "self")["tokens"]
    assert {t["model"] for t in tokens} == {"first", "second"}
    for token in tokens:
        assert f"token={token['model']}%3A{token['token_id']}" in token["url"]
