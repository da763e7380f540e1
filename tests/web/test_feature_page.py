"""The page of a feature: what it shows in every view, and what it says where there is nothing."""

import re
from collections.abc import Iterable
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection

from app.db import features
from app.db.catalog import Sae
from app.db.records import GROUPS, FeatureRecord
from app.web.memory import Memory
from app.web.pages.feature.page import FeaturePage, build
from app.web.paths import templates_folder
from app.web.views import FeatureView

from .conftest import MakeClient

SAE = "/synthetic/resid-2-1k"
TWIN_ALONE = {"material", "removed", "taken_apart"}
BUDGET = 150_000


@pytest.fixture(scope="module")
def records(client: TestClient) -> dict[int, dict[str, float]]:
    """All features of the list, by index."""
    found = client.get(f"{SAE}.json?size=60").json()["features"]
    return {row["feature_index"]: row for row in found}


@pytest.fixture(scope="module")
def richest(client: TestClient, records: dict[int, dict[str, float]]) -> int:
    """A feature whose groups are all full."""
    return full_feature(client, records)


def full_feature(client: TestClient, indices: Iterable[int]) -> int:
    """The first feature with 20 top, 25 interval, 25 quantile, 10 silent and 10 near examples."""
    for index in indices:
        groups = [item["group"] for item in client.get(f"{SAE}/{index}.json").json()["examples"]]
        if [groups.count(g) for g in GROUPS] == [20, 25, 25, 10, 10]:
            return index
    raise LookupError("no feature of the invented atlas has all its examples")


@pytest.fixture(scope="module")
def dead(records: dict[int, dict[str, float]]) -> int:
    return min(records, key=lambda index: records[index]["n_active"])


def _page(client: TestClient, index: int, query: str = "") -> str:
    answer = client.get(f"{SAE}/{index}{query}")
    assert answer.status_code == 200, answer.text
    return answer.text


def _ids(html: str, pattern: str) -> list[str]:
    return re.findall(rf'<article class="example[^"]*" id="({pattern})"', html)


def test_the_template_shows_exactly_the_context() -> None:
    used = _names_used("pages/feature.html")
    derived = {name for name, value in vars(FeaturePage).items() if isinstance(value, property)}
    assert used - derived == {field.name for field in fields(FeaturePage)} - TWIN_ALONE


def _names_used(name: str) -> set[str]:
    source = (templates_folder() / name).read_text()
    found = set(re.findall(r"\bpage\.(\w+)", source))
    for included in re.findall(r'{% include "([^"]+)" %}', source):
        found |= _names_used(included)
    return found


def test_it_opens_with_a_mix_of_top_and_intervals(client: TestClient, richest: int) -> None:
    html = _page(client, richest)
    assert _ids(html, r"top-\d+") == [f"top-{i}" for i in range(1, 6)]
    assert len(_ids(html, r"interval-\d+")) == 10
    assert html.count('class="group-head"') == 6


@pytest.mark.parametrize(
    ("group", "size"),
    [("top", 20), ("interval", 25), ("quantile", 25), ("silent", 10), ("near", 10)],
)
def test_one_group_is_sent_per_address(
    client: TestClient, richest: int, group: str, size: int
) -> None:
    html = _page(client, richest, f"?group={group}")
    n_shown = len(_ids(html, r"[a-z]+-\d+"))
    assert n_shown == len(_ids(html, rf"{group}-\d+"))
    assert n_shown == size or f"1 – {n_shown} of {size} shown" in html
    for other, count in zip(GROUPS, (20, 25, 25, 10, 10), strict=True):
        assert re.search(rf'group={other}#examples"[^>]*>[\w ]+ <small>{count}</small>', html)


@pytest.mark.parametrize("group", ["mix", *GROUPS])
@pytest.mark.parametrize(
    "rest",
    [
        "",
        "&layout=wrapped",
        "&ablation=both",
        "&ablation=both&layout=lines&window=whole",
        "&ablation=both&effect=hidden_pre&scale=log&color=example",
    ],
)
def test_every_view_stays_inside_its_budget(
    client: TestClient, richest: int, group: str, rest: str
) -> None:
    html = _page(client, richest, f"?group={group}{rest}")
    assert len(html.encode()) <= BUDGET


@pytest.mark.parametrize("rest", ["", "&ablation=both", "&band=0..", "&ablation=both&window=whole"])
def test_an_example_with_every_value_stays_inside_it(
    client: TestClient, richest: int, rest: str
) -> None:
    html = _page(client, richest, f"?example=top-1{rest}")
    assert len(html.encode()) <= BUDGET


