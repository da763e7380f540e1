"""The list of features, used with mouse, keyboard, and without scripts."""

import csv
import json
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, expect

SAE = "/synthetic/resid-2-1k"

OpenContext = Callable[..., BrowserContext]


def _numbers(page: Page) -> list[int]:
    return [int(text) for text in page.locator(".feature-list td:first-child").all_inner_texts()
            if text.strip()]  # fmt: skip


def _density_of(page: Page) -> str:
    """The range of densities in the address, as it is read."""
    return parse_qs(urlsplit(page.url).query).get("density", [""])[0]


def _mark(page: Page) -> None:
    """Leaves a trace in the document, which loading another would wipe out."""
    page.evaluate("document.documentElement.dataset.trace = 'same'")


def _is_same(page: Page) -> bool:
    return page.evaluate("document.documentElement.dataset.trace === 'same'")


def _n_matching(page: Page) -> int:
    said = page.locator("#features + p").inner_text()
    return int(said.split()[0].replace(",", ""))


def _drag(page: Page, start: float, stop: float, steps: int = 6) -> None:
    """Over the plot of the histogram, from one share of its width to another."""
    box = page.locator(".brush-layer").bounding_box()
    assert box
    middle = box["y"] + box["height"] / 3
    page.mouse.move(box["x"] + start * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + stop * box["width"], middle, steps=steps)
    page.mouse.up()


def test_sorting_turns_around_and_back_in_place(page: Page) -> None:
    page.goto(SAE)
    _mark(page)
    head = page.locator(".feature-list thead")
    first = _numbers(page)
    head.get_by_role("link", name="Max").click()
    page.wait_for_url(lambda url: url.endswith("?sort=-max_activation"))
    largest_first = _numbers(page)
    assert page.evaluate("document.activeElement.id") == "sort-max_activation"
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: url.endswith("?sort=max_activation"))
    assert _numbers(page) != largest_first
    assert _is_same(page)
    page.go_back()
    expect(page.locator("[aria-sort=descending]")).to_have_text("Max ↓")
    assert _numbers(page) == largest_first
    page.go_back()
    expect(page.locator("[aria-sort=descending]")).to_have_text("Density ↓")
    assert _numbers(page) == first
    page.go_forward()
    expect(page.locator("[aria-sort=descending]")).to_have_text("Max ↓")
    assert _is_same(page)


def test_a_typed_filter_goes_into_the_address_alone(page: Page) -> None:
    page.goto(f"{SAE}?sort=-max_activation")
    _mark(page)
    page.get_by_label("Density, range").fill("1%..3%")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="density 1% – 3%")).to_be_visible()
    assert page.url.partition("?")[2] == "sort=-max_activation&density=1%25..3%25"
    assert page.evaluate("document.activeElement.id") == "filter-density"
    expect(page.locator(".brush-layer")).to_have_class("brush-layer set")
    kept = _numbers(page)
    page.get_by_role("link", name="density 1% – 3%").click()
    page.wait_for_url(lambda url: "density" not in url)
    assert len(_numbers(page)) > len(kept)
    assert page.url.partition("?")[2] == "sort=-max_activation"
    assert _is_same(page)


def test_what_is_no_range_is_not_sent(page: Page) -> None:
    page.goto(SAE)
    page.get_by_label("Density, range").fill("high")
    page.keyboard.press("Enter")
    assert page.locator("#filter-density:invalid").count() == 1
    assert page.url.endswith(SAE)


def test_a_mistyped_range_keeps_the_list(open_context: OpenContext, base_url: str) -> None:
    other = open_context(base_url=base_url).new_page()
    other.goto(f"{SAE}?sort=-max_activation&density=2..1")
    expect(other.get_by_role("alert")).to_contain_text("The list is shown without it.")
    expect(other.locator("[aria-sort=descending]")).to_have_text("Max ↓")


def test_an_error_leads_back_to_the_list(open_context: OpenContext, base_url: str) -> None:
    other = open_context(base_url=base_url).new_page()
    other.goto(f"{SAE}?sort=-max_activation&size=no")
    other.get_by_role("link", name="Open the page without it").click()
    expect(other.locator("[aria-sort=descending]")).to_have_text("Max ↓")


def test_text_and_a_choice_filter_the_list(page: Page) -> None:
    page.goto(f"{SAE}?size=100")
    everything = _n_matching(page)
    page.get_by_label("Text in the summary or the tokens").fill("NEVER fired")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("link", name="text “NEVER fired”")).to_be_visible()
    assert 0 < _n_matching(page) < everything
    for name in page.locator(".feature-name").all_inner_texts():
        assert name == "never fired"
    page.locator("#clear-filters").click()
    page.wait_for_url(lambda url: "contains" not in url)
    page.get_by_label("Lives as").select_option("region")
    page.wait_for_url(lambda url: "lives_as=region" in url)
    assert {*page.locator("td.word").all_inner_texts()} == {"region"}


