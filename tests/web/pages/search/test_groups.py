"""What a search finds in examples, in summaries and for several words, against brute force."""

import re
from dataclasses import replace
from itertools import groupby
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection

from app.db.catalog import Sae
from app.db.examples import get_contexts, get_groups
from app.db.features import get_panels
from app.db.fulltext.words import TokenWords, words_of
from app.db.records import TokenRanking
from app.db.tokens import TokenPairs, get_rankings, get_tokens
from app.web.pages.search.combine import weigh
from app.web.pages.search.groups import Searched
from app.web.pages.search.lede import lede
from app.web.pages.search.query import read_query
from app.web.pages.search.summaries import SummaryRanking

NEAR = 4


def _search(client: TestClient, **arguments: Any) -> dict[str, Any]:
    return client.get("/-/search.json", params=arguments).json()


def _windows(connection: Connection, sae: Sae) -> list[dict[str, Any]]:
    """Every distinct example of a dictionary with the placed words of its window."""
    texts: dict[int, list[Any]] = {}
    found: list[dict[str, Any]] = []
    for feature in range(sae.record.n_features):
        seen: set[tuple[int, int]] = set()
        groups = get_groups(connection, sae.sae_id, feature, ["top", "interval", "quantile"])
        for name in ("top", "interval", "quantile"):
            if name not in groups:
                continue
            group = groups[name][0]
            for row in range(group.position.size):
                place = int(group.context_id[row]), int(group.position[row])
                if place in seen:
                    continue
                seen.add(place)
                if place[0] not in texts:
                    [context] = get_contexts(connection, sae.corpus_id, [place[0]]).values()
                    ids = context.token_ids.tolist()
                    tokens = get_tokens(connection, sae.model_id, ids)
                    texts[place[0]] = list(TokenWords(list(tokens.values())).words(ids))
                start, stop = int(group.window_start[row]), int(group.window_stop[row])
                found.append({
                    "feature": feature, "name": f"{name}-{row + 1}", "peak": place[1],
                    "activation": float(group.activation[row]), "context_id": place[0],
                    "start": start, "stop": stop, "words": texts[place[0]],
                })  # fmt: skip
    return found


def _matches(window: dict[str, Any], phrase: list[str]) -> list[tuple[int, int]]:
    words = window["words"]
    spans = [
        (words[i].first, words[i + len(phrase) - 1].last + 1)
        for i in range(len(words) - len(phrase) + 1)
        if [word.text for word in words[i : i + len(phrase)]] == phrase
    ]
    return [(a, b) for a, b in spans if a >= window["start"] and b <= window["stop"]]


@pytest.mark.parametrize(
    ("q", "wanted", "unwanted"),
    [
        ('"raise ValueError"', ["raise ValueError"], []),
        ("self", ["self"], []),
        ("self raise", ["self", "raise"], []),
        ("self -raise", ["self"], ["raise"]),
        ('class -"return self"', ["class"], ["return self"]),
    ],
)
def test_features_rank_by_their_examples(
    client: TestClient, connection: Connection, sae: Sae, q: str, wanted: list[str],
    unwanted: list[str],
) -> None:  # fmt: skip
    answer = _search(client, q=q, mode="examples", sae=sae.address, size=200)
    expected = []
    windows = _windows(connection, sae)
    largest = {f: max(w["activation"] for w in own) for f, own in
               ((f, list(g)) for f, g in groupby(windows, lambda w: w["feature"]))}  # fmt: skip
    for feature, group in groupby(windows, lambda w: w["feature"]):
        own = list(group)
        shown = []
        for window in own:
            found = [_matches(window, words_of(phrase)) for phrase in wanted]
            against = [_matches(window, words_of(phrase)) for phrase in unwanted]
            if all(found) and not any(against):
                spans = [span for one in found for span in one]
                peak = window["peak"]
                shown.append((window, any(a <= peak < b + NEAR for a, b in spans), spans))
        if shown:
            n_near = sum(near for _, near, _ in shown)
            strongest = max(window["activation"] for window, *_ in shown) / largest[feature]
            expected.append((-n_near, -len(shown), -round(strongest, 5), feature, len(own), shown))
    expected.sort(key=lambda item: item[:4])
    assert len(expected) == answer["n_results"] > 3
    results = answer["results"]
    assert [(-r["n_near"], -r["n_showing"], r["n_examples"]) for r in results] == [
        (near, n, all_of_it) for near, n, _, _, all_of_it, _ in expected
    ]
    assert [r["feature_index"] for r in results] == [item[3] for item in expected]
    for result, (*_, shown) in zip(results, expected, strict=True):
        near = [item for item in shown if item[1]] or shown
        best = max(window["activation"] for window, *_ in near)
        assert result["activation"] == pytest.approx(best)
        [own] = [item for item in near if item[0]["name"] == result["example"]]
        assert (result["context_id"], result["position"]) == (own[0]["context_id"], own[0]["peak"])
        assert {tuple(span) for span in result["matches"]} <= set(own[2])


