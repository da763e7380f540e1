"""One's own text in a real browser: run as one types, taken apart, kept by its address."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import Serve
from tests.live.made import RESID, Made, make


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory,
    model_folder: Callable[[str], Path],
    write_sae: Callable[..., Path],
    text_folder: Path,
) -> Made:
    return make(tmp_path_factory.mktemp("live"), model_folder, write_sae, text_folder)


@pytest.fixture(scope="module")
def live_url(serve: Serve, made: Made) -> str:
    return serve(
        made.atlas,
        notebook="off",
        live=True,
        live_model=str(made.model),
        live_saes=made.saes,
        live_device="cpu",
        live_tokens=32,
    )


@pytest.fixture
def live_page(browser: Browser, live_url: str) -> Iterator[Page]:
    """A page that fails the test on any error in its console."""
    context = browser.new_context(base_url=live_url, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()
    assert problems == []


def tokens(page: Page) -> str:
    return "".join(page.locator(".live-text > *").all_text_contents())


def test_a_text_is_run_as_one_types(live_page: Page) -> None:
    live_page.goto(f"/{RESID}/3")
    field = live_page.get_by_label("Your text").locator("textarea")
    field.press_sequentially(" def first", delay=20)
    expect(live_page.locator(".live-sentence")).to_be_visible()
    expect(live_page.locator(".live-text")).to_contain_text("first")
    assert tokens(live_page).endswith(" def first")
    assert live_page.url.endswith(f"/{RESID}/3")
    field.fill("")
    expect(live_page.locator(".live-sentence")).to_have_count(0)


def test_what_is_overtaken_is_dropped(live_page: Page) -> None:
    """The answer to the first text comes after the second one's: it is not shown."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        if not held:
            held.append(route)
        else:
            route.continue_()

    live_page.goto(f"/{RESID}/3/live")
    live_page.route("**/live?plain=*", hold)
    field = live_page.locator("textarea")
    field.fill(" xyz")
    live_page.wait_for_timeout(500)
    field.fill(" return")
    expect(live_page.locator(".live-text")).to_contain_text("return")
    assert len(held) == 1
    held[0].abort()
    live_page.wait_for_timeout(200)
    assert tokens(live_page).endswith(" return")
    expect(live_page).to_have_url(re.compile("text="))


def test_a_token_is_chosen_and_taken_apart_in_place(live_page: Page) -> None:
    live_page.goto(f"/{RESID}/3/live?plain=+def+first+(items)+return")
    live_page.locator(".live-text > *").nth(4).click()
    expect(live_page.locator(".live-columns h3").first).to_contain_text("at position 4")
    expect(live_page).to_have_url(re.compile("position=4"))
    live_page.get_by_role("link", name="Pairs").click()
    expect(live_page.locator(".live-pairs")).to_be_visible()
    expect(live_page).to_have_url(re.compile("measure=pairs"))
    again = live_page.context.new_page()
    again.goto(live_page.url)
    expect(again.locator(".live-pairs")).to_be_visible()


def test_it_all_works_without_scripts(browser: Browser, live_url: str) -> None:
    context = browser.new_context(base_url=live_url, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"/{RESID}/3")
    page.locator(".live-form textarea").fill(" def first\n return")
    page.get_by_role("button", name="Run").click()
    assert "/live?text=" in page.url
    assert "".join(page.locator(".live-text > *").all_text_contents()).endswith(
        " def first\n return"
    )
    page.get_by_role("link", name="Minimal text").click()
    expect(page.get_by_text("What it rests on")).to_be_visible()
    page.goto(f"/-/live/steer?change={RESID}/3:add:4")
    page.locator("textarea").fill(" def")
    page.get_by_role("button", name="Run").click()
    expect(page.get_by_role("heading", name="Steered")).to_be_visible()
    context.close()


@pytest.mark.parametrize("width", [1440, 380])
def test_nothing_is_wider_than_the_page(live_page: Page, width: int) -> None:
    live_page.set_viewport_size({"width": width, "height": 900})
    text = "plain=+def+first+(items)+return+items[0]"
    for address in (
        *(f"/{RESID}/3/live?{text}&measure={m}" for m in ("ablation", "blocks", "pairs")),
        f"/-/live/top?{text}",
        f"/-/live/steer?{text}&change={RESID}/3:add:4",
    ):
        live_page.goto(address)
        assert live_page.evaluate("document.documentElement.scrollWidth") <= width
