"""The panel that tests a reading: what it says, what it links to, what it does with mistakes."""

import re
import shutil
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from fastapi.testclient import TestClient

from app.demo.synthetic import build_synthetic_atlas
from app.stats.reading.grammar import HELP
from app.web.pages.reading.lists import N_EACH
from app.web.pages.reading.panel import N_EACH_JSON
from tests.web.conftest import MakeClient

SAE = "/synthetic/resid-2-1k"
EMPTY_BUDGET = 2_000
RESULT_BUDGET = 60_000
PAGE_BUDGET = 150_000


@pytest.fixture(scope="module")
def with_events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reading") / "atlas.db"
    return build_synthetic_atlas(path, n_features=60, saes=("resid-2-1k",), events=True)


@pytest.fixture(scope="module")
def reader(with_events: Path, make_client: MakeClient) -> TestClient:
    return make_client(with_events)


@pytest.fixture(scope="module")
def feature(reader: TestClient) -> int:
    """A feature of tokens with many firings."""
    rows = reader.get(f"{SAE}.json?size=60").json()["features"]
    rows = [row for row in rows if 100 < row["n_active"] < 1_000 and row["run_length"] < 1.2]
    return rows[0]["feature_index"]


@pytest.fixture(scope="module")
def top_token(reader: TestClient, feature: int) -> dict[str, Any]:
    return reader.get(f"{SAE}/{feature}.json").json()["token_statistics"][0]


def _panel(client: TestClient, feature: int, reading: str = "", **view: str) -> str:
    """The section's markup."""
    params = {**view, **({"reading": reading} if reading else {})}
    answer = client.get(f"{SAE}/{feature}", params=params)
    assert answer.status_code == 200, answer.text
    found = re.search(r'<section [^>]*id="reading".*?</section>', answer.text, re.DOTALL)
    assert found is not None
    return found.group()


def _tested(client: TestClient, feature: int, reading: str, **view: str) -> dict[str, Any]:
    answer = client.get(f"{SAE}/{feature}.json", params={"reading": reading, **view})
    assert answer.status_code == 200, answer.text
    return answer.json()["reading"]