def test_ablated_text_lies_beneath_the_examples_that_have_it(
    make_client: MakeClient, atlas_path: Path, richest: int
) -> None:
    client = make_client(atlas_path, notebook="off")  # with its forms not all 20 fit
    html = _page(client, richest, "?group=top")
    assert html.count('class="line activation"') == 20
    assert html.count('class="line ablated"') == 5
    assert "deleting tokens" in html
    replaced = _page(client, richest, "?group=top&ablation=replace")
    assert replaced.count('class="line ablated"') == 5
    assert "replacing tokens" in replaced
    assert _page(client, richest, "?ablation=off").count('class="line ablated"') == 0


def test_the_peak_is_replaced_but_never_deleted(client: TestClient, richest: int) -> None:
    deleted, replaced = (
        re.findall(r'<div class="line ablated".*?</div>', _page(client, richest, query), re.DOTALL)
        for query in ("?group=top", "?group=top&ablation=replace")
    )
    assert all('class="hatch peak"' in line for line in deleted)
    assert all(re.search(r'class="effect-n\d peak"', line) for line in replaced)


def test_a_group_without_ablated_text_says_so(client: TestClient, richest: int) -> None:
    html = _page(client, richest, "?group=silent")
    assert "No silent example has ablated text; of this feature, top and interval" in html


@pytest.mark.parametrize("name", ["top-99", "silent-4000", "top-0", "band-1"])
def test_an_example_that_is_not_there_is_not_found(
    client: TestClient, richest: int, name: str
) -> None:
    answer = client.get(f"{SAE}/{richest}?example={name}")
    assert answer.status_code == 404
    assert re.search(f"(This feature has|There is) no example {name}: ", answer.text)


@pytest.mark.parametrize(
    "query", ["?group=best", "?ablation=all", "?scale=cubic", "?example=x-1", "?layout=tree",
              "?window=context", "?mode=odd", "?colour=red", "?band=3..1", "?effect=loss",
              "?color=age", "?start=-1"],
)  # fmt: skip
def test_an_argument_it_does_not_know_is_refused(client: TestClient, query: str) -> None:
    assert client.get(f"{SAE}/1{query}").status_code == 400


def test_links_keep_the_view_and_leave_defaults_out(client: TestClient, richest: int) -> None:
    html = _page(client, richest, "?group=top&scale=log&ablation=replace")
    base = f"{SAE}/{richest}"
    assert f'href="{base}?group=interval&amp;ablation=replace&amp;scale=log#examples"' in html
    assert f'href="{base}?ablation=replace&amp;scale=log#examples"' in html, "mix is the default"
    assert f'href="{base}?group=top&amp;ablation=replace#activation"' in html
    assert f'href="{base}?group=top&amp;scale=log#examples"' in html
    neighbour = richest + 1 if richest < 59 else richest - 1
    assert f'href="{SAE}/{neighbour}"' in html


def test_logits_are_adjusted_first_and_raw_by_address(client: TestClient, richest: int) -> None:
    lens = client.get(f"{SAE}/{richest}.json").json()["logit_lens"]
    adjusted, raw = _page(client, richest), _page(client, richest, "?mode=raw")
    assert "direct effect on logits" in adjusted
    for html, kind in ((adjusted, "adjusted"), (raw, "raw")):
        logit = lens[kind]["positive"][0]["logit"]
        assert f">+{logit:.2f}</td>" in html
    assert "5 of 500 tokens left out: 4 the tokenizer" in adjusted
    assert "no token left out" in raw


def test_exact_numbers_stand_beneath_the_histogram(client: TestClient, richest: int) -> None:
    html = _page(client, richest)
    counts = client.get(f"{SAE}/{richest}.json").json()["activation_histogram"]["counts"]
    panel = html[html.index('id="activation"') : html.index('id="tokens"')]
    rows = re.findall(r"<tr><td>[^<]*<td>[^<]*<td>([^<]*)<td>", panel)
    assert [int(count.replace(",", "")) for count in rows] == counts
    assert f"the counts sum to {sum(counts):,}" in panel


def test_rates_show_their_counts(client: TestClient, richest: int) -> None:
    row = client.get(f"{SAE}/{richest}.json").json()["token_statistics"][0]
    assert f"{row['n_active']:,} of {row['n_occurrences']:,}" in _page(client, richest)


def test_the_policy_is_printed(client: TestClient, richest: int) -> None:
    html = _page(client, richest)
    assert "N = 8,128 counted tokens" in html
    assert "position 0 is not counted" in html
    assert "Ablated text of this run: " in html
    assert "tokens before the peak 32" in html


def test_a_dead_feature_says_why_every_panel_is_empty(client: TestClient, dead: int) -> None:
    html = _page(client, dead)
    assert html.count("This feature never fired in the 8,128 counted tokens") >= 6
    assert 'id="logits"' in html
    assert "Promoted" in html, "the weights are there"


