"""The list of features, used with mouse, keyboard, and without scripts."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, Dialog, Page, expect

from .conftest import Serve

SAE = "/synthetic/resid-2-1k"


def _numbers(page: Page) -> list[int]:
    return [int(text) for text in page.locator(".feature-list td:first-child").all_inner_texts()
            if text.strip()]  # fmt: skip


def test_sorting_turns_around_and_back(page: Page) -> None:
    page.goto(SAE)
    head = page.locator(".feature-list thead")
    head.get_by_role("link", name="Max").click()
    page.wait_for_url(lambda url: "sort=-max_activation" in url)
    largest_first = _numbers(page)
    head.get_by_role("link", name="Max").click()
    page.wait_for_url(lambda url: "sort=max_activation" in url)
    assert _numbers(page) != largest_first
    page.go_back()
    assert _numbers(page) == largest_first


def test_a_typed_filter_goes_into_the_address_alone(page: Page) -> None:
    page.goto(f"{SAE}?sort=-max_activation")
    page.get_by_label("Density, range").fill("1%..3%")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="density 1%..3%")).to_be_visible()
    assert page.url.partition("?")[2] == "sort=-max_activation&density=1%25..3%25"
    kept = _numbers(page)
    page.get_by_role("link", name="density 1%..3%").click()
    assert len(_numbers(page)) > len(kept)
    assert page.url.partition("?")[2].partition("#")[0] == "sort=-max_activation"


def test_a_bar_of_the_histogram_lists_its_features(page: Page) -> None:
    page.goto(SAE)
    bar = page.locator(".chart a").first
    said = bar.get_attribute("aria-label") or ""
    n_features = int(said.rpartition(": ")[2].split()[0])
    bar.locator(".hit").click()
    page.wait_for_url(lambda url: "density=" in url)
    expect(page.locator(".feature-list tbody tr")).to_have_count(n_features)


def test_log_counts_keep_the_list(page: Page) -> None:
    page.goto(f"{SAE}?sort=max_activation")
    before = _numbers(page)
    page.get_by_role("navigation", name="Scale of counts").get_by_text("Log").click()
    page.wait_for_url(lambda url: "scale=log" in url)
    assert _numbers(page) == before


def test_paging_reaches_every_feature(page: Page) -> None:
    page.goto(f"{SAE}?size=50")
    seen = _numbers(page)
    while page.get_by_role("link", name="Next 50").count():
        page.get_by_role("link", name="Next 50").click()
        seen += _numbers(page)
    assert sorted(seen) == list(range(120))
    page.get_by_role("link", name="First").click()
    assert _numbers(page) == seen[:50]


def test_filters_work_without_scripts(
    open_context: Callable[..., BrowserContext], base_url: str
) -> None:
    page = open_context(base_url=base_url, java_script_enabled=False).new_page()
    page.goto(SAE)
    page.get_by_label("Max, range").fill("3..")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("link", name="max activation 3..")).to_be_visible()
    page.get_by_role("link", name="single-token").click()
    expect(page.get_by_role("link", name="share of top token 90%..")).to_be_visible()


def test_hostile_tokens_do_nothing(
    open_context: Callable[..., BrowserContext], serve: Serve, hostile_path: Path
) -> None:
    page = open_context(base_url=serve(hostile_path)).new_page()
    said: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        said.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.on("pageerror", lambda error: said.append(str(error)))
    for url in ("/", f"{SAE}?size=60", "/-/search?q=%3Cscript", f"{SAE}/1"):
        page.goto(url)
        page.wait_for_load_state("networkidle")
    assert said == []
    page.goto("/-/search?q=%3Cscript%3Ealert(1)%3C/script%3E")
    expect(page.locator(".meanings code").first).to_have_text("<script>alert(1)</script>")
