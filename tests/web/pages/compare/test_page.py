"""Features side by side: pairs counted exactly, shared tokens first, lines over the same text."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection

from app.db.catalog import Sae, list_saes
from app.db.directions import get_directions
from app.db.engine import Atlas, open_atlas
from app.db.features import get_features, get_panels
from app.db.records import FeaturePanels
from app.demo.synthetic import build_synthetic_atlas
from app.web.feature_numbers import Named, parse_features
from app.web.memory import Memory
from app.web.pages.compare import page as page_module
from app.web.pages.compare.page import ComparePage, build
from app.web.views import CompareView

from ...conftest import MakeClient

SAE = "/synthetic/resid-2-1k"


@pytest.fixture(scope="module")
def events_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("compare") / "atlas.db"
    return build_synthetic_atlas(path, n_features=40, saes=("resid-2-1k",), events=True)


@pytest.fixture(scope="module")
def with_events(events_path: Path) -> Atlas:
    return open_atlas(events_path)


def _page(atlas: Atlas, indices: list[int], memory: Memory) -> ComparePage:
    with atlas.connect() as connection:
        [sae] = list_saes(connection)
        return build(connection, sae, indices, CompareView(), memory)


@pytest.fixture
def exact(with_events: Atlas, events_path: Path) -> ComparePage:
    return _page(with_events, [3, 5, 8], Memory(events_path))


@pytest.fixture
def listed_only(with_events: Atlas, tmp_path: Path) -> ComparePage:
    """The same without the events beside the atlas."""
    return _page(with_events, [3, 5, 8], Memory(tmp_path / "atlas.db"))


@pytest.mark.parametrize(
    ("text", "expected"), [("3,17", [3, 17]), (" 3, 17 ,", [3, 17]), ("4 3,3 2 1", [4, 3, 2, 1])]
)
def test_feature_numbers_as_people_write_them(text: str, expected: list[int]) -> None:
    assert parse_features(text) == expected


@pytest.mark.parametrize(
    ("query", "status", "sentence"),
    [
        ("", 400, "Two to four different features can be compared, none named"),
        ("?features=3", 400, "Two to four different features can be compared, one named"),
        ("?features=3,3", 400, "one named"),
        ("?features=1,2,3,4,5", 400, "5 named"),
        ("?features=3,x", 400, "&#39;x&#39; is no feature number"),
        ("?features=3,-1", 400, "is no feature number"),
        ("?features=3,²", 400, "is no feature number"),
        ("?features=3,999", 404, "has no feature 999: it has features 0 to 59."),
        ("?features=3,5&axis=diagonal", 400, "axis"),
        ("?features=3,5&colour=red", 400, "There is no argument"),
    ],
)
def test_mistakes_are_answered_in_a_sentence(
    client: TestClient, query: str, status: int, sentence: str
) -> None:
    answer = client.get(f"{SAE}/compare{query}")
    assert answer.status_code == status
    assert sentence in answer.text


def test_joint_firings_are_counted_from_every_firing(exact: ComparePage, events_path: Path) -> None:
    memory = Memory(events_path)
    with open_atlas(events_path).connect() as connection:
        [sae] = list_saes(connection)
        events = memory.events(connection, sae)
        directions = get_directions(connection, sae.sae_id, sae.record.output_width, [3, 5, 8])
    assert events is not None
    places: dict[Named, set[int]] = {i: set(events.feature(i).places.tolist()) for i in (3, 5, 8)}
    rows: dict[Named, int] = {i: i for i in (3, 5, 8)}
    assert [(pair.first, pair.second) for pair in exact.pair_values.rows] == [
        (3, 5), (3, 8), (5, 8),
    ]  # fmt: skip
    for pair in exact.pair_values.rows:
        first, second = places[pair.first], places[pair.second]
        assert pair.n_joint == len(first & second)
        if first | second:
            assert pair.jaccard == len(first & second) / len(first | second)
        expected = float(directions[rows[pair.first]] @ directions[rows[pair.second]])
        assert pair.cosine == pytest.approx(expected, abs=1e-6)
    assert exact.pair_values.n_tokens == sae.corpus.n_tokens
    assert "over all" in exact.pairs_note


def test_without_events_and_directions_only_listed_pairs_are_known(
    with_events: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "get_directions", lambda *_: {})
    with with_events.connect() as connection:
        [sae] = list_saes(connection)
        panels = get_panels(connection, sae.sae_id, 3)
    assert panels.neighbors is not None and panels.coactive is not None
    near = int(panels.neighbors.feature_index[panels.neighbors.feature_index != 3][0])
    partner = int(panels.coactive.feature_index[panels.coactive.feature_index != 3][0])
    memory = Memory(tmp_path / "atlas.db")
    found = _page(with_events, [3, near], memory).pair_values.rows[0]
    at = panels.neighbors.feature_index == near
    assert found.cosine == pytest.approx(float(panels.neighbors.cosine_similarity[at][0]))
    page = _page(with_events, [3, partner], memory)
    at = panels.coactive.feature_index == partner
    assert page.pair_values.rows[0].n_joint == int(panels.coactive.n_joint[at][0])
    assert "known only of listed neighbours" in page.pairs_note
    related = {*panels.neighbors.feature_index.tolist(), *panels.coactive.feature_index.tolist()}
    with with_events.connect() as connection:
        others = [
            i for i in range(40)
            if i != 3 and i not in related
            and not _knows(get_panels(connection, sae.sae_id, i), 3)
        ]  # fmt: skip
    stranger = _page(with_events, [3, others[0]], memory)
    assert math.isnan(stranger.pair_values.rows[0].cosine)
    assert (stranger.pairs[0].cosine, stranger.pairs[0].joint) == ("not listed", "not listed")


def _knows(panels: FeaturePanels, index: int) -> bool:
    return any(
        panel is not None and index in panel.feature_index.tolist()
        for panel in (panels.neighbors, panels.coactive)
    )


def test_conditionals_keep_their_direction(with_events: Atlas, tmp_path: Path) -> None:
    """A pair found in the second one's list is turned around."""
    with with_events.connect() as connection:
        [sae] = list_saes(connection)
        panels = get_panels(connection, sae.sae_id, 3)
        assert panels.coactive is not None
        partner = next(
            (i, int(other))
            for i, other in enumerate(panels.coactive.feature_index.tolist())
            if other != 3 and not _knows(get_panels(connection, sae.sae_id, int(other)), 3)
        )
    row, other = partner
    pair = _page(with_events, [other, 3], Memory(tmp_path / "atlas.db")).pair_values.rows[0]
    assert pair.first_given_second == pytest.approx(float(panels.coactive.p_other_given_this[row]))
    assert pair.second_given_first == pytest.approx(float(panels.coactive.p_this_given_other[row]))