def _exact(token: str) -> str:
    return '"' + token.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def test_without_a_reading_it_is_small_and_reads_no_event(
    reader: TestClient, feature: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("events were read")

    monkeypatch.setattr("app.web.memory.Memory.ground", refuse)
    monkeypatch.setattr("app.evidence.event_files.SaeEvents.feature", refuse)
    panel = _panel(reader, feature)
    assert len(panel.encode()) < EMPTY_BUDGET
    assert reader.get(f"{SAE}/{feature}.json").json()["reading"] is None


def test_the_suggestions_are_readings_of_its_own_numbers(
    reader: TestClient, feature: int, top_token: dict[str, Any]
) -> None:
    links = re.findall(r"reading-suggestions.*?</p>", _panel(reader, feature), re.DOTALL)[0]
    readings = [
        parse_qs(urlsplit(unescape(href)).query)["reading"][0]
        for href in re.findall(r'href="([^"]+)"', links)
    ]
    assert 1 <= len(readings) <= 3
    assert readings[0] == _exact(top_token["token"])
    for reading in readings:
        assert _tested(reader, feature, reading)["n_both"] > 0


def test_a_single_token_has_the_counts_of_the_token_table(
    reader: TestClient, feature: int, top_token: dict[str, Any]
) -> None:
    tested = _tested(reader, feature, _exact(top_token["token"]))
    twin = reader.get(f"{SAE}/{feature}.json").json()
    assert tested["n_says_yes"] == top_token["n_occurrences"]
    assert tested["n_both"] == top_token["n_active"]
    assert tested["n_fires"] == twin["statistics"]["n_active"]
    assert tested["n_tokens"] == twin["statistics"]["n_tokens"]
    assert tested["precision"] == pytest.approx(top_token["rate"])
    assert tested["activation_mass_share"] == pytest.approx(top_token["share"], rel=1e-5)
    assert sum(tested["bands"]["n_fires"]) == tested["n_fires"]
    assert tested["parts"][0]["n_places"] == tested["n_says_yes"]


def test_the_lists_are_the_places_they_claim(
    reader: TestClient, feature: int, top_token: dict[str, Any]
) -> None:
    tested = _tested(reader, feature, _exact(top_token["token"]))
    n_missed = tested["n_fires"] - tested["n_both"]
    n_silent = tested["n_says_yes"] - tested["n_both"]
    for key, count in (
        ("fires_though_no", n_missed),
        ("silent_though_yes", n_silent),
        ("fires_and_yes", tested["n_both"]),
    ):
        cases = tested[key]
        assert len(cases) == min(count, N_EACH_JSON)
        for case in cases:
            at = case["position"] - case["window_start"]
            is_token = case["tokens"][at] == top_token["token"]
            assert is_token == (key != "fires_though_no")
            assert (case["activation"] > 0) == (key != "silent_though_yes")
            assert case["activations"][at] == case["activation"]
    assert len({(c["context_id"], c["position"]) for c in tested["fires_and_yes"]}) == len(
        tested["fires_and_yes"]
    )


def test_counterexamples_come_in_the_order_asked_for(
    reader: TestClient, feature: int, top_token: dict[str, Any]
) -> None:
    reading = _exact(top_token["token"])
    n_contexts = 64

    def activations(order: str) -> list[float]:
        """Up to where contexts begin to come twice."""
        cases = _tested(reader, feature, reading, order=order)["fires_and_yes"]
        contexts = [case["context_id"] for case in cases]
        first = len(set(contexts))
        assert len(set(contexts[:first])) == first <= n_contexts
        return [case["activation"] for case in cases[:first]]

    strongest, weakest = activations("strongest"), activations("weakest")
    assert strongest == sorted(strongest, reverse=True)
    assert weakest == sorted(weakest)
    assert activations("drawn") not in (strongest, weakest, activations("corpus"))
    panel = _panel(reader, feature, reading, order="weakest")
    nav = panel.split('aria-labelledby="l-reading-order"')[1].split("</nav>")[0]
    assert re.findall(r'aria-current="true">(\w+)', nav) == ["Weakest"]
    orders = re.findall(r"order=(\w+)", nav)
    assert sorted(set(orders)) == ["corpus", "drawn", "weakest"], "the default stays out"
    assert "silence having no strength" in panel


def test_the_page_says_the_same_as_its_twin(
    reader: TestClient, feature: int, top_token: dict[str, Any]
) -> None:
    reading = _exact(top_token["token"])
    tested, panel = _tested(reader, feature, reading), _panel(reader, feature, reading)
    assert len(panel.encode()) < RESULT_BUDGET
    text = unescape(re.sub(r"<[^>]+>", "", panel))
    assert f"says yes on {tested['n_says_yes']:,} of {tested['n_tokens']:,} tokens" in text
    assert f"{tested['n_both']:,} of {tested['n_fires']:,}" in text
    assert f"the {tested['n_tokens']:,} counted tokens of all 64 contexts" in text
    assert panel.count('<article class="example"') <= 3 * N_EACH
    shown = re.findall(r'href="([^"]+/context/[^"]+)"', panel)
    for case, href in zip(tested["fires_though_no"][:3], shown, strict=False):
        address = urlsplit(unescape(href))
        assert address.path == f"{SAE}/context/{case['context_id']}"
        view = parse_qs(address.query)
        assert view == {"position": [str(case["position"])], "feature": [str(feature)]}


def test_changes_lead_to_better_readings(reader: TestClient, feature: int) -> None:
    """Following every "add it" raises recall, every "leave it out" precision."""
    for reading in ("* with self within 40", "nowhere-to-be-found", "*"):
        before = _tested(reader, feature, reading)
        panel = _panel(reader, feature, reading)
        for href, label in re.findall(
            r'</code> [\d,]+ of [\d,]+ <a href="([^"]+)">(add it|leave it out)</a>', panel
        ):
            changed = parse_qs(urlsplit(unescape(href)).query)["reading"][0]
            after = _tested(reader, feature, changed)
            if label == "add it":
                assert after["recall"] > before["recall"]
            else:
                assert (after["precision"] or 0) >= (before["precision"] or 0)
                assert after["n_says_yes"] < before["n_says_yes"]
    assert "leave it out" in panel, "saying yes everywhere is wrong at most tokens"


def test_the_form_keeps_the_view_and_what_was_typed(reader: TestClient, feature: int) -> None:
    typed = '"<b>" | self'
    panel = _panel(reader, feature, typed, group="top", ablation="off", order="drawn")
    form = panel.split("<form")[1].split("</form>")[0]
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)
    assert sorted(hidden) == [("ablation", "off"), ("group", "top")]
    assert 'value="&#34;&lt;b&gt;&#34; | self"' in form
    assert f'action="{SAE}/{feature}#reading"' in form


@pytest.mark.parametrize(
    ("reading", "said", "marked"),
    [
        ("self with def", "say how near", " "),
        ("self | /a(b/", "this ( is never closed", "(b/"),
        ("self </textarea>", "Several words go in quotes", "&lt;/textarea&gt;"),
        ("((((a", "never closed", "("),
        ("/(a{200}){200}/", "too large", "/(a{200}){200}/"),
        (r"/(a)\1/", "back-references", r"\1/"),
        ("/a{1,9999}/", "up to 200 times", "{1,9999}/"),
    ],
)
def test_a_mistake_is_said_at_the_form_and_marked(
    reader: TestClient, feature: int, reading: str, said: str, marked: str
) -> None:
    panel = _panel(reader, feature, reading)
    assert said in unescape(panel)
    assert f"<mark>{marked}</mark>" in panel
    assert 'aria-invalid="true"' in panel
    assert "reading-sentence" not in panel
    answer = reader.get(f"{SAE}/{feature}.json", params={"reading": reading})
    assert answer.status_code == 400
    assert said in answer.json()["error"]


