"""`/-/search`: what a text means, and the features strongest on it."""

import html
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection

from app.db.catalog import list_saes
from app.db.features import get_panels
from app.db.tokens import get_rankings, occurrences
from app.demo.synthetic import build_synthetic_atlas
from app.web.pages.search.ranking import Hit, Ranking, combine, rank

from ...conftest import MakeClient

MODES = ["fires", "rate", "promotes", "suppresses"]


def _search(client: TestClient, **arguments: Any) -> dict[str, Any]:
    return client.get("/-/search.json", params=arguments).json()


@pytest.mark.parametrize("mode", MODES)
def test_the_twin_has_the_documented_keys(client: TestClient, mode: str) -> None:
    answer = _search(client, q="self", mode=mode)
    assert answer.keys() >= {"ok", "q", "mode", "tokens", "results", "next", "next_url"}
    assert answer["mode"] == mode
    assert answer["tokens"][0].keys() >= {"token_id", "token", "kind", "searched"}
    result = answer["results"][0]
    assert result.keys() >= {"model", "sae", "feature_index", "score", "n_active", "n_occurrences"}
    scores = [item["score"] for item in answer["results"]]
    assert scores == sorted(scores, reverse=mode != "suppresses")


def test_a_text_means_its_tokens_in_every_form(client: TestClient) -> None:
    tokens = _search(client, q="self")["tokens"]
    by_kind = {kind: {t["token"] for t in tokens if t["kind"] == kind} for kind in
               ("exact", "case", "prefix")}  # fmt: skip
    assert by_kind == {
        "exact": {"self", " self"},
        "case": {"Self", " SELF"},
        "prefix": {"selfish", " selfless"},
    }
    assert {t["token"] for t in tokens if t["searched"]} == {"self", " self"}


def test_where_the_exact_text_is_no_token_the_next_best_is_searched(client: TestClient) -> None:
    tokens = _search(client, q="SELF")["tokens"]
    assert {t["token"] for t in tokens if t["searched"]} == {" SELF"}
    tokens = _search(client, q="selfi")["tokens"]
    assert [(t["token"], t["searched"]) for t in tokens] == [("selfish", True)]


def test_ticks_narrow_the_search(client: TestClient) -> None:
    ids = {t["token"]: t["token_id"] for t in _search(client, q="self")["tokens"]}
    narrowed = _search(client, q="self", token=[ids["self"]])
    assert {t["token"] for t in narrowed["tokens"] if t["searched"]} == {"self"}
    both = _search(client, q="self")
    assert both["results"][0]["n_occurrences"] > narrowed["results"][0]["n_occurrences"]
    # A tick left over from another text is as good as none.
    assert _search(client, q="self", token=["99999"])["tokens"] == both["tokens"]


def test_shares_and_rates_are_sums_over_the_tokens(
    client: TestClient, connection: Connection
) -> None:
    """Against each feature's own token statistics, which hold its 64 strongest tokens."""
    saes = {sae.address: sae for sae in list_saes(connection)}
    answer = _search(client, q="self", size=200)
    ids = [t["token_id"] for t in answer["tokens"] if t["searched"]]
    assert len(ids) == 2
    for result in answer["results"]:
        sae = saes[f"{result['model']}/{result['sae']}"]
        panel = get_panels(connection, sae.sae_id, result["feature_index"]).tokens
        assert panel is not None
        rows = [i for i, token in enumerate(panel.token_id.tolist()) if token in ids]
        assert result["complete"]
        assert result["score"] == pytest.approx(panel.share[rows].sum(), rel=1e-5)
        assert result["n_active"] == panel.n_active[rows].sum()
        total = sum(occurrences(connection, sae.corpus_id, ids).values())
        assert result["n_occurrences"] == total
    rates = _search(client, q="self", mode="rate", size=200)["results"]
    for result in rates:
        assert result["score"] == pytest.approx(result["n_active"] / result["n_occurrences"])
    assert {(r["sae"], r["feature_index"]) for r in rates} == {
        (r["sae"], r["feature_index"]) for r in answer["results"]
    }


def test_logits_count_by_the_strongest_token(connection: Connection) -> None:
    sae = list_saes(connection)[0]
    one, other, both = (
        {hit.feature_index: hit.score for hit in _hits(rank(connection, "promotes", [(sae, ids)]))}
        for ids in ([30], [31], [30, 31])
    )
    assert both == {f: max(one.get(f, 0), other.get(f, 0)) for f in one.keys() | other.keys()}


