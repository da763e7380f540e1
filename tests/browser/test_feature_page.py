"""The page of a feature in a real browser: every switch, the card of a token, both themes."""

import json
import re
from collections.abc import Callable, Iterator
from urllib.request import urlopen

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from app.demo.synthetic.text import HOSTILE_TOKENS

from .conftest import SAE

READY = "#activation figure[data-ready]"

START_OF_TOKEN = """(token) => {
  token.scrollIntoView({ block: "center", behavior: "instant" });
  const [first] = token.getClientRects();
  return [first.x + 2, first.y + first.height / 2];
}"""
"""A wrapped token's box spans two lines; its first rectangle is where it begins."""


@pytest.fixture(scope="session")
def full(base_url: str) -> int:
    """A feature whose groups are all full, its strongest example in the middle of a context."""
    for index in range(120):
        with urlopen(f"{base_url}{SAE}/{index}.json") as answer:
            examples = json.load(answer)["examples"]
        found = [item["group"] for item in examples]
        sizes = [found.count(group) for group in ("top", "interval", "quantile", "silent")]
        if sizes == [20, 25, 25, 10] and 40 < examples[0]["position"] < 110:
            return index
    raise LookupError("no feature of the invented atlas has all its examples")


@pytest.fixture
def feature(page: Page, full: int) -> Iterator[Page]:
    """A page that also fails the test where the Content-Security-Policy refused anything."""
    page.add_init_script(
        "window.refused = []; document.addEventListener('securitypolicyviolation', "
        "(event) => window.refused.push(`${event.violatedDirective} ${event.blockedURI}`))"
    )
    page.goto(f"{SAE}/{full}")
    yield page
    page.wait_for_load_state()
    assert page.evaluate("window.refused") == []


def test_plotly_takes_the_place_of_the_drawing_without_a_jump(page: Page, full: int) -> None:
    page.goto(f"{SAE}/{full}", wait_until="domcontentloaded")
    area = page.locator("#activation .chart-area")
    before = area.bounding_box()
    expect(page.locator(READY)).to_be_visible()
    assert area.bounding_box() == before
    assert page.locator("#activation .plotly .bars path").count() == 50
    expect(page.locator("#activation .chart-drawing")).to_be_hidden()


def test_a_bar_says_its_count(feature: Page) -> None:
    expect(feature.locator(READY)).to_be_visible()
    counts = [int(text.replace(",", "")) for text in _table_counts(feature)]
    highest = counts.index(max(counts))
    box = feature.locator("#activation .plotly .bars .point").nth(highest).bounding_box()
    assert box is not None
    feature.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    card = feature.locator("#activation .hovertext")
    expect(card).to_be_visible()
    assert f"{max(counts):,} tokens" in (card.text_content() or "")


def _table_counts(page: Page) -> list[str]:
    return page.locator("#activation tbody tr td:nth-child(3)").all_text_contents()


def test_the_histograms_scale_changes_in_place_and_is_in_the_address(
    feature: Page, full: int
) -> None:
    expect(feature.locator(READY)).to_be_visible()
    feature.evaluate("window.same = true")
    feature.locator("#activation nav").get_by_role("link", name="Log").click()
    expect(feature.locator("#activation figure")).to_have_attribute("data-ready", "log")
    assert feature.url.endswith(f"{SAE}/{full}?scale=log")
    assert feature.evaluate("window.same") is True
    kind = "document.querySelector('#activation .chart-plotly')._fullLayout.yaxis.type"
    assert feature.evaluate(kind) == "log"
    link = feature.locator("#examples nav").get_by_role("link", name="Silent")
    assert "scale=log" in (link.get_attribute("href") or ""), "other links keep the scale"
    feature.reload()
    expect(feature.locator("#activation figure")).to_have_attribute("data-ready", "log")
    feature.locator("#activation nav").get_by_role("link", name="Linear").click()
    expect(feature.locator("#activation figure")).to_have_attribute("data-ready", "linear")
    assert feature.url.endswith(f"{SAE}/{full}")


def test_the_ablation_switch_keeps_the_place_on_the_page(feature: Page) -> None:
    feature.locator("#examples").scroll_into_view_if_needed()
    option = feature.get_by_role("navigation", name="Ablation")
    option.get_by_role("link", name="Replace").click()
    expect(option.get_by_role("link", name="Replace")).to_have_attribute("aria-current", "true")
    expect(feature).to_have_url(re.compile(r"\?ablation=replace$"))
    assert feature.evaluate("scrollY") > 100
    expect(feature.locator("#examples .legend")).to_contain_text("replacing it")
    expect(feature.locator("#ablation caption").first).to_contain_text("replacing")
    option.get_by_role("link", name="Off").click()
    expect(feature.locator(".line.ablated")).to_have_count(0)
    feature.go_back()
    expect(feature.locator("#examples .legend")).to_contain_text("replacing it")
    feature.go_back()
    expect(feature.locator("#examples .legend")).to_contain_text("deleting it")
    feature.go_forward()
    expect(feature.locator("#examples .legend")).to_contain_text("replacing it")