@pytest.mark.parametrize(("mode", "q"), [("examples", "self"), ("summaries", "tokens")])
def test_pages_of_the_new_groups_are_stable(client: TestClient, mode: str, q: str) -> None:
    whole = _search(client, q=q, mode=mode, size=200)
    url: str | None = f"/-/search.json?q={q}&mode={mode}&size=7"
    found: list[dict[str, Any]] = []
    while url:
        page = client.get(url).json()
        found += page["results"]
        url = page["next_url"]
    assert found == whole["results"]
    assert len(found) == whole["n_results"] > 7


def test_the_line_shows_the_match_underlined_and_opens_its_example(client: TestClient) -> None:
    page = client.get("/-/search", params={"q": '"raise ValueError"', "mode": "examples"}).text
    lines = re.findall(r'<div class="line activation">.*?</div>', page, re.S)
    assert lines
    for line in lines:
        after = line.split('class="after"')[1]
        shown = re.sub(r"<[^>]+>", "", after)
        assert re.match(r">\s*raise ValueError", shown), shown
        assert re.search(r'class="?[^">]*\bmatch\b', after)
    for url in re.findall(r'<a href="(/synthetic/[^"]+)">open</a>', page)[:5]:
        parts = urlsplit(url.replace("&amp;", "&"))
        [example] = parse_qs(parts.query)["example"]
        assert parts.fragment == example
        assert f'id="{example}"' in client.get(f"{parts.path}?{parts.query}").text


def test_summaries_say_the_words(client: TestClient) -> None:
    answer = _search(client, q="self", mode="summaries", size=200)
    assert answer["n_results"] > 1
    in_short = [r["in_short"] for r in answer["results"]]
    assert in_short == sorted(in_short, reverse=True)
    for result in answer["results"]:
        assert "self" in words_of(re.sub("[·↵→]", " ", result["summary"] + " " + result["short"]))
    every = _search(client, q="tokens", mode="summaries", size=200)
    without = _search(client, q="tokens -self", mode="summaries", size=200)
    kept = [r for r in every["results"] if r not in answer["results"]]
    assert [r["feature_index"] for r in without["results"]] == [
        r["feature_index"] for r in every["results"]
        if not any((r["sae"], r["feature_index"]) == (o["sae"], o["feature_index"])
                   for o in answer["results"])
    ]  # fmt: skip
    assert len(kept) >= without["n_results"] > 0


@pytest.mark.parametrize(("q", "words"), [("self", ("self",)), ("on", ("on",)), ("def*", None)])
def test_short_forms_that_say_the_words_start_with_the_strongest_token(
    client: TestClient, q: str, words: tuple[str, ...] | None
) -> None:
    """By the share of a feature's strongest token if it is the word, over all dictionaries."""
    found = _search(client, q=q, mode="summaries", size=200)["results"]
    places = {"resid-2-1k": 0, "resid-1-1k": 1}

    def order(result: dict[str, Any]) -> tuple[bool, float, int, int]:
        listed = f"/synthetic/{result['sae']}.json?feature_index={result['feature_index']}"
        [feature] = client.get(listed).json()["features"]
        said = words_of(feature["top_tokens"][0]["token"]) if feature["top_tokens"] else []
        own = any(w.startswith("def") if words is None else w in words for w in said)
        share = feature["top_token_share"] if own and result["in_short"] else 0.0
        return (not result["in_short"], -share, places[result["sae"]], result["feature_index"])

    keys = [order(result) for result in found]
    assert keys == sorted(keys)
    if q == "self":
        assert len({share for _, share, *_ in keys}) > 1


