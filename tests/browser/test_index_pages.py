"""What every page shares: search box, keys, theme, copied link; and the first page."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

SAE = "/synthetic/resid-2-1k"
PAGES = ["/", SAE, f"{SAE}/3", "/-/search?q=self", "/-/docs"]


def test_from_the_first_page_to_a_feature(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="resid-2-1k").click()
    page.wait_for_url(lambda url: url.endswith(SAE))
    page.locator(".feature-list tbody a.feature-name").first.click()
    expect(page.locator("h1")).to_be_visible()
    assert page.url.rpartition("/")[2].isdigit()


@pytest.mark.parametrize("url", PAGES)
def test_slash_focuses_the_search_box_everywhere(page: Page, url: str) -> None:
    page.goto(url)
    page.keyboard.press("/")
    box = page.get_by_role("combobox", name="Search")
    expect(box).to_be_focused()
    page.keyboard.type("/def")
    assert box.input_value().endswith("/def")
    box.fill("def")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/-/search?" in url and "q=def" in url)


def test_r_opens_a_random_feature(page: Page) -> None:
    page.goto(SAE)
    page.keyboard.press("r")
    page.wait_for_url(lambda url: url.rpartition("/")[2].isdigit())


def test_the_theme_follows_the_system_and_the_switch(
    open_context: Callable[..., BrowserContext], base_url: str
) -> None:
    page = open_context(base_url=base_url, color_scheme="dark").new_page()
    page.goto(SAE)

    def paper() -> str:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    dark = paper()
    page.get_by_role("button", name="Switch between light and dark").click()
    light = paper()
    assert light != dark
    page.goto("/")
    assert paper() == light
    page.get_by_role("button", name="Switch between light and dark").click()
    assert paper() == dark


def test_a_copied_link_opens_the_same_view_elsewhere(
    open_context: Callable[..., BrowserContext], base_url: str
) -> None:
    context = open_context(base_url=base_url, permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{SAE}?sort=max_activation&density=1%25..")
    button = page.locator("[data-copy-link]")
    button.click()
    expect(button).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == page.url
    other = open_context().new_page()
    other.goto(copied)
    rows = ".feature-list tbody tr"
    assert other.locator(rows).all_inner_texts() == page.locator(rows).all_inner_texts()


@pytest.mark.parametrize("url", PAGES)
def test_no_page_is_wider_than_its_window(page: Page, url: str) -> None:
    page.goto(url)
    for width in (2560, 1440, 1024, 768, 380):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("url", PAGES)
def test_pages_are_complete_without_scripts(
    open_context: Callable[..., BrowserContext], base_url: str, url: str
) -> None:
    page = open_context(base_url=base_url, java_script_enabled=False).new_page()
    page.goto(url)
    expect(page.locator("main h1")).to_have_count(1)
    expect(page.get_by_role("searchbox")).to_be_visible()
    expect(page.locator("[data-copy-link]")).to_be_hidden()
    expect(page.locator("[data-theme-switch]")).to_be_hidden()


@pytest.mark.parametrize("url", [*PAGES, f"{SAE}?density=abc", f"{SAE}/map", "/nothing"])
def test_no_page_is_wider_than_a_phone(
    open_context: Callable[..., BrowserContext], base_url: str, url: str
) -> None:
    phone = open_context(base_url=base_url, viewport={"width": 380, "height": 800}).new_page()
    phone.goto(url)
    phone.evaluate("document.fonts.ready")
    assert phone.evaluate("document.documentElement.scrollWidth") == 380


def test_what_scrolls_sideways_is_shaded_at_its_edge(
    open_context: Callable[..., BrowserContext], base_url: str
) -> None:
    """The shade lies still while its covers of paper scroll along: no script."""
    phone = open_context(base_url=base_url, viewport={"width": 380, "height": 800}).new_page()
    phone.goto(SAE)
    for strip in (".feature-list tr.sorts", ".feature-list tr.filters", ".filter-row"):
        drawn = phone.locator(strip).evaluate(
            "e => [e.scrollWidth > e.clientWidth, getComputedStyle(e).backgroundAttachment]"
        )
        assert drawn == [True, "local, local, scroll, scroll"], strip
