"""The examples by mouse and by keys: cards that answer, steps from example to example."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from app.demo.synthetic import build_synthetic_atlas

from .conftest import SAE, Serve
from .test_feature_page import full as full

UNCOVERED = """(id) => {
  const box = document.getElementById(id).getBoundingClientRect();
  const header = document.querySelector(".site-header").getBoundingClientRect();
  return box.top >= header.bottom - 1 && box.top < innerHeight;
}"""


@pytest.fixture(scope="session")
def url_with_events(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("events") / "atlas.db"
    return serve(build_synthetic_atlas(path, n_features=60, events=True, saes=("resid-2-1k",)))


def _focused(page: Page) -> str:
    return page.evaluate("document.activeElement.id")


def test_a_click_on_a_token_offers_what_fires_on_it(page: Page, full: int) -> None:
    page.goto(f"{SAE}/{full}?group=top")
    peak = page.locator("#top-2 .line.activation .peak")
    peak.click()
    card = page.locator(".token-card")
    expect(card.get_by_role("link")).to_have_count(3)
    page.locator("h1").hover()
    expect(card).to_be_visible()
    search = card.get_by_role("link", name="features that fire on this token")
    token_id = card.locator("dd").nth(1).inner_text()
    query = parse_qs(urlsplit(search.get_attribute("href") or "").query)
    assert query["token"] == [token_id]
    assert query["sae"] == [SAE[1:]]
    assert query["q"] == [peak.evaluate("(token) => token.textContent")]
    position = re.match(r"\d+", card.locator("dd").nth(2).inner_text())
    context = card.get_by_role("link", name="this token in its whole context")
    assert position is not None
    assert f"position={position[0]}&" in f"{context.get_attribute('href')}&"
    page.locator("h1").click()
    expect(card).to_be_hidden()
    peak.click()
    search.click()
    page.wait_for_url("**/-/search?*")
    expect(page.locator("main")).to_contain_text(str(full))


def test_enter_pins_the_card_and_escape_gives_the_focus_back(page: Page, full: int) -> None:
    page.goto(f"{SAE}/{full}?group=top")
    page.locator("#top-1 .line.activation").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    card = page.locator(".token-card.pinned")
    expect(card.get_by_role("link").first).to_be_focused()
    expect(card).to_contain_text("(−1 from the peak)")
    page.keyboard.press("Escape")
    expect(page.locator(".token-card")).to_be_hidden()
    expect(page.locator("#top-1 .line.activation")).to_be_focused()


def test_j_and_k_step_without_touching_the_address(page: Page, full: int) -> None:
    page.goto(f"{SAE}/{full}?group=top")
    entries = page.evaluate("history.length")
    for name in ("top-1", "top-2", "top-3"):
        page.keyboard.press("j")
        assert _focused(page) == name
        assert page.evaluate(UNCOVERED, name)
    page.keyboard.press("k")
    assert _focused(page) == "top-2"
    assert page.url.endswith("?group=top")
    assert page.evaluate("history.length") == entries
    page.keyboard.press("Enter")
    page.wait_for_url("**?example=top-2#top-2")
    page.keyboard.press("j")
    assert _focused(page) == "top-3", "the marked example is where one is"


def test_y_copies_the_address_of_an_example(
    open_context: Callable[..., BrowserContext], base_url: str, full: int
) -> None:
    context = open_context(base_url=base_url, permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{SAE}/{full}")
    page.keyboard.press("j")
    page.keyboard.press("y")
    expect(page.locator("#top-1 .example-copy")).to_have_text("copied")
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == f"{base_url}{SAE}/{full}?example=top-1#top-1"


@pytest.mark.parametrize(
    "query", ["?example=top-14", "?example=quantile-9&window=tight", "?example=silent-8"]
)
def test_an_address_without_a_place_opens_at_the_example(page: Page, full: int, query: str) -> None:
    name = query.partition("=")[2].partition("&")[0]
    page.goto(f"{SAE}/{full}{query}")
    page.wait_for_function(UNCOVERED, arg=name)
    expect(page.locator(f"#{name} .peak-row")).to_be_in_viewport()


def test_the_question_mark_lists_every_key(page: Page, full: int) -> None:
    page.goto(f"{SAE}/{full}")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys on this page")
    for words in ("next feature", "previous feature", "a random feature", "search",
                  "next and previous example", "copy the address of the example"):  # fmt: skip
        expect(dialog).to_contain_text(words)
    page.keyboard.press("n")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Keys on this page").click()
    expect(dialog).to_be_visible()
    page.keyboard.press("?")
    expect(dialog).to_be_hidden()


def test_both_modes_and_the_pre_activation_are_on_the_card(page: Page, full: int) -> None:
    page.goto(f"{SAE}/{full}?group=top")
    page.get_by_role("navigation", name="Ablation").get_by_role("link", name="Both").click()
    expect(page.locator("#top-1 .line")).to_have_count(3)
    peak = page.locator("#top-1 .line.ablated .peak").last
    peak.hover()
    card = page.locator(".token-card")
    expect(card).to_contain_text("deleting it")
    expect(card).to_contain_text("replacing it")
    page.get_by_role("link", name="Pre-activation").click()
    expect(page).to_have_url(re.compile(r"ablation=both&effect=hidden_pre$"))
    page.locator("#top-1 .line.ablated .peak").last.hover()
    expect(card).to_contain_text("replacing it, pre-activation")


def test_lines_are_broken_where_the_text_is(page: Page, full: int) -> None:
    page.goto(f"{SAE}/{full}?group=top&layout=wrapped")
    newline = page.locator(".line .nl").first
    name = newline.evaluate("(mark) => mark.closest('.example').id")
    height = "(name) => document.querySelector(`#${name} .line`).getBoundingClientRect().height"
    before = page.evaluate(height, name)
    page.get_by_role("link", name="Lines", exact=True).click()
    expect(page.locator("#examples")).to_have_class(re.compile("as-lines"))
    assert page.evaluate(height, name) > before


def test_a_bar_of_the_histogram_shows_its_band(
    open_context: Callable[..., BrowserContext], url_with_events: str, full: int
) -> None:
    page = open_context(base_url=url_with_events).new_page()
    page.goto(f"{SAE}/0?band=0..2")
    chip = page.get_by_role("link", name="show all again")
    expect(page.locator("#examples .group-head")).to_contain_text("firings in it")
    page.locator("#band-1 a.own").click()
    page.wait_for_url("**?band=0..2&example=band-1#band-1")
    expect(page.locator("#band-1.marked .peak-row")).to_be_in_viewport()
    chip.click()
    expect(page.locator("#top-1")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/0$"))
    page.go_back()
    expect(page.locator("#band-1.marked")).to_be_visible()
