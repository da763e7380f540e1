"""The panels of a feature in a real browser: bars that answer, switches, links between them."""

import re

import pytest
from playwright.sync_api import Page, expect

from .conftest import SAE


@pytest.fixture
def feature(page: Page) -> Page:
    """Feature 1, its histogram drawn by Plotly."""
    page.goto(f"{SAE}/1")
    page.wait_for_selector("#activation [data-ready]")
    return page


def _links(page: Page) -> list[str]:
    return page.eval_on_selector_all(
        "#activation .chart-links a", "links => links.map((link) => link.getAttribute('href'))"
    )


def test_a_click_on_a_drawn_bar_shows_its_band(feature: Page) -> None:
    links = _links(feature)
    bar = feature.locator("#activation .chart-links a").last
    box = bar.bounding_box()
    assert box is not None
    feature.evaluate("window.kept = true")
    feature.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] - 3)
    feature.wait_for_url(re.compile(r"band="))
    assert feature.url.endswith(links[-1].split("#")[0])
    assert feature.evaluate("window.kept"), "in place, without a new page"
    expect(feature.locator("#activation .brush")).to_have_count(1)
    expect(feature.locator(".band-note")).to_contain_text("firings")
    feature.go_back()
    expect(feature.locator("#activation .brush")).to_have_count(0)


def test_the_address_of_a_band_is_the_same_view_without_scripts(
    feature: Page, open_context, base_url: str
) -> None:
    link = _links(feature)[-1]
    plain = open_context(base_url=base_url, java_script_enabled=False).new_page()
    plain.goto(link)
    expect(plain.locator("#activation .brush")).to_have_count(1)
    plain.locator("#activation .chart-links a").first.click()
    assert re.search(r"\?band=[\d.]+$", plain.url.split("#")[0])
    plain.get_by_role("link", name="all activations").click()
    assert "band" not in plain.url


def test_bars_are_one_tab_stop_and_arrows_step(feature: Page) -> None:
    links = feature.locator("#activation .chart-links a")
    assert feature.locator('#activation .chart-links a[tabindex="0"]').count() == 1
    links.first.focus()
    feature.keyboard.press("ArrowRight")
    feature.keyboard.press("ArrowRight")
    expect(links.nth(2)).to_be_focused()
    href = _links(feature)[2]
    feature.keyboard.press("Enter")
    feature.wait_for_url(re.compile(r"band="))
    assert feature.url.endswith(href.split("#")[0])
    expect(feature.locator("#activation .chart-links a[aria-current]")).to_be_focused()


def test_a_change_of_scale_is_kept_by_the_bars(feature: Page) -> None:
    feature.locator("#activation nav").get_by_role("link", name="Log").click()
    assert all("scale=log" in link for link in _links(feature))


def test_delete_and_replace_stand_one_beneath_the_other(feature: Page) -> None:
    panel = feature.locator("#ablation")
    panel.get_by_role("link", name="Both", exact=True).click()
    feature.wait_for_url(re.compile("ablation=both"))
    rows = panel.locator(".profile tbody tr")
    expect(rows.nth(0)).to_contain_text("delete")
    expect(rows.nth(1)).to_contain_text("replace")
    panel.get_by_role("link", name="hidden_pre", exact=True).click()
    feature.wait_for_url(re.compile("effect=hidden_pre"))
    assert "ablation=both" in feature.url
    expect(panel).to_contain_text("the peak's pre-activation (hidden_pre) changes")


def test_the_curve_stands_over_the_columns_of_the_map(feature: Page) -> None:
    curve = feature.locator(".profile-frame .chart-drawing").bounding_box()
    cells = feature.locator(".profile tbody tr").first.locator("td")
    first, last = cells.first.bounding_box(), cells.last.bounding_box()
    assert curve is not None and first is not None and last is not None
    assert abs(curve["x"] - first["x"]) < 3
    assert abs(curve["x"] + curve["width"] - last["x"] - last["width"]) < 3


def test_unmeasured_is_hatched_and_a_weak_firing_underlined(feature: Page) -> None:
    hatch = feature.locator(".profile td.hatch").first
    assert "gradient" in hatch.evaluate("cell => getComputedStyle(cell).backgroundImage")
    fires = feature.locator(".profile td.fires").first
    assert "underline" in fires.evaluate("cell => getComputedStyle(cell).textDecorationLine")


def test_strips_lead_to_their_context(feature: Page) -> None:
    link = feature.locator(".strip-row > a").first
    context = link.inner_text()
    link.click()
    assert feature.url.endswith(f"{SAE}/context/{context}?feature=1")


def test_related_features_are_compared(feature: Page) -> None:
    feature.get_by_role("link", name="compare with the first 3").first.click()
    expect(feature.locator("h1")).to_contain_text("side by side")
    assert feature.url.split("features=")[1].count(",") == 3


def test_marked_tokens_are_named_in_the_vocabulary_histogram(feature: Page) -> None:
    summary = feature.locator("#logits details summary").first
    summary.click()
    feature.wait_for_selector("#logits [data-ready]")
    panel = feature.locator("#logits")
    marked = int(re.findall(r"; (\d+) tokens marked", summary.inner_text())[0])
    assert panel.get_by_role("group", name="Tokens marked").locator("tbody tr").count() == marked
    assert (panel.locator("path.rug").get_attribute("d") or "").count("M") == marked