@pytest.mark.parametrize("mode", MODES)
def test_pages_are_stable(client: TestClient, mode: str) -> None:
    whole = _search(client, q="self", mode=mode, size=200)
    assert whole["next"] is None
    url: str | None = f"/-/search.json?q=self&mode={mode}&size=7"
    found: list[dict[str, Any]] = []
    while url:
        page = client.get(url).json()
        found += page["results"]
        url = page["next_url"]
    assert found == whole["results"]
    assert len(found) == whole["n_results"] > 7


def test_a_place_belongs_to_one_search(client: TestClient) -> None:
    token = _search(client, q="self", mode="fires", size=5)["next"]
    for other in ({"q": "self", "mode": "rate"}, {"q": "def", "mode": "fires"}):
        assert client.get("/-/search.json", params={**other, "next": token}).status_code == 400


def test_one_dictionary_or_all(client: TestClient) -> None:
    everywhere = _search(client, q="self", size=200)["results"]
    assert {r["sae"] for r in everywhere} == {"resid-2-1k", "resid-1-1k"}
    one = _search(client, q="self", sae="synthetic/resid-1-1k", size=200)["results"]
    assert one == [r for r in everywhere if r["sae"] == "resid-1-1k"]


def test_lists_that_were_cut_say_so(connection: Connection) -> None:
    """A feature missing from a token's cut list may fire on it: its sum is a lower bound."""
    sae = list_saes(connection)[0]
    rankings = get_rankings(connection, sae.sae_id, "fires", [1, 2])
    cut = {token: replace(r, n_total=r.n_total + 5) for token, r in rankings.items()}
    scores = combine("fires", cut, 10)
    on_both = set(rankings[1].feature_index.tolist()) & set(rankings[2].feature_index.tolist())
    assert set(scores.feature_index[scores.complete].tolist()) == on_both
    assert combine("fires", rankings, 10).complete.all()


def test_nothing_listed_gives_no_hits(connection: Connection) -> None:
    sae = list_saes(connection)[0]
    ranking = rank(connection, "fires", [(sae, [])])
    assert (len(ranking), ranking.hits(0, 5), ranking.find(sae.address, 0)) == (0, [], None)


def _hits(ranking: Ranking) -> list[Hit]:
    return ranking.hits(0, len(ranking))


def test_with_several_models_a_token_is_named_with_its_model(
    tmp_path: Path, make_client: MakeClient
) -> None:
    """The same id is another token in another vocabulary."""
    path = tmp_path / "atlas.db"
    build_synthetic_atlas(path, n_features=20, saes=("one",), model="first")
    build_synthetic_atlas(path, n_features=20, saes=("one",), model="second", hostile=True)
    client = make_client(path)
    tokens = _search(client, q="self")["tokens"]
    ids = {t["model"]: t["token_id"] for t in tokens if t["token"] == "self"}
    assert ids["first"] != ids["second"]
    page = client.get("/-/search?q=self").text
    for model, token_id in ids.items():
        assert f'value="{model}:{token_id}" checked' in page
    narrowed = _search(client, q="self", token=[f"first:{ids['first']}"])["tokens"]
    assert {t["token"] for t in narrowed if t["searched"] and t["model"] == "first"} == {"self"}
    found = _search(client, q="self", size=200)["results"]
    assert {result["model"] for result in found} == {"first", "second"}


def test_a_number_is_a_feature_too(client: TestClient) -> None:
    for text in ("#7", "7"):
        assert [f["feature_index"] for f in _search(client, q=text)["features"]] == [7, 7]
    assert _search(client, q="#60")["features"] == []
    assert 'href="/synthetic/resid-1-1k/7"' in client.get("/-/search?q=%237").text


def test_a_name_before_the_number_chooses_the_dictionary(client: TestClient) -> None:
    for text in ("resid-1-1k#7", "synthetic/resid-1-1k#7"):
        assert [f["sae"] for f in _search(client, q=text)["features"]] == ["resid-1-1k"]
    # It is found from another dictionary too; a number alone stays in the one that is searched.
    elsewhere = _search(client, q="resid-1-1k#7", sae="synthetic/resid-2-1k")["features"]
    assert [f["sae"] for f in elsewhere] == ["resid-1-1k"]
    here = _search(client, q="#7", sae="synthetic/resid-2-1k")["features"]
    assert [f["sae"] for f in here] == ["resid-2-1k"]


def test_nothing_found_is_said(client: TestClient) -> None:
    assert _search(client, q="no-such-token")["results"] == []
    assert "No token of the vocabulary" in client.get("/-/search?q=no-such-token").text
    empty = client.get("/-/search")
    assert empty.status_code == 200
    assert "<fieldset" not in empty.text