def test_shared_tokens_come_first_with_the_shares_of_each(exact: ComparePage) -> None:
    listed = []
    for material in exact.materials:
        panel = material.panels.tokens
        assert panel is not None
        listed.append(dict(zip(panel.token_id.tolist(), panel.share.tolist(), strict=True)))
    for row in exact.tokens.shared:
        assert sum(row.token.token_id in known for known in listed) > 1
    for (index, own), known, material in zip(
        exact.tokens.own, listed, exact.materials, strict=True
    ):
        assert index == material.record.feature_index
        for row in own:
            assert [row.token.token_id in other for other in listed].count(True) == 1
            assert row.token.token_id in known
    counts = [sum(row.token.token_id in known for known in listed) for row in exact.tokens.shared]
    assert counts == sorted(counts, reverse=True)


def test_what_a_feature_does_not_list_is_bounded_not_zero(exact: ComparePage) -> None:
    first, second, _ = exact.materials
    assert first.panels.tokens is not None and second.panels.tokens is not None
    longer = replace(second.panels.tokens, n_token_ids=second.panels.tokens.n_token_ids + 9)
    changed = replace(second, panels=replace(second.panels, tokens=longer))
    tokens = page_module.build_compared_tokens([first, changed])
    unlisted = [row.cells[1] for row in tokens.own[0][1]]
    assert unlisted and all(re.fullmatch(r"< [\d.]+%", cell.share) for cell in unlisted)
    complete = page_module.build_compared_tokens([first, second])
    assert {row.cells[1].share for row in complete.own[0][1]} == {"0"}


