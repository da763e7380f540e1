"""The slider over prunings: moved by keys and by pointer, without asking the server."""

from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

from .conftest import SAE, OpenContext

PRUNING = f"{SAE}/pruning"


def threshold(page: Page) -> str:
    """The one in the address."""
    return parse_qs(urlsplit(page.url).query).get("threshold", [""])[0]


def test_the_slider_shows_another_step_and_asks_for_nothing(page: Page) -> None:
    page.goto(PRUNING)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    slider = page.locator("#pruning-step")
    before = page.locator(".pruning-said .lede:visible").inner_text()
    slider.focus()
    page.keyboard.press("Home")
    said = page.locator(".pruning-said .lede:visible")
    expect(said).to_have_count(1)
    expect(said).to_contain_text("With all its features")
    assert threshold(page) == "none"
    expect(slider).to_have_attribute("aria-valuetext", "nothing")
    page.keyboard.press("ArrowRight")
    expect(said).to_contain_text("Without the")
    assert said.inner_text() != before
    assert float(threshold(page)) > 0
    link = page.locator(".pruning-steps a[aria-current]")
    expect(link).to_have_attribute("data-threshold", threshold(page))
    for chart in ("plane", "along"):
        dots = page.locator(f".chart-{chart}").first.locator("circle.step.now")
        expect(dots).to_have_count(1)
        expect(dots).to_have_attribute("data-of-step", "1")
    expect(page.locator(".pruning-readout:visible")).to_have_count(1)
    assert [url for url in asked if not url.endswith("icon.svg")] == []
    page.reload()  # the address shows the same
    expect(page.locator(".pruning-steps a[aria-current]")).to_have_attribute(
        "data-threshold", threshold(page)
    )


def test_a_dot_is_its_step_and_links_keep_it(page: Page) -> None:
    page.goto(PRUNING)
    page.locator(".chart-plane circle.step").nth(2).click()
    chosen = threshold(page)
    assert chosen
    page.get_by_role("link", name="mean folded into b_dec").click()
    page.wait_for_url("**fill=mean**")
    assert threshold(page) == chosen
    expect(page.locator(".pruning-steps a[aria-current]")).to_have_attribute(
        "data-threshold", chosen
    )
    expect(page.locator("#pruning-step")).to_have_value("2")
    page.locator("#pruning-step").fill("4")
    assert threshold(page) != chosen
    twin = page.locator(".site-footer a").filter(has_text="JSON").get_attribute("href") or ""
    kept = {name: values[0] for name, values in parse_qs(urlsplit(twin).query).items()}
    assert kept == {"fill": "mean", "threshold": threshold(page)}


def test_nothing_moves_while_the_slider_does(page: Page) -> None:
    page.goto(PRUNING)
    parts = page.locator(".chart-plane, .pruning-along, .pruning-tables")
    tops: list[list[float]] = []
    for step in range(int(page.locator("#pruning-step").get_attribute("max") or 0) + 1):
        page.locator("#pruning-step").fill(str(step))
        tops.append(
            parts.evaluate_all("all => all.map(it => it.getBoundingClientRect().top + scrollY)")
        )
    assert len(tops) > 5
    for place in zip(*tops, strict=True):
        assert max(place) - min(place) < 0.5


def test_without_scripts_every_step_is_a_link(open_context: OpenContext, base_url: str) -> None:
    page = open_context(base_url=base_url, java_script_enabled=False).new_page()
    page.goto(PRUNING)
    expect(page.locator("#pruning-step")).to_be_hidden()
    page.locator(".pruning-steps a").first.click()
    expect(page.locator(".pruning-said .lede:visible")).to_contain_text("With all its features")
    page.locator(".pruning-steps a").nth(3).click()
    expect(page.locator(".pruning-readout:visible")).to_have_count(1)
    assert float(threshold(page)) > 0
    page.get_by_role("link", name="rarer than").click()
    expect(page.locator(".pruning-said .lede:visible")).to_contain_text("rarer than")
