"""Features side by side in a real browser."""

import re

from playwright.sync_api import Page, expect

from .conftest import SAE


def test_a_feature_is_added_by_its_number(page: Page) -> None:
    page.goto(f"{SAE}/compare?features=1,2")
    field = page.get_by_label("Add a feature")
    field.fill(f"{field.input_value()}7")
    page.get_by_role("button", name="Compare").click()
    expect(page.locator("h1")).to_have_text("1, 2, 7 side by side")
    page.get_by_role("link", name="Without 2").click()
    expect(page.locator("h1")).to_have_text("1, 7 side by side")


def test_the_axis_is_changed_in_place_and_stays_in_the_address(page: Page) -> None:
    page.goto(f"{SAE}/compare?features=1,2")
    page.evaluate("window.kept = true")
    page.get_by_role("link", name="Absolute").click()
    page.wait_for_url(re.compile("axis=absolute"))
    assert page.evaluate("window.kept")
    expect(page.locator("#histograms")).to_contain_text("every line encloses the same area")
    page.reload()
    expect(page.get_by_role("link", name="Absolute")).to_have_attribute("aria-current", "true")
    page.go_back()
    expect(page.locator("#histograms")).to_contain_text("shapes can be compared")


def test_lines_are_aligned_token_by_token(page: Page) -> None:
    page.goto(f"{SAE}/compare?features=1,2")
    for text in page.locator(".compared").all()[:3]:
        places = [
            line.locator(".peak").first.bounding_box() for line in text.locator(".line").all()
        ]
        assert len({round(box["x"]) for box in places if box}) == 1
        words = {line.inner_text() for line in text.locator(".line").all()}
        assert len(words) == 1


def test_the_page_fits_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 380, "height": 800})
    page.goto(f"{SAE}/compare?features=1,2,3,4")
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
