"""The graph of connections is walked with the keyboard alone, and its lines follow."""

from playwright.sync_api import Page, expect

from .conftest import SAE


def test_arrow_keys_move_and_enter_walks_on(page: Page) -> None:
    page.goto(f"{SAE}/3/connections")
    here = page.locator(".walk-node.here")
    here.focus()
    page.keyboard.press("ArrowLeft")
    focused = page.locator(".walk-node:focus")
    expect(focused).not_to_have_class("walk-node here")
    name = focused.get_attribute("data-node")
    expect(page.locator(".walk-edges path.lit")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    assert focused.get_attribute("data-node") != name
    page.keyboard.press("ArrowUp")
    expect(focused).to_have_attribute("data-node", name or "")
    url = focused.get_attribute("href")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{url}")
    expect(page.locator(".walk-node.here")).to_have_attribute("data-node", name or "")
    page.locator(".walk-node.here").focus()
    page.keyboard.press("ArrowRight")
    assert (page.locator(".walk-node:focus").get_attribute("href") or "").startswith(SAE)


def test_lines_meet_the_rows(page: Page) -> None:
    """A line begins at the middle of its row's edge, at any width of the window."""
    for width in (1440, 700):
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{SAE}/3/connections")
        off = page.evaluate(
            """() => [...document.querySelectorAll("[data-ends]")].map((line) => {
                const start = line.getPointAtLength(0).matrixTransform(line.getScreenCTM());
                const name = line.dataset.ends.split(" ")[0];
                const node = document.querySelector(`[data-node="${name}"]`);
                const box = node.getBoundingClientRect();
                return Math.hypot(start.x - box.right, start.y - (box.top + box.bottom) / 2);
            })"""
        )
        assert off and max(off) < 2, off


def test_a_narrow_screen_scrolls_the_graph_alone(page: Page) -> None:
    page.set_viewport_size({"width": 380, "height": 800})
    for address in (f"{SAE}/3/connections", f"{SAE}/connections"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") <= 380
