"""The page of matches says what the two stored records found, under every view."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection

from app.db.catalog import Sae, find_sae
from app.db.engine import open_atlas
from app.db.studies import get_study
from app.db.study_records.matches import Matches
from app.web.memory import Memory
from app.web.pages.studies.matches.page import MatchesPage, build
from app.web.pages.studies.matches.view import MatchesView

URL = "/synthetic/one/matches"


@pytest.fixture
def connection(matched_path: Path) -> Iterator[Connection]:
    atlas = open_atlas(matched_path)
    with atlas.connect() as found:
        yield found
    atlas.close()


@pytest.fixture
def client(matched_path: Path, make_client: Callable[..., TestClient]) -> TestClient:
    return make_client(matched_path)


def sae_of(connection: Connection, name: str) -> Sae:
    found = find_sae(connection, "synthetic", name)
    assert found is not None
    return found


@pytest.fixture
def both(connection: Connection) -> tuple[Matches, Matches]:
    one, two = (sae_of(connection, name) for name in ("one", "two"))
    found = get_study(connection, Matches, one.sae_id, two.sae_id)
    back = get_study(connection, Matches, two.sae_id, one.sae_id)
    assert found is not None and back is not None
    return found, back


@pytest.fixture
def page_of(connection: Connection, matched_path: Path) -> Callable[..., MatchesPage]:
    memory = Memory(matched_path)
    sae = sae_of(connection, "one")
    return lambda **view: build(connection, sae, MatchesView(**view), memory)


def test_figures_are_those_of_both_records(
    page_of: Callable[..., MatchesPage], both: tuple[Matches, Matches]
) -> None:
    page = page_of(near="0.8")
    found, back = both
    living, other = page.measured.living, page.measured.other_living
    assert found.mmcs == pytest.approx(found.cosine[living].mean())
    n = int((found.cosine[living] >= 0.8).sum())
    n_new = int((back.cosine[other] < 0.8).sum())
    figures = {figure.name: figure for figure in page.figures}
    assert figures["Have a match there"].note == f"{n} of {living.sum()} living features"
    assert figures["Only here"].value == str(living.sum() - n)
    assert figures["New in two"].value == str(n_new)
    assert 10 < n < 50, "half of the rows are planted in both"


def test_matches_that_are_each_others_best_are_marked(
    page_of: Callable[..., MatchesPage], both: tuple[Matches, Matches]
) -> None:
    found, back = both
    lines = page_of(sort="feature_index").lines
    assert lines
    for line in lines:
        index = line.row.record.feature_index
        assert line.match is not None
        assert line.match.record.feature_index == found.best_index[index]
        assert line.mutual == (back.best_index[found.best_index[index]] == index)


@pytest.mark.parametrize("sort", ["cosine", "-cosine", "density", "-density", "feature_index"])
def test_the_list_is_in_its_order_and_whole(
    page_of: Callable[..., MatchesPage], both: tuple[Matches, Matches], sort: str
) -> None:
    first = page_of(sort=sort)
    listed, start = [], 0
    while start < first.n_listed:
        page = page_of(sort=sort, start=start)
        listed += [line.row.record.feature_index for line in page.lines]
        assert bool(page.next_url) == (len(listed) < first.n_listed)
        assert bool(page.previous_url) == bool(start)
        start += len(page.lines)
    living = np.flatnonzero(first.measured.living)
    assert sorted(listed) == living.tolist()
    values = {"cosine": both[0].cosine, "density": first.measured.columns["density"]}.get(
        sort.strip("-"), np.arange(60)
    )
    ordered = values[listed].tolist()
    assert ordered == sorted(ordered, reverse=sort.startswith("-"))


def test_a_range_lists_its_features(page_of: Callable[..., MatchesPage]) -> None:
    page = page_of(cosine="0.8..")
    assert page.n_listed == int((page.measured.found.cosine[page.measured.living] > 0.8).sum())
    for link in page_of().chart.chart.links:
        part = page_of(cosine=link.href.split("cosine=")[1].split("&")[0])
        assert f": {part.n_listed:,} features" in link.label


def test_one_to_one_uses_each_feature_once(page_of: Callable[..., MatchesPage]) -> None:
    page = page_of(matching="one-to-one", sort="-cosine")
    assert page.one_to_one
    used = page.measured.match[page.measured.living]
    used = used[used >= 0]
    assert len(set(used.tolist())) == used.size
    assert page.measured.other_living[used].all()
    twice = page_of().measured.match[page.measured.living]
    assert len(set(twice.tolist())) < twice.size


def test_other_hooks_are_said_to_be_incomparable(
    client: TestClient, page_of: Callable[..., MatchesPage]
) -> None:
    lines = {line.sae.record.sae: line for line in page_of().others}
    assert lines["two"].current and not lines["two"].problem
    assert "different hooks" in lines["elsewhere"].problem
    answer = client.get(f"{URL}?other=elsewhere")
    assert answer.status_code == 404
    assert "different hooks can’t be compared" in answer.text
    alone = client.get("/synthetic/elsewhere/matches")
    assert alone.status_code == 404
    assert "holds no other dictionary of blocks.1.hook_resid_post" in alone.text
    assert "/matches" not in client.get("/synthetic/elsewhere").text


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("other=tow", 404, "was compared with two"),
        ("other=one", 404, "no other dictionary"),
        ("near=0.3", 400, "near"),
        ("cosine=x..", 400, "is not a range"),
        ("start=-1", 400, "start"),
    ],
)
def test_mistakes_are_sentences(client: TestClient, query: str, status: int, said: str) -> None:
    answer = client.get(f"{URL}?{query}")
    assert answer.status_code == status
    assert said in answer.text


def test_the_page_is_whole_without_scripts(client: TestClient) -> None:
    html = client.get(f"{URL}?cosine=0.2..&sort=-cosine").text
    for words in ("MMCS into two", "New in two", "the other way round", "As a table",
                  "Features and their match", "side by side", "N = "):  # fmt: skip
        assert words in html


def test_the_twin_has_both_ways(client: TestClient, both: tuple[Matches, Matches]) -> None:
    twin: dict[str, Any] = client.get(f"{URL}.json?near=0.8").json()
    found, back = both
    assert twin["best_index"] == found.best_index.tolist()
    assert twin["mmcs"] == found.mmcs and twin["mmcs_back"] == back.mmcs
    turned = client.get("/synthetic/two/matches.json?near=0.8").json()
    assert turned["n_matched"] == twin["n_other_matched"]
    assert turned["random"] == twin["random_back"]
    assert twin["others"][1]["problem"]
