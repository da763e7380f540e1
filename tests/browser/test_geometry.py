"""A peak of the cosine histogram is brushed, with the pointer, with keys, and without a script."""

from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

from .conftest import SAE, OpenContext

GEOMETRY = f"{SAE}/geometry"


def cosine(page: Page) -> str:
    """The range in the address."""
    return parse_qs(urlsplit(page.url).query).get("cosine", [""])[0]


def test_a_peak_is_brushed_and_says_whose_neighbours_it_holds(page: Page) -> None:
    page.goto(GEOMETRY)
    said = page.locator("section[data-refresh=band] [data-said]")
    before = said.inner_text()
    box = page.locator(".brush-layer").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.55 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.99 * box["width"], middle, steps=4)
    page.mouse.up()
    expect(said).not_to_have_text(before)
    low = float(cosine(page).split("..")[0])
    expect(page.locator("#band")).to_contain_text("Cosine")
    page.locator("#brush-cosine-low").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("low => !location.search.includes(`=${low}..`)", arg=f"{low:g}")
    assert float(cosine(page).split("..")[0]) < low
    page.locator("section[data-refresh=band] a", has_text="all").click()
    expect(said).to_have_text(before)
    assert cosine(page) == ""


def test_a_threshold_of_near_duplicates_changes_nothing_else(page: Page) -> None:
    page.goto(f"{GEOMETRY}?rank=10")
    clusters = page.locator("section[data-refresh=clusters] .panel-head p")
    before = clusters.inner_text()
    page.locator("section[data-refresh=clusters] nav a", has_text="0.7").first.click()
    expect(clusters).not_to_have_text(before)
    assert parse_qs(urlsplit(page.url).query) == {"rank": ["10"], "near": ["0.7"]}


def test_without_scripts_a_bar_leads_to_its_features(
    open_context: OpenContext, base_url: str
) -> None:
    page = open_context(base_url=base_url, java_script_enabled=False).new_page()
    page.goto(GEOMETRY)
    bar = page.locator(".chart-cosines .chart-links a").last
    page.goto(bar.get_attribute("href") or "")
    assert cosine(page)
    expect(page.locator("#band")).to_contain_text("Cosine")
    expect(page.get_by_text("Click a bar")).to_be_visible()
