"""Searching: from the box with its suggestions, narrowed by ticks, ranked in every way."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, Locator, Page, Route, expect
from pydantic import SecretStr

from .conftest import Serve

SAE = "/synthetic/resid-2-1k"


def _box(page: Page) -> Locator:
    return page.locator("input[type=search][name=q]")


def test_from_the_header_to_a_feature(page: Page) -> None:
    page.goto(SAE)
    _box(page).fill("self")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Fires on")).to_be_visible()
    expect(page.locator(".meaning:has(:checked)")).to_have_count(2)
    page.locator("#results-fires").locator("xpath=../..").locator("a.feature-name").first.click()
    expect(page.locator(".breadcrumb [aria-current]")).to_be_visible()
    page.go_back()
    expect(_box(page)).to_have_value("self")


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
    base_url = serve(atlas_path, access_key=SecretStr("open sesame, at once"))
    context = open_context(base_url=base_url)
    page = context.new_page()
    page.goto("/")
    expect(page.locator("h1")).to_have_text("This atlas asks for a key")
    page.goto(f"{SAE}?sort=density&key=open%20sesame,%20at%20once")
    assert page.url == f"{base_url}{SAE}?sort=density"
    _box(page).fill("self")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Fires on")).to_be_visible()
    [cookie] = context.cookies()
    assert cookie.get("httpOnly") and cookie.get("sameSite") == "Lax"
    assert "sesame" not in cookie.get("value", "sesame")
    stranger = open_context(base_url=base_url).new_page()
    stranger.goto(page.url)
    expect(stranger.locator("h1")).to_have_text("This atlas asks for a key")


def test_a_suggested_token_is_searched_with_its_tick(page: Page) -> None:
    page.goto("/")
    page.keyboard.press("/")
    page.keyboard.type("sel")
    box, options = _box(page), page.get_by_role("option")
    expect(options.first).to_be_visible()
    expect(box).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("listbox")).to_have_attribute("aria-label", "Suggestions")
    expect(page.get_by_role("group", name="Tokens").get_by_role("option")).not_to_have_count(0)
    page.keyboard.press("ArrowDown")
    chosen = page.locator("[role=option][aria-selected=true]")
    expect(chosen).to_have_count(1)
    assert box.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    shown = chosen.locator("code").inner_text()
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "token=" in url)
    expect(page.locator(".meaning:has(:checked)")).to_have_count(1)
    expect(page.locator(".meaning:has(:checked) code")).to_have_text(shown)


def test_the_keys_of_the_list(page: Page) -> None:
    page.goto("/-/search")
    box, options = _box(page), page.get_by_role("option")
    box.press_sequentially("se")
    expect(options.first).to_be_visible()
    selected = page.locator("[role=option][aria-selected=true]")
    box.press("ArrowUp")
    expect(options.last).to_have_attribute("aria-selected", "true")
    box.press("Home")
    expect(options.first).to_have_attribute("aria-selected", "true")
    box.press("End")
    expect(options.last).to_have_attribute("aria-selected", "true")
    box.press("ArrowDown")
    expect(selected).to_have_count(0)
    assert box.get_attribute("aria-activedescendant") is None
    box.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(box).to_have_value("se")
    expect(box).to_have_attribute("aria-expanded", "false")
    box.press("ArrowDown")
    expect(options.first).to_be_visible()
    box.press("Enter")
    page.wait_for_url(lambda url: url.endswith("/-/search?q=se"))


def test_a_number_opens_the_feature_of_the_dictionary_one_is_in(page: Page) -> None:
    page.goto("/synthetic/resid-1-1k/3")
    _box(page).press_sequentially("#12")
    option = page.get_by_role("group", name="Features").get_by_role("option")
    expect(option).to_have_count(1)
    option.click()
    page.wait_for_url(lambda url: url.endswith("/synthetic/resid-1-1k/12"))
    _box(page).fill("#13")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: url.endswith("/synthetic/resid-1-1k/13"))


def test_an_older_answer_never_replaces_a_newer_one(page: Page) -> None:
    def answer(route: Route) -> None:
        if route.request.url.endswith("q=s"):
            page.wait_for_timeout(400)
        route.continue_()

    page.route("**/-/suggest.json*", answer)
    page.goto("/-/search")
    _box(page).press_sequentially("s")
    page.wait_for_timeout(120)
    _box(page).press_sequentially("elf")
    expect(page.get_by_role("option").locator("code").first).to_have_text("self")
    page.wait_for_timeout(600)
    texts = page.get_by_role("option").locator("code").all_inner_texts()
    assert all("sel" in text.lower() for text in texts)


def test_nothing_is_asked_while_an_input_method_composes(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "suggest" in request.url
            else None)  # fmt: skip
    page.goto("/-/search")
    asked.clear()  # the script itself has the word in its name
    box = _box(page)
    box.dispatch_event("compositionstart")
    box.fill("se")
    page.wait_for_timeout(250)
    assert asked == []
    box.dispatch_event("compositionend")
    expect(page.get_by_role("option").first).to_be_visible()
    assert len(asked) == 1


def test_suggestions_push_nothing_aside(page: Page) -> None:
    page.goto("/")
    before = page.locator("main").bounding_box()
    _box(page).press_sequentially("se")
    expect(page.get_by_role("option").first).to_be_visible()
    assert page.locator("main").bounding_box() == before


def test_a_phrase_in_the_examples_from_the_box_to_its_example(page: Page) -> None:
    page.goto("/")
    _box(page).press_sequentially("raise Val")
    page.get_by_role("group", name="Examples").get_by_role("option").click()
    expect(page.locator("main h2")).to_have_text("Appears in examples")
    hit = page.locator(".hit").first
    expect(hit.locator(".after .match").first).to_contain_text("raise")
    hit.get_by_role("link", name="open").click()
    page.wait_for_url(lambda url: "example=" in url)
    name = page.url.split("#")[-1]
    expect(page.locator(f"#{name}")).to_be_in_viewport()
    page.go_back()
    page.reload()
    expect(page.locator(".hit").first).to_be_visible()


def test_combinations_are_read_and_ticked_apart(page: Page) -> None:
    page.goto("/-/search?q=self+-def")
    expect(page.locator(".search-terms fieldset")).to_have_count(2)
    page.locator(".search-terms fieldset").nth(1).locator("input").first.uncheck()
    page.wait_for_url(lambda url: url.count("token=") == 3)
    expect(page.locator(".meaning:has(:checked)")).to_have_count(3)


def test_searching_works_without_scripts(
    open_context: Callable[..., BrowserContext], base_url: str
) -> None:
    page = open_context(base_url=base_url, java_script_enabled=False).new_page()
    page.goto(SAE)
    _box(page).fill('"raise ValueError"')
    page.keyboard.press("Enter")
    expect(page.locator(".hit").first).to_be_visible()
    assert "sae=synthetic%2Fresid-2-1k" in page.url
    page.get_by_role("link", name="Show all").first.click()
    expect(page.locator("main h2")).to_have_text("Appears in examples")
    page.goto("/-/search")
    page.locator(".starters a").first.click()
    expect(page.get_by_role("heading", name="Fires on")).to_be_visible()