def test_first_and_last_have_one_neighbour(client: TestClient) -> None:
    first, last = _page(client, 0), _page(client, 59)
    assert 'rel="prev"' not in first
    assert f'href="{SAE}/1" rel="next"' in first
    assert f'href="{SAE}/58" rel="prev"' in last
    assert 'rel="next"' not in last


def test_random_leads_to_a_living_feature(
    client: TestClient, records: dict[int, dict[str, float]]
) -> None:
    seen = set()
    for _ in range(30):
        answer = client.get(f"{SAE}/random")
        assert answer.status_code == 303
        assert answer.headers["cache-control"] == "no-store"
        seen.add(int(answer.headers["location"].rsplit("/", 1)[1]))
    assert len(seen) > 5
    assert all(records[index]["n_active"] > 0 for index in seen)


@pytest.mark.parametrize("index", ["60", "-1", "1.5", "x", "00x"])
def test_what_is_no_feature_is_not_found(client: TestClient, index: str) -> None:
    answer = client.get(f"{SAE}/{index}.json")
    assert answer.status_code == 404
    assert answer.json()["ok"] is False


def test_every_feature_has_a_page_without_a_broken_tag(
    client: TestClient, records: dict[int, dict[str, float]]
) -> None:
    for index in records:
        for group in ("mix", "quantile"):
            _Balanced().check(_page(client, index, f"?group={group}"))


def test_there_is_no_inline_style_or_script(client: TestClient, richest: int) -> None:
    html = _page(client, richest, "?example=top-1")
    assert " style=" not in html
    assert "<style" not in html
    assert re.search(r"\son\w+=", html) is None
    for kind in re.findall(r"<script([^>]*)>", html):
        assert "src=" in kind or 'type="application/json"' in kind


def test_without_a_linear_path_the_page_says_so(connection: Connection, sae: Sae) -> None:
    page = _without(connection, sae, {"logit_lens"}, linear_path="")
    assert page.lens is None
    assert page.absent["lens"].startswith("There is no linear path from blocks.")


def test_whatever_is_missing_has_a_reason(connection: Connection, sae: Sae) -> None:
    every = {"histogram", "logit_lens", "tokens", "locality", "places", "neighbors", "coactive"}
    page = _without(connection, sae, every)
    for name in ("activation", "lens", "tokens", "locality", "places", "neighbors", "coactive"):
        assert page.absent[name].endswith(".")


def test_a_run_without_ablations_says_so(connection: Connection, sae: Sae) -> None:
    record = replace(sae.record, ablation={})
    page = build(connection, replace(sae, record=record), 1, FeatureView(), Memory(Path()))
    assert page.ablation_note.startswith("No ablated text")


def _without(
    connection: Connection, sae: Sae, missing: set[str], linear_path: str | None = None
) -> FeaturePage:
    """The page of a feature whose panels the job did not write."""
    real = features.get_panels
    changed = replace(
        sae,
        record=replace(
            sae.record,
            linear_path=sae.record.linear_path if linear_path is None else linear_path,
        ),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            features,
            "get_panels",
            lambda *place: replace(real(*place), **dict.fromkeys(missing)),
        )
        return build(connection, changed, 1, FeatureView(), Memory(Path()))


class _Balanced(HTMLParser):
    """Fails where an element is not closed by its own tag."""

    VOID = frozenset({"meta", "link", "input", "br", "rect", "line", "circle", "path", "polyline"})
    ENDED_BY: ClassVar = {"td": {"td", "th", "tr"}, "th": {"td", "th", "tr"}, "tr": {"tr"}}
    """elements that end by themselves where one of these begins, or where their parent ends"""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def check(self, html: str) -> None:
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        while self.open and tag in self.ENDED_BY.get(self.open[-1], ()):
            self.open.pop()
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        return

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            while self.open[-1] in self.ENDED_BY and self.open[-1] != tag:
                self.open.pop()
            assert self.open.pop() == tag


def test_facts_know_their_place(connection: Connection, sae: Sae) -> None:
    record = features.get_feature(connection, sae.sae_id, 1)
    assert isinstance(record, FeatureRecord)
    page = build(connection, sae, 1, FeatureView(), Memory(Path()))
    assert [fact.name for fact in page.facts] == [
        "Density", "Max activation", "From the peak token alone", "Single-token share",
        "Run length", "Contexts",
    ]  # fmt: skip
    assert all(re.fullmatch(r"p\d{1,2}|p100", fact.percentile) for fact in page.facts[:2])


def test_a_feature_leads_to_its_place_on_the_map(client: TestClient) -> None:
    related = client.get(f"{SAE}/7").text.split('id="related"')[1]
    assert f'href="{SAE}/map?feature=7"' in related
    assert "map-marked" in client.get(f"{SAE}/map?feature=7").text
