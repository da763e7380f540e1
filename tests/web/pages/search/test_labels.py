"""Search by labels, and search among what is labelled, against the same search without."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.db.catalog import list_saes
from app.db.engine import open_atlas
from app.db.fulltext.words import words_of
from app.notebook import labels
from app.notebook.database import open_notebook, writing
from app.notebook.records import Subject

from ...conftest import MakeClient

WORDS = ("self", "raise", "first", "argument", "Error", "line")
Labels = dict[tuple[str, int], list[str]]


@pytest.fixture(scope="module")
def labelled() -> Labels:
    """What is written, in the order it is: the last one is shown first."""
    draw = random.Random(5)
    found: Labels = {}
    for sae in ("resid-2-1k", "resid-1-1k"):
        for index in draw.sample(range(60), 25):
            texts = {" ".join(draw.sample(WORDS, draw.randint(1, 4))) for _ in range(2)}
            found[sae, index] = sorted(texts)
    return found


@pytest.fixture(scope="module")
def searched(
    atlas_path: Path, tmp_path_factory: pytest.TempPathFactory, make_client: MakeClient,
    labelled: Labels,
) -> Iterator[TestClient]:  # fmt: skip
    place = str(tmp_path_factory.mktemp("labels") / "notebook.db")
    notebook = open_notebook(place)
    atlas = open_atlas(atlas_path)
    with atlas.connect() as connection:
        hashes = {sae.record.sae: sae.record.weights_hash for sae in list_saes(connection)}
    atlas.close()
    with writing(notebook) as pen:
        for (sae, index), texts in labelled.items():
            for number, text in enumerate(texts):
                about = Subject("synthetic", sae, index, hashes[sae])
                made = labels.add_label(pen, about, "Ada", text)
                if number == len(texts) - 1:
                    labels.choose_label(pen, made, 0, "Ada")
    notebook.dispose()
    client = make_client(atlas_path, notebook=place)
    yield client
    client.app.state.notebook.dispose()  # type: ignore[attr-defined]


def _results(client: TestClient, q: str, mode: str, **more: Any) -> list[dict[str, Any]]:
    params = {"q": q, "mode": mode, "size": 200, **more}
    return client.get("/-/search.json", params=params).json()["results"]


def _key(result: dict[str, Any]) -> tuple[str, int]:
    return result["sae"], result["feature_index"]


@pytest.mark.parametrize("q", ["self", "raise self", "arg*", "self -raise", "Error line"])
def test_labels_that_have_the_words_rank_first_labels_then_short_ones(
    searched: TestClient, labelled: Labels, q: str
) -> None:
    wanted = [word for word in q.casefold().split() if not word.startswith("-")]
    unwanted = [word[1:] for word in q.casefold().split() if word.startswith("-")]

    def has(text: str, words: list[str]) -> bool:
        own = words_of(text)
        return all(
            any(o.startswith(w[:-1]) for o in own) if w.endswith("*") else w in own for w in words
        )

    expected = []
    for sae_number, sae in enumerate(("resid-2-1k", "resid-1-1k")):
        for (name, index), texts in labelled.items():
            shown = texts[::-1]
            if name != sae or any(has(text, [w]) for text in shown for w in unwanted):
                continue
            places = [i for i, text in enumerate(shown) if has(text, wanted)]
            if places:
                n_words = len(words_of(shown[places[0]]))
                row = (places[0] > 0, n_words, sae_number, index)
                expected.append((row, shown[places[0]], shown[0]))
    found = _results(searched, q, "labels")
    assert expected and [(one["found"], one["label"]) for one in found] == [
        (text, first) for _, text, first in sorted(expected)
    ]


@pytest.mark.parametrize(
    "mode", ["fires", "rate", "promotes", "suppresses", "examples", "summaries"]
)
@pytest.mark.parametrize("q", ["self", "self raise", "self -raise", "re*"])
def test_among_labelled_features_every_search_finds_what_it_finds_among_all(
    searched: TestClient, labelled: Labels, q: str, mode: str
) -> None:
    every = _results(searched, q, mode)
    only = _results(searched, f"has:label {q}", mode)
    assert only == [one for one in every if _key(one) in labelled]
    assert [one["label"] for one in only] == [labelled[_key(one)][-1] for one in only]
    assert all(one["label"] is None for one in every if _key(one) not in labelled)


def test_a_search_among_labelled_features_is_paged(searched: TestClient) -> None:
    whole = [_key(one) for one in _results(searched, "has:label self", "fires")]
    paged: list[tuple[str, int]] = []
    token: str | None = None
    while True:
        more = {"size": 3} | ({"next": token} if token else {})
        answer = searched.get(
            "/-/search.json", params={"q": "has:label self", "mode": "fires", **more}
        ).json()
        paged += [_key(one) for one in answer["results"]]
        token = answer["next"]
        if token is None:
            break
    assert paged == whole and len(whole) > 3


def test_without_a_word_all_labelled_features_come_in_their_order(
    searched: TestClient, labelled: Labels
) -> None:
    found = [_key(one) for one in _results(searched, "has:label", "labels")]
    assert found == sorted(labelled, key=lambda key: (key[0] != "resid-2-1k", key[1]))
    without = [_key(one) for one in _results(searched, "has:label -self", "labels")]
    kept = [key for key in found if all("self" not in words_of(t) for t in labelled[key])]
    assert without == kept and kept != found


def test_the_page_says_how_many_of_the_labelled_and_why_each(
    searched: TestClient, labelled: Labels
) -> None:
    page = searched.get("/-/search", params={"q": "has:label self"}).text
    assert f"Of <b>{len(labelled)}</b> labelled features" in page
    assert page.count("<mark>self</mark>") == 5, "each of the labels shown says where"
    assert "<mark>" not in searched.get("/-/search", params={"q": "has:label"}).text
    start = searched.get("/-/search").text
    assert "q=has%3Alabel" in start, "the empty box says that labels can be searched"


def test_labels_are_suggested_while_one_types(searched: TestClient, labelled: Labels) -> None:
    answer = searched.get("/-/suggest.json", params={"q": "argu"}).json()
    ranked = _results(searched, "argu*", "labels")
    assert [(one["sae"], one["feature_index"], one["label"]) for one in answer["labels"]] == [
        (*_key(one), one["found"]) for one in ranked[:5]
    ]
    assert all(one["url"].endswith(f"/{one['feature_index']}") for one in answer["labels"])
    (sae, index), texts = next(iter(labelled.items()))
    [numbered, *_] = searched.get("/-/suggest.json", params={"q": f"{sae}#{index}"}).json()[
        "features"
    ]
    assert numbered["label"] == texts[-1]
    one_letter = searched.get("/-/suggest.json", params={"q": "a"}).json()
    assert one_letter["labels"] == []