def test_an_empty_box_shows_searches_that_find_something(client: TestClient) -> None:
    page = client.get("/-/search").text
    starters = re.findall(r'<dt><a class="token-name" href="([^"]+)"', page)
    assert len(starters) == 8
    for url in starters:
        answer = client.get(html.unescape(url).replace("/-/search?", "/-/search.json?")).json()
        found = answer["features"] or any(group["n_results"] for group in answer["groups"])
        assert found and answer["problem"] is None, url


def test_the_overview_shows_the_first_of_each_group(client: TestClient) -> None:
    page = client.get("/-/search?q=self").text
    for mode in ("fires", "promotes", "suppresses", "summaries", "examples"):
        assert f'id="results-{mode}"' in page
    for mode in (*MODES, "summaries", "examples"):
        assert f'href="/-/search?q=self&amp;mode={mode}"' in page
    twin = _search(client, q="self")
    groups = {group["mode"]: group for group in twin["groups"]}
    assert list(groups) == ["fires", "promotes", "suppresses", "examples", "summaries"]
    assert groups["fires"]["results"] == twin["results"][: len(groups["fires"]["results"])]
    for mode, group in groups.items():
        alone = _search(client, q="self", mode=mode)
        assert alone["n_results"] == group["n_results"]
        assert alone["results"][: len(group["results"])] == group["results"]


@pytest.mark.parametrize(
    "text",
    [
        '"', "*", "**", "NEAR(", "NEAR(a b)", "^a", "a AND", "a\0b", "x" * 500,
        "\u05d0\u05d1 \u202e",
        "-", "- -", '-"', "'", "''", "+ +", "' '", "a" * 70 + "*", "#", "##1", '"' * 40, ":",
        "col:a", "\n", "\t \n", "·", "'\n'", "½", "\ufffd",
    ],
)  # fmt: skip
def test_no_text_breaks_a_search(client: TestClient, text: str) -> None:
    for mode in ("", "fires", "examples", "summaries"):
        arguments = {"q": text, "mode": mode} if mode else {"q": text}
        assert client.get("/-/search", params=arguments).status_code == 200
        assert client.get("/-/search.json", params=arguments).json()["ok"] is True


def test_what_cannot_be_read_is_a_sentence(client: TestClient) -> None:
    assert "only leaves out" in client.get("/-/search", params={"q": "-self"}).text
    assert _search(client, q="-self")["problem"].startswith("“-self” only leaves out")
    too_long = client.get("/-/search", params={"q": "x" * 501})
    assert too_long.status_code == 400


def test_an_atlas_without_dictionaries_is_searched_in_vain(
    bare_path: Path, make_client: MakeClient
) -> None:
    client = make_client(bare_path)
    for text in ("", "self", "self -def", '"raise ValueError"'):
        assert _search(client, q=text)["groups"] == []
        assert client.get("/-/search", params={"q": text}).status_code == 200
        assert client.get("/-/suggest.json", params={"q": text}).json()["tokens"] == []


def test_what_is_not_listed_is_counted_in_pairs(client: TestClient) -> None:
    """Two tokens can each leave the same feature out, so it is no number of features."""
    left_out = _search(client, q="self", mode="promotes")["n_left_out"]
    page = client.get("/-/search", params={"q": "self", "mode": "promotes"}).text
    words = f"{left_out:,} weaker pairs of token and feature not listed"
    assert (words in page) == (left_out > 1)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("q=%2312&sae=synthetic/resid-2-1k", "resid-2-1k/12"),
        ("q=+%2312+&sae=synthetic/resid-1-1k", "resid-1-1k/12"),
        ("q=resid-2-1k%2312", "resid-2-1k/12"),
        ("q=synthetic/resid-2-1k%2312&sae=synthetic/resid-1-1k", "resid-2-1k/12"),
    ],
)
def test_a_number_that_names_one_feature_goes_to_it(
    client: TestClient, query: str, index: str
) -> None:
    answer = client.get(f"/-/search?{query}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/synthetic/{index}")
    twin = client.get(f"/-/search.json?{query}")
    assert twin.status_code == 200 and len(twin.json()["features"]) == 1


@pytest.mark.parametrize(
    "query",
    ["q=%2312", "q=12&sae=synthetic/resid-2-1k", "q=%2399&sae=synthetic/resid-2-1k", "q=%23", "q="],
)
def test_a_number_that_names_several_or_none_or_may_be_a_token_is_answered(
    client: TestClient, query: str
) -> None:
    assert client.get(f"/-/search?{query}").status_code == 200