def test_lines_carry_every_firing_of_every_feature(exact: ComparePage, events_path: Path) -> None:
    memory = Memory(events_path)
    with open_atlas(events_path).connect() as connection:
        [sae] = list_saes(connection)
        events = memory.events(connection, sae)
    assert events is not None and exact.texts and exact.all_known
    for text in exact.texts:
        stop = text.start + len(text.token_ids)
        assert [line.named for line in text.lines] == [3, 5, 8]
        for line in text.lines:
            assert isinstance(line.named, int)
            found = events.feature(line.named)
            here = (found.context_id == text.context_id) & (found.position >= text.start)
            here &= found.position < stop
            expected = dict(
                zip(found.position[here].tolist(), found.activation[here].tolist(), strict=True)
            )
            assert line.values == expected
            assert bool(line.line.activations) == bool(expected)
    assert len({text.context_id for text in exact.texts}) == len(exact.texts)
    assert len(exact.texts) == 9


def test_without_events_a_line_is_known_only_in_its_own_contexts(
    exact: ComparePage, listed_only: ComparePage
) -> None:
    own: dict[Named, set[int]] = {
        material.record.feature_index: {
            context_id
            for stored in material.groups.values()
            for context_id in stored.context_id.tolist()
        }
        for material in listed_only.materials
    }
    for text, same in zip(listed_only.texts, exact.texts, strict=True):
        for line, true in zip(text.lines, same.lines, strict=True):
            assert line.known == (text.context_id in own[line.named])
            if line.known:
                assert line.values == pytest.approx(true.values)
    assert "a hatched line is not known" in listed_only.texts_note


def test_the_twin_has_the_same_numbers(make_client: MakeClient, events_path: Path) -> None:
    client = make_client(events_path)
    twin = client.get(f"{SAE}/compare.json?features=3,5").json()
    assert twin["ok"] and [item["feature_index"] for item in twin["features"]] == [3, 5]
    [pair] = twin["pairs"]
    assert (pair["first"], pair["second"], twin["pairs_exact"]) == (3, 5, True)
    for item in twin["texts"]:
        assert set(item["activations"]) == {"3", "5"}
        peak = item["position"] - item["window_start"]
        own = item["activations"][str(item["feature_index"])]
        assert own[peak] == pytest.approx(max(own))


def test_features_are_added_and_taken_away_by_links(client: TestClient) -> None:
    html = client.get(f"{SAE}/compare?features=3,5,8&axis=absolute").text
    assert f'href="{SAE}/compare?features=5,8&amp;axis=absolute"' in html
    assert f'href="{SAE}/compare?features=3,5,8#histograms"' in html, "the default axis stays out"
    assert f'action="{SAE}/compare"' in html and 'value="3, 5, 8, "' in html
    two = client.get(f"{SAE}/compare?features=3,5").text
    assert f'<a class="remove quiet" href="{SAE}/5"' in two


def test_a_dead_feature_can_be_compared(connection: Connection, sae: Sae, atlas: Atlas) -> None:
    records = get_features(connection, sae.sae_id, range(60))
    [dead, *_] = [i for i, record in records.items() if record.n_active == 0]
    page = build(connection, sae, [dead, 3], CompareView(), Memory(Path("none.db")))
    assert page.chart is not None
    assert page.spread[0].shares[0] == "–"
    assert {text.owner for text in page.texts} == {3}


def test_hostile_tokens_stay_text(hostile_path: Path, make_client: MakeClient) -> None:
    html = make_client(hostile_path).get(f"{SAE}/compare?features=1,2,3,4").text
    assert "<script>alert" not in html and "<img src=x" not in html
    assert html.count("<main") == 1


def test_decoder_rows_that_were_not_moved_along_are_missed_in_a_sentence(
    events_path: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "moved.db"
    moved.write_bytes(events_path.read_bytes())
    found = _page(open_atlas(moved), [3, 5, 8], Memory(moved))
    assert "decoders" in found.pairs_note
    assert "decoders" not in _page(open_atlas(events_path), [3, 5], Memory(moved)).pairs_note