@pytest.mark.parametrize(
    "reading",
    ["(a+)+$", "/(a+)+$/", "/(.*a){12}/", "/(?:a?){30}a{30}/", "😀 | é",
     '"\\u202e"', "/\\x{1F600}/", '"\\ud800"', '"a\\ud800" | "(" ', f'"{"a(" * 190}"',
     "%00", "' OR 1=1 --'", "{{ 7*7 }}", '"</script>"', "🏳️‍🌈", "\u202egnirts"],
)  # fmt: skip
def test_hostile_readings_are_answered(reader: TestClient, feature: int, reading: str) -> None:
    panel = _panel(reader, feature, reading)
    assert "<script" not in panel
    assert "reading-sentence" in panel or "reading-problem" in panel


def test_a_reading_too_long_is_refused(reader: TestClient, feature: int) -> None:
    assert reader.get(f"{SAE}/{feature}?reading={quote('a ' * 300)}").status_code == 400


def test_a_word_the_vocabulary_lacks_says_what_finds_it(reader: TestClient, feature: int) -> None:
    panel = unescape(_panel(reader, feature, "retur"))
    n = _tested(reader, feature, "/retur/")["n_says_yes"]
    assert n > 0
    assert _instead(panel) == [("/retur/", "/retur/", n)]
    # what matches nowhere either is not offered
    nowhere = unescape(_panel(reader, feature, '"zq(zq"'))
    assert "stands nowhere as whole tokens" in nowhere
    assert _instead(nowhere) == []


def _instead(panel: str) -> list[tuple[str, str, int]]:
    """What is offered for parts that stand nowhere: (as written, the whole reading, its count)."""
    found = re.findall(
        r'; <a href="([^"]+)" data-in-place="reading"><code>(.*?)</code></a> '
        r"(?:stands on|finds it inside tokens: a match ends on) ([\d,]+) ",
        unescape(panel),
    )
    return [
        (source, parse_qs(urlsplit(href).query)["reading"][0], int(n.replace(",", "")))
        for href, source, n in found
    ]


def test_a_text_that_only_lacks_its_space_is_offered_with_it(
    reader: TestClient, feature: int
) -> None:
    """The whole reading is kept; the count offered is the one the page then gives."""
    twin = reader.get(f"{SAE}.json?size=60").json()["features"]
    tokens = {
        row["token"]
        for other in twin
        for row in reader.get(f"{SAE}/{other['feature_index']}.json").json()["token_statistics"]
    }
    only_spaced = sorted(t for t in tokens if re.fullmatch(r" \w+", t) and t[1:] not in tokens)
    offered = 0
    for token in only_spaced:
        bare = token[1:]
        typed = f"{_exact(bare)} | def"
        if _tested(reader, feature, _exact(bare))["n_says_yes"]:
            continue
        [(source, reading, n)] = _instead(_panel(reader, feature, typed))
        assert (source, reading) == (_exact(token), f"{_exact(token)} | def")
        assert n == _tested(reader, feature, source)["n_says_yes"]
        offered += 1
        if offered == 3:
            break
    assert offered


def test_every_form_of_the_help_is_shown_and_answered(reader: TestClient, feature: int) -> None:
    panel = unescape(_panel(reader, feature, "?"))
    assert 'id="reading-help" open' in panel
    for row in HELP:
        assert row.form in panel
        assert "reading-sentence" in _panel(reader, feature, row.form)


def test_a_dead_feature_has_nothing_to_be_held_against(reader: TestClient) -> None:
    rows = reader.get(f"{SAE}.json?size=60&dead=yes").json()["features"]
    assert rows, "one feature in fifty is dead"
    index = rows[0]["feature_index"]
    panel = _panel(reader, index, "self")
    assert "fires on none of the" in panel
    assert "reading-suggestions" not in _panel(reader, index)
    tested = _tested(reader, index, "self")
    assert tested["recall"] is None
    assert tested["precision"] == 0


def test_without_the_events_it_says_what_to_do(
    with_events: Path, tmp_path: Path, make_client: MakeClient, feature: int
) -> None:
    alone = tmp_path / "atlas.db"
    shutil.copy(with_events, alone)
    client = make_client(alone)
    panel = _panel(client, feature, "self")
    assert "atlas.events/ beside the atlas" in panel
    assert "atlas.events/" in _tested(client, feature, "self")["absent"]
    assert "reading-sentence" not in panel


@pytest.mark.parametrize("reading", ["*", "/s/", "self with def within 12 before", "?"])
@pytest.mark.parametrize(
    "rest", [{}, {"ablation": "both"}, {"ablation": "both", "example": "top-1"}]
)
def test_a_page_with_its_answer_stays_inside_its_budget(
    reader: TestClient, feature: int, reading: str, rest: dict[str, str]
) -> None:
    answer = reader.get(f"{SAE}/{feature}", params={"reading": reading, "group": "top", **rest})
    assert answer.status_code == 200
    assert len(answer.content) <= PAGE_BUDGET
    assert '<article class="example' in answer.text
