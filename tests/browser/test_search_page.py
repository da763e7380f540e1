"""Searching: from the box, narrowed by ticks, ranked in every way."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, expect
from pydantic import SecretStr

from .conftest import Serve

SAE = "/synthetic/resid-2-1k"


def test_from_the_header_to_a_feature(page: Page) -> None:
    page.goto(SAE)
    page.get_by_role("searchbox").fill("self")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Fires on")).to_be_visible()
    expect(page.locator(".meaning:has(:checked)")).to_have_count(2)
    page.locator("#results-fires").locator("xpath=../..").locator("a.feature-name").first.click()
    expect(page.locator(".breadcrumb [aria-current]")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("self")


def test_a_tick_narrows_the_search_and_stays_in_the_address(page: Page) -> None:
    page.goto("/-/search?q=self&mode=fires")
    before = page.locator(".results .counts").first.inner_text()
    page.locator(".meaning input").nth(1).uncheck()
    page.wait_for_url(lambda url: url.count("token=") == 1)
    assert page.locator(".results .counts").first.inner_text() != before
    expect(page.locator(".meaning:has(:checked)")).to_have_count(1)
    page.reload()
    expect(page.locator(".meaning:has(:checked)")).to_have_count(1)


def test_one_dictionary_of_several(page: Page) -> None:
    page.goto("/-/search?q=self")
    page.locator("select[name=sae]").select_option("synthetic/resid-1-1k")
    page.wait_for_url(lambda url: "sae=synthetic%2Fresid-1-1k" in url)
    names = page.locator("a.feature-name").evaluate_all("links => links.map(a => a.pathname)")
    assert names and all(name.startswith("/synthetic/resid-1-1k/") for name in names)


def test_every_ranking_is_a_link(page: Page) -> None:
    page.goto("/-/search?q=self")
    for label, mode in (("Promotes", "promotes"), ("Suppresses", "suppresses"),
                        ("Fires whenever", "rate"), ("Fires on", "fires")):  # fmt: skip
        page.get_by_role("navigation", name="Ranking").get_by_text(label).click()
        page.wait_for_url(lambda url, mode=mode: url.endswith(f"q=self&mode={mode}"))
        expect(page.locator("main h2")).to_have_text(label)


def test_ticks_work_without_scripts(
    open_context: Callable[..., BrowserContext], base_url: str
) -> None:
    page = open_context(base_url=base_url, java_script_enabled=False).new_page()
    page.goto("/-/search?q=self")
    page.locator(".meaning input").nth(0).uncheck()
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".meaning:has(:checked)")).to_have_count(1)


def test_the_key_opens_the_atlas_and_leaves_the_address(
    open_context: Callable[..., BrowserContext], serve: Serve, atlas_path: Path
) -> None:
    base_url = serve(atlas_path, access_key=SecretStr("open sesame"))
    context = open_context(base_url=base_url)
    page = context.new_page()
    page.goto("/")
    expect(page.locator("h1")).to_have_text("Unauthorized")
    page.goto(f"{SAE}?sort=density&key=open%20sesame")
    assert page.url == f"{base_url}{SAE}?sort=density"
    page.get_by_role("searchbox").fill("self")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Fires on")).to_be_visible()
    [cookie] = context.cookies()
    assert cookie.get("httpOnly") and cookie.get("sameSite") == "Lax"
    assert "sesame" not in cookie.get("value", "sesame")
    stranger = open_context(base_url=base_url).new_page()
    stranger.goto(page.url)
    expect(stranger.locator("h1")).to_have_text("Unauthorized")