@pytest.mark.parametrize("mode", ["fires", "rate"])
def test_on_both_and_on_the_one_only(
    client: TestClient, connection: Connection, sae: Sae, mode: str
) -> None:
    """On the invented atlas every list is whole, so the answer is exact."""
    ids = {t["token"]: t["token_id"] for t in _search(client, q="self")["tokens"]} | {
        t["token"]: t["token_id"] for t in _search(client, q="def")["tokens"]
    }
    one, other = ([ids[w] for w in words] for words in (("self", " self"), ("def", " def")))
    on: dict[int, tuple[float, float]] = {}
    for feature in range(sae.record.n_features):
        panel = get_panels(connection, sae.sae_id, feature).tokens
        if panel is None:
            continue
        share = dict(zip(panel.token_id.tolist(), panel.share.tolist(), strict=True))
        on[feature] = (sum(share.get(i, 0) for i in one), sum(share.get(i, 0) for i in other))
    both = _search(client, q="self def", mode=mode, sae=sae.address, size=200)["results"]
    assert {r["feature_index"] for r in both} == {f for f, (a, b) in on.items() if a and b}
    for result in both:
        shares = [part["share"] for part in result["parts"]]
        assert shares == pytest.approx(on[result["feature_index"]], rel=1e-4)
        scores = shares if mode == "fires" else [
            part["n_active"] / part["n_occurrences"] for part in result["parts"]
        ]  # fmt: skip
        assert result["score"] == pytest.approx(min(scores))
    only = _search(client, q="self -def", mode=mode, sae=sae.address, size=200)["results"]
    assert {r["feature_index"] for r in only} == {f for f, (a, b) in on.items() if a and not b}
    assert only and both
    for result in only:
        panel = get_panels(connection, sae.sae_id, result["feature_index"]).tokens
        assert panel is not None
        if panel.n_token_ids <= panel.token_id.size:
            assert result["excluded_share"] == 0


@pytest.mark.parametrize("mode", ["promotes", "suppresses"])
def test_logits_of_several_words_are_the_weakest(
    client: TestClient, connection: Connection, sae: Sae, mode: Any
) -> None:
    def listed(text: str) -> dict[int, float]:
        answer = _search(client, q=text)
        ids = [t["token_id"] for t in answer["tokens"] if t["searched"]]
        scores: dict[int, float] = {}
        for ranking in get_rankings(connection, sae.sae_id, mode, ids).values():
            pairs = zip(ranking.feature_index.tolist(), ranking.score.tolist(), strict=True)
            for feature, score in pairs:
                scores[feature] = max(scores.get(feature, 0), score, key=abs)
        return scores

    one, other = listed("self"), listed("def")
    both = _search(client, q="self def", mode=mode, sae=sae.address, size=200)["results"]
    assert {r["feature_index"]: pytest.approx(r["score"]) for r in both} == {
        f: min(one[f], other[f], key=abs) for f in one.keys() & other.keys()
    }
    only = _search(client, q="self -def", mode=mode, sae=sae.address, size=200)["results"]
    assert {r["feature_index"] for r in only} == one.keys() - other.keys()


def test_what_no_list_holds_stays_open() -> None:
    """0 is in the token's cut list, 1 lists it itself; 2's own list is whole, 3's is cut."""
    pairs = TokenPairs(
        np.array([0, 0, 2]), np.array([0, 1]), np.array([0.5, 0.02], np.float32),
        np.array([5, 2]), np.array([0.01, 0.01, 0.0, 0.004], np.float32),
    )  # fmt: skip
    ranking = TokenRanking(np.array([0]), np.array([0.5]), np.array([0.5]), np.array([5]), 3)
    cut = weigh({1: ranking}, [1], pairs)
    assert cut.n_active.tolist() == [5, 2, 0, 0]
    assert cut.share.tolist() == pytest.approx([0.5, 0.02, 0, 0])
    assert cut.open_share.tolist() == pytest.approx([0, 0, 0, 0.004])
    whole = weigh({1: replace(ranking, n_total=1)}, [1], pairs)
    assert whole.open_share.tolist() == [0, 0, 0, 0]
    # No feature at all fires on a token without a list.
    assert weigh({}, [1], pairs).n_active.tolist() == [0, 0, 0, 0]


def test_the_sentence_counts_what_the_groups_hold(client: TestClient) -> None:
    page = client.get("/-/search?q=self").text
    [sentence] = re.findall(r'<p class="lede result-line">(.*?)</p>', page, re.S)
    numbers = [int(n.replace(",", "")) for n in re.findall(r"<b>([\d,]+)</b>", sentence)]
    groups = {g["mode"]: g["n_results"] for g in _search(client, q="self")["groups"]}
    assert numbers == [groups["fires"], groups["examples"], groups["summaries"]]
    text = " ".join(re.sub(r"<[^>]+>", "", sentence).split())
    assert text.startswith(f"{numbers[0]:,} features fire on self, ")


def test_the_sentence_says_none_after_the_first_count(sae: Sae) -> None:
    searched = Searched(read_query('"raise ValueError"'), [], [sae])
    empty = SummaryRanking([])
    pieces = lede(searched, {"examples": empty, "summaries": empty})
    said = "".join(text for _, text in pieces)
    assert said == (
        "No features show “raise ValueError” in an example and none name it in the summary."
    )
