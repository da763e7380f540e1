"""axe-core finds nothing on any page in either theme, and every page fits a phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from .addresses import PAGES
from .conftest import OpenContext


@pytest.fixture(scope="session")
def axe() -> Axe:
    return Axe()


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 1280), ("dark", 380)])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(
    axe: Axe, open_context: OpenContext, base_url: str, name: str, theme: str, width: int
) -> None:
    page = open_context(
        base_url=base_url, color_scheme=theme, viewport={"width": width, "height": 720}
    ).new_page()
    page.goto(PAGES[name])
    page.wait_for_load_state("networkidle")
    violations = axe.run(page).response["violations"]
    found = [
        (violation["id"], [(node["target"], node["failureSummary"]) for node in violation["nodes"]])
        for violation in violations
    ]
    assert found == [], found


@pytest.mark.parametrize("width", [320, 380])
@pytest.mark.parametrize("name", PAGES)
def test_no_page_is_wider_than_a_phone(
    open_context: OpenContext, base_url: str, name: str, width: int
) -> None:
    """Wide tables scroll inside themselves; the page never does."""
    page = open_context(base_url=base_url, viewport={"width": width, "height": 800}).new_page()
    page.goto(PAGES[name])
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_whole_without_scripts(
    open_context: OpenContext, base_url: str, name: str
) -> None:
    """The same headings with them and without."""
    scripted = open_context(base_url=base_url).new_page()
    scripted.goto(PAGES[name])
    plain = open_context(base_url=base_url, java_script_enabled=False).new_page()
    plain.goto(PAGES[name])
    headings = plain.locator("h1, h2").all_text_contents()
    assert headings
    assert headings == scripted.locator("h1, h2").all_text_contents()


BEGIN_ELSEWHERE = {
    "feature, one example": "line activation",  # the example the address names
    "feature, embedded": None,  # a frame has no header to skip
    "search, empty": None,  # the field has the focus
}
"""Pages on which the first key does not lead to the link past the header: where it leads."""


@pytest.mark.parametrize("name", PAGES)
def test_the_keyboard_reaches_everything_that_can_be_clicked(
    open_context: OpenContext, base_url: str, name: str
) -> None:
    """What looks like a control is one: a link with an address, a button, or a field."""
    page = open_context(base_url=base_url).new_page()
    page.goto(PAGES[name])
    unreachable = page.evaluate(
        """[...document.querySelectorAll('[onclick], [role=button], [role=link], a:not([href])')]
        .filter((e) => e.tabIndex < 0 && !e.closest('[aria-hidden]'))
        .map((e) => e.outerHTML.slice(0, 120))"""
    )
    assert unreachable == []
    page.keyboard.press("Tab")
    wanted = BEGIN_ELSEWHERE.get(name, "skip")
    assert wanted is None or page.evaluate("document.activeElement.className") == wanted
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        place = page.evaluate(
            """() => { const e = document.activeElement; const box = e.getBoundingClientRect();
            const seen = box.width > 0 && box.height > 0;
            return [e.outerHTML.slice(0, 200), e === document.body || seen]; }"""
        )
        assert place[1], f"focus on something that can't be seen: {place[0]}"
        seen.add(place[0])
    assert len(seen) > 5