def test_groups_layouts_and_windows_are_a_click_away(feature: Page) -> None:
    bar = feature.get_by_role("navigation", name="Group of examples")
    groups = {"Top": 20, "Intervals": 25, "Quantiles": 25, "Silent": 10, "Near misses": 10}
    for name, count in groups.items():
        prefix = name.lower().removesuffix(" misses").removesuffix("s")
        bar.get_by_role("link", name=name).click()
        expect(feature).to_have_url(re.compile(rf"\?group={prefix}$"))
        articles = feature.locator(f"article[id^='{prefix}-']")
        expect(articles.first).to_be_visible()
        shown = feature.locator(".examples-more p")
        said = shown.inner_text() if shown.count() else f"1 – {count} of {count} shown"
        assert said == f"1 – {articles.count()} of {count} shown"
    bar.get_by_role("link", name="Mix").click()
    expect(feature.locator("article.example")).to_have_count(15)
    feature.get_by_role("link", name="Wrapped").click()
    expect(feature.locator("#examples")).to_have_class(re.compile("as-wrapped"))
    feature.get_by_role("link", name="Tight").click()
    expect(feature.locator(".line").first.locator("i, u").nth(21)).to_have_count(0)
    expect(feature).to_have_url(re.compile(r"\?layout=wrapped&window=tight$"))


def test_peaks_stand_in_one_column(feature: Page) -> None:
    lefts = feature.eval_on_selector_all(
        ".line .peak", "(peaks) => peaks.map((peak) => Math.round(peak.getBoundingClientRect().x))"
    )
    assert len(lefts) > 15
    assert max(lefts) - min(lefts) <= 1


def test_a_token_shows_its_card_on_hover(feature: Page, full: int) -> None:
    twin = feature.request.get(f"{SAE}/{full}.json").json()
    example = next(item for item in twin["examples"] if item["group"] == "top")
    peak = feature.locator("#top-1 .line.activation .peak")
    peak.scroll_into_view_if_needed()
    peak.hover()
    card = feature.locator(".token-card")
    expect(card).to_be_visible()
    words = card.inner_text()
    assert f"activation\n{example['activation']:.4g}" in words
    assert f"{example['position']} (the peak)" in words
    assert str(example["token_ids"][example["position"] - example["window_start"]]) in words
    assert "deleting it\nnot measured" in words
    feature.mouse.move(0, 0)
    feature.locator("h1").hover()
    expect(card).to_be_hidden()


def test_a_line_is_one_tab_stop_and_arrows_step_inside(feature: Page, full: int) -> None:
    twin = feature.request.get(f"{SAE}/{full}.json").json()
    example = next(item for item in twin["examples"] if item["group"] == "top")
    deleted = next(item for item in example["ablations"] if item["mode"] == "delete")
    effects = dict(zip(deleted["positions"], deleted["effects"], strict=True))
    feature.locator("#top-1 .line.activation").focus()
    feature.keyboard.press("Shift+Tab")
    feature.keyboard.press("Tab")
    card = feature.locator(".token-card")
    expect(card).to_contain_text("(the peak)")
    for step in (1, 2, 3):
        feature.keyboard.press("ArrowLeft")
        expect(card).to_contain_text(f"(−{step} from the peak)")
    effect = effects[example["position"] - 3]
    shown = f"{'+' if effect > 0 else ''}{effect:.3g}".replace("-", "−")
    expect(card).to_contain_text(f"{shown} ({'+' if effect > 0 else '−'}")
    expect(card).to_contain_text("%")
    feature.keyboard.press("End")
    expect(card).to_contain_text("after the peak")
    feature.keyboard.press("Home")
    expect(card).to_contain_text(str(example["window_start"]))
    feature.keyboard.press("Escape")
    expect(card).to_be_hidden()
    feature.keyboard.press("Tab")
    assert feature.evaluate("document.activeElement.className") == "line ablated"