def test_columns_are_chosen_one_after_the_other(page: Page) -> None:
    page.goto(SAE)
    page.get_by_text("Columns", exact=True).click()
    page.locator(".choice").get_by_role("link", name="Skewness").click()
    expect(page.locator("#sort-skewness")).to_be_visible()
    expect(page.locator("details.choice")).to_have_attribute("open", "")
    page.locator(".choice").get_by_role("link", name="Max", exact=False).first.click()
    expect(page.locator("#sort-max_activation")).to_have_count(0)
    shared = page.url
    page.goto("about:blank")
    page.goto(shared)
    expect(page.locator("#sort-skewness")).to_be_visible()
    expect(page.locator("#sort-max_activation")).to_have_count(0)


def test_a_bar_of_the_histogram_lists_its_features(page: Page) -> None:
    page.goto(SAE)
    bar = page.locator(".chart-density-chart a").nth(2)
    said = bar.locator("title").text_content() or ""
    n_features = int(said.rpartition(": ")[2].split()[0])
    bar.locator("rect").click()
    page.wait_for_url(lambda url: "density=" in url)
    expect(page.locator(".feature-list tbody tr")).to_have_count(n_features)


def test_dragging_over_the_histogram_keeps_a_range(page: Page, open_context: OpenContext) -> None:
    page.goto(f"{SAE}?sort=max_activation&size=200")
    everything = _n_matching(page)
    _mark(page)
    _drag(page, 0.5, 0.7)
    page.wait_for_url(lambda url: "density=" in url)
    low, high = _density_of(page).split("..")
    expect(page.locator(".filter-row .chip.set")).to_have_text(
        f"density {low} – {high} ×remove filter"
    )
    kept = _numbers(page)
    assert 0 < len(kept) == _n_matching(page) < everything
    said = page.locator("[data-brush-said]")
    expect(said).to_have_text(f"Now {low} – {high}. ")
    other = open_context().new_page()
    other.goto(page.url)
    assert _numbers(other) == kept
    _drag(page, 0.6, 0.7)  # inside the range: it is moved, its width stays
    page.wait_for_url(lambda url: "density=" in url and _density_of(page) != f"{low}..{high}")
    moved = _density_of(page).split("..")
    width = float(high.rstrip("%")) / float(low.rstrip("%"))
    ends = [float(end.rstrip("%") or 100) for end in moved]
    assert abs(ends[1] / ends[0] / width - 1) < 0.02
    page.go_back()
    expect(said).to_have_text(f"Now {low} – {high}. ")
    assert _numbers(page) == kept
    page.go_back()
    expect(page.locator(".filter-row .chip.set")).to_have_count(0)
    assert _n_matching(page) == everything
    assert _is_same(page)


def test_while_a_range_is_dragged_its_features_are_counted(page: Page) -> None:
    page.goto(f"{SAE}?size=200")
    box = page.locator(".brush-layer").bounding_box()
    assert box
    y = box["y"] + 20
    page.mouse.move(box["x"] + 0.4 * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], y, steps=5)
    said = page.locator("[data-brush-said]").inner_text()
    page.mouse.up()
    page.wait_for_url(lambda url: "density=" in url)
    assert said.partition(": ")[2] == f"{_n_matching(page)} features. "


def test_escape_gives_the_range_back_while_it_is_dragged(page: Page) -> None:
    page.goto(f"{SAE}?density=1%25..10%25")
    box = page.locator(".brush-layer").bounding_box()
    assert box
    page.mouse.move(box["x"] + 5, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 20, steps=3)
    page.keyboard.press("Escape")
    page.mouse.up()
    expect(page.get_by_role("slider", name="Lowest density kept")).to_have_attribute(
        "aria-valuetext", "1% of tokens"
    )
    assert _density_of(page) == "1%..10%"


def test_the_handles_follow_the_keys_and_say_where_they_are(page: Page) -> None:
    page.goto(SAE)
    low = page.get_by_role("slider", name="Lowest density kept")
    high = page.get_by_role("slider", name="Highest density kept")
    low.focus()
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowRight")
    text = (low.get_attribute("aria-valuetext") or "").removesuffix(" of tokens")
    page.wait_for_url(lambda url: "density=" in url)
    assert _density_of(page) == f"{text}.."
    expect(low).to_be_focused()  # its drawing was replaced meanwhile
    high.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(lambda url: _density_of(page) == f"{text}..75%")
    page.keyboard.press("End")
    page.wait_for_url(lambda url: _density_of(page) == f"{text}..")
    low.focus()
    page.keyboard.press("Home")
    page.wait_for_url(lambda url: "density" not in url)


