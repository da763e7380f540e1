"""Testing a reading in a real browser: typed, refined, shared, gone back from, without scripts."""

import json
import re
from collections.abc import Callable
from urllib.parse import parse_qs, quote, urlsplit
from urllib.request import urlopen

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from .conftest import SAE


@pytest.fixture(scope="module")
def feature(base_url: str) -> int:
    """A feature of several tokens with many firings."""
    with urlopen(f"{base_url}{SAE}.json?size=120") as answer:
        rows = json.load(answer)["features"]
    rows = [row for row in rows if 100 < row["n_active"] < 1_000 and row["top_token_share"] < 0.8]
    return rows[0]["feature_index"]


@pytest.fixture(scope="module")
def token(base_url: str, feature: int) -> str:
    """Its strongest token as the language writes it."""
    with urlopen(f"{base_url}{SAE}/{feature}.json") as answer:
        text = json.load(answer)["token_statistics"][0]["token"]
    return '"' + text.replace('"', '\\"').replace("\n", "\\n") + '"'


def _sentence(page: Page) -> str:
    return page.locator(".reading-sentence").inner_text()


def test_a_reading_is_typed_and_answered_in_place(page: Page, feature: int, token: str) -> None:
    page.goto(f"{SAE}/{feature}")
    page.evaluate("window.same = true")
    field = page.get_by_label("Fires on", exact=True)
    field.scroll_into_view_if_needed()
    top = page.locator("#reading").bounding_box()
    field.fill(token)
    field.press("Enter")
    expect(page.locator(".reading-sentence")).to_contain_text("The reading says yes on")
    assert page.evaluate("window.same") is True
    assert parse_qs(urlsplit(page.url).query) == {"reading": [token]}
    after = page.locator("#reading").bounding_box()
    assert after["y"] == pytest.approx(top["y"], abs=1), "nothing jumps"  # type: ignore[index]
    assert page.evaluate("document.activeElement.id") == "reading-text", "typing goes on"
    expect(page.locator("#reading article.example .peak").first).to_be_visible()


def test_a_copied_address_shows_the_same_claim(
    page: Page, open_context: Callable[..., BrowserContext], base_url: str, feature: int, token: str
) -> None:
    page.goto(f"{SAE}/{feature}?group=top")
    page.get_by_label("Fires on", exact=True).fill(token)
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.locator(".reading-sentence")).to_be_visible()
    assert "group=top" in page.url
    page.get_by_role("navigation", name="Order").get_by_role("link", name="Weakest").click()
    expect(page).to_have_url(re.compile("order=weakest"))
    expect(page.get_by_role("navigation", name="Order").locator("[aria-current]")).to_have_text(
        "Weakest"
    )
    other = open_context(base_url=base_url).new_page()
    other.goto(page.url)
    for part in (".reading-sentence", ".reading-figures", ".reading-parts"):
        assert other.locator(part).inner_text() == page.locator(part).inner_text()
    lines = "#reading article.example:visible"
    assert other.locator(lines).all_inner_texts() == page.locator(lines).all_inner_texts()


def test_back_and_forward_go_through_the_readings(page: Page, feature: int, token: str) -> None:
    page.goto(f"{SAE}/{feature}")
    field = page.get_by_label("Fires on", exact=True)
    for reading in (token, "self"):
        field.fill(reading)
        field.press("Enter")
        expect(page.locator(".reading-parts li code").first).to_have_text(reading)
    page.go_back()
    expect(page.locator(".reading-parts li code").first).to_have_text(token)
    expect(field).to_have_value(token)
    page.go_back()
    expect(page.locator(".reading-sentence")).to_have_count(0)
    expect(field).to_have_value("")
    page.go_forward()
    expect(page.locator(".reading-parts li code").first).to_have_text(token)


def test_a_suggestion_and_a_change_are_a_click(page: Page, feature: int) -> None:
    page.goto(f"{SAE}/{feature}")
    page.evaluate("window.same = true")
    suggestion = page.locator(".reading-suggestions a").first
    reading = suggestion.inner_text()
    suggestion.click()
    expect(page.get_by_label("Fires on", exact=True)).to_have_value(reading)
    page.get_by_label("Fires on", exact=True).fill("*")
    page.get_by_label("Fires on", exact=True).press("Enter")
    change = page.get_by_role("link", name="leave it out").first
    expect(change).to_be_visible()
    before = _sentence(page)
    change.click()
    expect(page.get_by_label("Fires on", exact=True)).to_have_value(re.compile(r"^\(\*\) and not "))
    assert _sentence(page) != before
    page.get_by_role("link", name="Clear").click()
    expect(page.locator(".reading-sentence")).to_have_count(0)
    assert urlsplit(page.url).query == ""
    assert page.evaluate("window.same") is True


def test_a_mistake_stays_in_the_field_and_is_marked(page: Page, feature: int) -> None:
    page.goto(f"{SAE}/{feature}")
    field = page.get_by_label("Fires on", exact=True)
    field.fill("self | /a(b/")
    field.press("Enter")
    expect(page.locator("#reading").get_by_role("alert")).to_contain_text("never closed")
    expect(page.locator(".reading-place mark")).to_have_text("(b/")
    expect(field).to_have_value("self | /a(b/")
    field.fill("self")
    field.press("Enter")
    expect(page.locator(".reading-sentence")).to_be_visible()
    expect(page.locator("#reading").get_by_role("alert")).to_have_count(0)


def test_a_counterexample_has_the_card_of_any_token(page: Page, feature: int, token: str) -> None:
    page.goto(f"{SAE}/{feature}?reading={quote(token)}")
    line = page.locator("#reading .line").first
    line.locator(".peak").scroll_into_view_if_needed()
    line.locator(".peak").hover()
    expect(page.locator(".token-card")).to_contain_text("the peak")


def test_without_scripts_it_is_a_plain_form(
    open_context: Callable[..., BrowserContext], base_url: str, feature: int, token: str
) -> None:
    page = open_context(base_url=base_url, java_script_enabled=False).new_page()
    page.goto(f"{SAE}/{feature}?ablation=off")
    page.get_by_label("Fires on", exact=True).fill(token)
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.locator(".reading-sentence")).to_be_visible()
    assert "ablation=off" in page.url
    assert page.url.endswith("#reading")
    page.locator(".reading-hits summary").click()
    expect(page.locator(".reading-hits article").first).to_be_visible()


def test_nothing_is_wider_than_a_phone(
    open_context: Callable[..., BrowserContext], base_url: str, feature: int
) -> None:
    page = open_context(base_url=base_url, viewport={"width": 380, "height": 800}).new_page()
    long = " | ".join(f'"{"x" * 18}{i}"' for i in range(15))
    page.goto(f"{SAE}/{feature}?reading={quote(long)}")
    expect(page.locator(".reading-sentence")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