def test_copied_text_is_the_exact_text(
    open_context: Callable[..., BrowserContext], base_url: str, full: int
) -> None:
    context = open_context(base_url=base_url, permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{SAE}/{full}?group=top")
    twin = page.request.get(f"{SAE}/{full}.json").json()
    example = next(item for item in twin["examples"] if "\n" in "".join(item["tokens"]))
    page.evaluate(
        "(name) => getSelection().selectAllChildren("
        "document.querySelector(`#${name} .line.activation`))",
        f"{example['group']}-{example['rank']}",
    )
    page.keyboard.press("Control+c")
    plain = [token for token in example["tokens"] if "\\x" not in token]
    copied = page.evaluate("navigator.clipboard.readText()")
    if len(plain) == len(example["tokens"]):
        assert copied == "".join(example["tokens"])
    assert copied.count("\n") == "".join(example["tokens"]).count("\n")


def test_copy_link_gives_exactly_this_view(
    open_context: Callable[..., BrowserContext], base_url: str, full: int
) -> None:
    context = open_context(base_url=base_url, permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{SAE}/{full}")
    page.get_by_role("navigation", name="Group of examples").get_by_role("link", name="Top").click()
    expect(page.locator("#top-12")).to_be_attached()
    shown = page.locator("article.example").count()
    page.get_by_role("link", name="Log", exact=True).click()
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == f"{base_url}{SAE}/{full}?group=top&scale=log"
    other = open_context().new_page()
    other.goto(link)
    expect(other.locator("article.example")).to_have_count(shown)
    expect(other.locator("#activation [aria-current]")).to_have_text("Log")


def test_an_examples_own_address_scrolls_to_it_with_every_value(feature: Page, full: int) -> None:
    feature.get_by_role("navigation", name="Group of examples").get_by_role(
        "link", name="Top"
    ).click()
    feature.locator("#top-12 a.own").click()
    feature.wait_for_url(f"**{SAE}/{full}?example=top-12#top-12")
    expect(feature.locator("#top-12")).to_be_in_viewport()
    expect(feature.locator("#top-12 .peak-row")).to_be_in_viewport()


def test_n_and_p_go_to_the_next_and_previous_feature(feature: Page, full: int) -> None:
    feature.keyboard.press("n")
    feature.wait_for_url(f"**{SAE}/{full + 1}")
    feature.keyboard.press("p")
    feature.wait_for_url(f"**{SAE}/{full}")
    with feature.expect_navigation(url=re.compile(rf"{SAE}/\d+$")):
        feature.keyboard.press("r")


def test_charts_follow_the_theme(feature: Page) -> None:
    expect(feature.locator(READY)).to_be_visible()
    bar = "getComputedStyle(document.querySelectorAll('#activation .plotly .bars path')[49]).fill"
    light = feature.evaluate(bar)
    feature.get_by_role("button", name="Switch between light and dark").click()
    feature.wait_for_function(f"{bar} !== {json.dumps(light)}")
    assert (light, feature.evaluate(bar)) == ("rgb(171, 52, 25)", "rgb(238, 194, 53)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 1440, 2560])
def test_no_page_is_wider_than_its_screen(
    open_context: Callable[..., BrowserContext], base_url: str, full: int, width: int, scheme: str
) -> None:
    context = open_context(
        base_url=base_url, viewport={"width": width, "height": 900}, color_scheme=scheme
    )
    page = context.new_page()
    for query in ("?example=top-1", "?layout=wrapped&group=silent"):
        page.goto(f"{SAE}/{full}{query}")
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_without_scripts_everything_can_be_read(
    open_context: Callable[..., BrowserContext], base_url: str, full: int
) -> None:
    page = open_context(base_url=base_url, java_script_enabled=False).new_page()
    page.goto(f"{SAE}/{full}")
    expect(page.locator("#activation .chart-drawing")).to_be_visible()
    assert page.locator("#activation .chart-svg rect").count() > 10
    page.get_by_role("link", name="Log", exact=True).click()
    assert page.url.endswith("?scale=log#activation")
    page.locator("#examples").get_by_role("link", name="Replace").click()
    assert page.url.endswith("?ablation=replace&scale=log#examples")
    page.locator("#top-1 a.own").click()
    expect(page.locator("#top-1 .example-values tbody tr").first).to_be_visible()
    page.locator("#activation summary").click()
    expect(page.locator("#activation tbody tr").first).to_be_visible()


def test_hostile_tokens_do_nothing(hostile_page: Page) -> None:
    page = hostile_page
    rows = page.request.get(f"{SAE}.json?size=60").json()["features"]
    hostile = [
        row["feature_index"]
        for row in rows
        if any(token["token"] in HOSTILE_TOKENS for token in row["top_tokens"])
    ]
    assert hostile
    for index in hostile[:6]:
        for query in ("", "?layout=wrapped&group=top", "?example=top-1"):
            page.goto(f"{SAE}/{index}{query}")
            for token in page.locator(".line.activation .peak").all()[:3]:
                page.mouse.move(*token.evaluate(START_OF_TOKEN))
                expect(page.locator(".token-card")).to_be_visible()
            width = page.evaluate("document.documentElement.scrollWidth")
            assert width == page.evaluate("innerWidth")