def test_a_finger_drags_a_range(open_context: OpenContext, base_url: str) -> None:
    page = open_context(base_url=base_url, has_touch=True, viewport={"width": 380, "height": 800})
    phone = page.new_page()
    phone.goto(SAE)
    phone.locator(".brush-layer").scroll_into_view_if_needed()
    box = phone.locator(".brush-layer").bounding_box()
    assert box
    x, y = box["x"] + 0.4 * box["width"], box["y"] + 30
    touch = phone.context.new_cdp_session(phone)
    touch.send(
        "Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]}
    )
    for step in range(1, 9):
        point = {"x": x + step * 10, "y": y + 1}
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    phone.wait_for_url(lambda url: "density=" in url)
    expect(phone.locator(".filter-row .chip.set")).to_have_count(1)


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
        before = page.url
        page.get_by_role("link", name="Next 50").click()
        page.wait_for_url(lambda url, before=before: url != before)
        seen += _numbers(page)
    assert sorted(seen) == list(range(120))
    page.get_by_role("link", name="First").click()
    page.wait_for_url(lambda url: "next=" not in url)
    assert _numbers(page) == seen[:50]


def test_rows_are_stepped_through_and_opened_with_the_keyboard(page: Page) -> None:
    page.goto(SAE)
    rows = _numbers(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("j")
    focused = page.evaluate("document.activeElement.getAttribute('href')")
    assert focused == f"{SAE}/{rows[1]}"
    page.get_by_label("Density, range").focus()
    page.keyboard.type("j")
    assert page.get_by_label("Density, range").input_value() == "j"
    page.get_by_label("Density, range").fill("")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    focused = page.evaluate("document.activeElement.getAttribute('href')")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: url.endswith(focused))


@pytest.mark.parametrize("kind", ["CSV", "JSON"])
def test_the_list_is_downloaded(page: Page, kind: str) -> None:
    page.goto(f"{SAE}?density=1%25..&size=3")
    n_matching = _n_matching(page)
    with page.expect_download() as download:
        page.get_by_role("link", name=kind, exact=True).click()
    assert download.value.suggested_filename == f"synthetic-resid-2-1k-features.{kind.lower()}"
    with download.value.path().open(newline="") as file:
        rows = [*csv.DictReader(file)] if kind == "CSV" else json.load(file)["features"]
    assert len(rows) == n_matching
    assert [int(row["feature_index"]) for row in rows[:3]] == _numbers(page)


def test_on_a_phone_nothing_is_wider_than_the_screen(
    open_context: OpenContext, base_url: str
) -> None:
    phone = open_context(base_url=base_url, viewport={"width": 380, "height": 800}).new_page()
    phone.goto(f"{SAE}?density=0.1%25..&top_token_share=10%25..&sort=run_length")
    assert phone.evaluate("document.documentElement.scrollWidth") == 380
    card = phone.locator(".feature-list tbody tr").first
    box = card.bounding_box()
    assert box and box["height"] < 120
    for part in ("td.index", ".feature-name", ".spark", "td[data-label=Density]"):
        expect(card.locator(part)).to_be_visible()


def test_the_usual_columns_fit_a_window_of_1280_pixels(
    open_context: OpenContext, base_url: str
) -> None:
    """Less the scroll bar, which this browser hides."""
    page = open_context(base_url=base_url, viewport={"width": 1265, "height": 800}).new_page()
    page.goto(SAE)
    widths = page.locator("#list-scroll").evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert widths[0] <= widths[1]
    page.locator("#features").evaluate("e => e.scrollIntoView()")
    expect(page.locator("tr.sorts th").last).to_have_text("Lives as")
    expect(page.locator("tr.sorts th").last).to_be_in_viewport()


def test_filters_work_without_scripts(open_context: OpenContext, base_url: str) -> None:
    page = open_context(base_url=base_url, java_script_enabled=False).new_page()
    page.goto(SAE)
    page.get_by_label("Max, range").fill("3..")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("link", name="max activation ≥ 3")).to_be_visible()
    page.get_by_role("link", name="+ single-token").click()
    expect(page.locator("#set-single-token.set")).to_be_visible()
    expect(page.get_by_label("Top token, range")).to_have_value("90%..")
    page.get_by_label("Max, range").fill("")
    page.get_by_label("Density, range").fill("1%..5%")
    page.keyboard.press("Enter")
    expect(page.locator(".chart-links .brush")).to_be_visible()
    assert page.get_by_role("slider").count() == 0
    page.locator(".chart-density-chart a").first.locator("rect").click()
    assert "density=" in page.url


def test_hostile_tokens_do_nothing(hostile_page: Page) -> None:
    page = hostile_page
    for url in ("/", f"{SAE}?size=60", "/-/search?q=%3Cscript", f"{SAE}/1"):
        page.goto(url)
        page.wait_for_load_state("networkidle")
    page.goto("/-/search?q=%3Cscript%3Ealert(1)%3C/script%3E")
    expect(page.locator(".meanings code").first).to_have_text("<script>alert(1)</script>")
