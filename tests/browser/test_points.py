"""The scatter and the map of directions: pointed at, clicked, dragged, zoomed, with keys alone."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

from .conftest import SAE, OpenContext

MAP = f"{SAE}/map"


def _points(page: Page, query: str = "") -> dict[str, Any]:
    return json.loads(page.request.get(f"{SAE}/points.json{query}").text())


def _scatter(page: Page) -> Any:
    """The scatter's canvas, drawn and in sight."""
    page.wait_for_selector(".chart-scatter .drawn")
    canvas = page.locator(".chart-scatter canvas")
    canvas.scroll_into_view_if_needed()
    return canvas


def _place(page: Page, canvas: Any, index: int, query: str = "") -> tuple[float, float]:
    """Where on the screen a feature's dot lies, worked out from its values alone."""
    import math

    found, box = _points(page, query), canvas.bounding_box()

    def share(column: dict[str, Any]) -> float:
        low, high, value = column["low"], column["high"], column["values"][index]
        if column["log"]:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return (value - low) / (high - low)

    return (
        box["x"] + share(found["x"]) * box["width"],
        box["y"] + (1 - share(found["y"])) * box["height"],
    )


def _strongest(page: Page) -> int:
    """The feature with the largest activation: no other dot lies near it."""
    values = _points(page)["y"]["values"]
    return max(range(len(values)), key=lambda i: values[i] or 0)


def _arguments(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def test_a_dot_is_named_and_opened(page: Page) -> None:
    page.goto(SAE)
    canvas = _scatter(page)
    index = _strongest(page)
    page.mouse.move(*_place(page, canvas, index))
    card = page.locator(".point-card")
    expect(card).to_contain_text(f"#{index}")
    expect(card).to_contain_text("max activation")
    expect(card.locator(".token-name")).to_be_visible()
    page.mouse.move(5, 5)
    expect(card).to_be_hidden()
    page.mouse.click(*_place(page, canvas, index))
    page.wait_for_url(f"**{SAE}/{index}")


def test_a_dragged_rectangle_is_two_ranges_of_the_address_and_the_list(page: Page) -> None:
    page.goto(f"{SAE}?size=200&sort=feature_index")
    canvas = _scatter(page)
    box = canvas.bounding_box()
    assert box
    page.evaluate("window.stays = true")
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 0.7 * box["height"])
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.9 * box["height"])
    expect(page.locator(".scatter-brush")).to_be_visible()
    page.mouse.up()
    page.wait_for_url(lambda url: "max_activation=" in url and "density=" in url)
    assert _arguments(page)["density"].count("%") == 2
    expect(page.locator(".chart-scatter svg .brushed")).to_have_count(1)
    assert page.evaluate("window.stays"), "the page was not left"
    twin = page.request.get(page.url.replace("?", ".json?")).json()
    assert 0 < twin["n_matching"] < 120
    expect(page.locator(".feature-list tbody tr")).to_have_count(twin["n_matching"])
    points = _points(page)
    places = [
        i
        for i in range(120)
        if points["x"]["values"][i]
        and _inside(page, canvas, i, (0.3, 0.5, 0.8, 0.9))
    ]  # fmt: skip
    listed = {feature["feature_index"] for feature in twin["features"]}
    # borders are written in three digits: dots on them may fall on either side
    assert len(listed ^ set(places)) <= 2
    page.go_back()
    expect(page.locator(".feature-list tbody tr")).to_have_count(120)
    expect(page.locator(".chart-scatter svg .brushed")).to_have_count(0)


def _inside(page: Page, canvas: Any, index: int, part: tuple[float, float, float, float]) -> bool:
    box = canvas.bounding_box()
    x, y = _place(page, canvas, index)
    across, down = (x - box["x"]) / box["width"], (y - box["y"]) / box["height"]
    return part[0] <= across <= part[2] and part[1] <= down <= part[3]


def test_escape_clears_the_ranges_and_the_keyboard_stays(page: Page) -> None:
    page.goto(f"{SAE}?density=1%25..2%25&max_activation=2..")
    _scatter(page).focus()
    page.keyboard.press("Escape")
    page.wait_for_url(lambda url: "density" not in url and "max_activation" not in url)
    expect(page.locator(".chart-scatter canvas")).to_be_focused()


def test_arrows_step_from_dot_to_dot_and_say_it(page: Page) -> None:
    page.goto(SAE)
    _scatter(page).focus()
    card = page.locator(".point-card b").first
    page.keyboard.press("ArrowUp")
    first = card.inner_text()
    page.keyboard.press("ArrowRight")
    expect(card).not_to_have_text(first)
    second = card.inner_text().removeprefix("#")
    expect(page.locator("[data-scatter-said]")).to_contain_text(f"Feature {second}, ")
    density = _points(page)["x"]["values"]
    assert density[int(second)] > density[int(first.removeprefix("#"))]
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{SAE}/{second}")


def test_axes_are_chosen_and_defaults_leave_the_address(page: Page) -> None:
    page.goto(f"{SAE}?density=1%25..")
    _scatter(page)
    page.locator("[data-scatter-axes] select[name=y]").select_option("run_length")
    page.wait_for_url(lambda url: "y=run_length" in url)
    assert _arguments(page) == {"density": "1%..", "y": "run_length"}
    expect(page.locator(".chart-scatter .axis-name").last).to_contain_text("run length")
    page.locator("[data-scatter-axes] select[name=y]").select_option("max_activation")
    page.wait_for_url(lambda url: "&y=" not in url)


def test_without_scripts_axes_and_map_are_forms(open_context: OpenContext, base_url: str) -> None:
    page = open_context(base_url=base_url, java_script_enabled=False).new_page()
    page.goto(f"{SAE}?sort=run_length")
    assert page.locator(".chart-scatter .cells path").count() > 2
    page.get_by_label("Up").select_option("run_length")
    page.get_by_role("button", name="Draw").click()
    assert _arguments(page)["sort"] == "run_length"
    assert page.get_by_label("Up").input_value() == "run_length"
    page.get_by_role("link", name="map of directions").click()
    page.get_by_label("Fires on").fill("self")
    page.get_by_role("button", name="Show").click()
    assert page.locator(".map-mark").count() > 0
    expect(page.locator(".map-found tbody tr")).to_have_count(
        min(10, page.locator(".map-mark").count())
    )


def _map(page: Page, query: str = "") -> Any:
    page.goto(MAP + query)
    page.wait_for_selector(".map.drawn")
    return page.locator(".map canvas")


def _at(page: Page) -> list[float]:
    return [float(n) for n in _arguments(page)["at"].split(",")] if "at=" in page.url else []


def test_the_map_zooms_by_keys_wheel_and_buttons_into_the_address(page: Page) -> None:
    canvas = _map(page)
    canvas.focus()
    page.keyboard.press("+")
    page.wait_for_url(lambda url: "at=" in url)
    assert _at(page) == [0.5, 0.5, 1.6]
    page.keyboard.press("ArrowRight")
    page.wait_for_url(lambda url: "at=0.5," not in url)
    assert _at(page)[0] > 0.5
    page.get_by_role("button", name="Closer").click()
    page.wait_for_url(lambda url: url.endswith(",2.56"))
    canvas.hover()
    page.mouse.wheel(0, -100)
    page.wait_for_url(lambda url: not url.endswith(",2.56"))
    assert _at(page)[2] > 2.56
    copied = page.url
    canvas.focus()
    page.keyboard.press("0")
    page.wait_for_url(lambda url: "at=" not in url)
    page.keyboard.press("-")
    page.goto(copied)
    page.wait_for_selector(".map.drawn")
    page.locator(".map canvas").focus()
    page.keyboard.press("-")
    page.wait_for_timeout(400)
    assert 1 < _at(page)[2] < float(copied.rpartition(",")[2])


def test_the_map_is_dragged_and_a_drag_opens_nothing(page: Page) -> None:
    canvas = _map(page, "?at=0.5,0.5,4")
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 30)
    page.mouse.move(x + 120, y + 60)
    page.mouse.up()
    page.wait_for_url(lambda url: "at=0.5," not in url)
    across, down, zoom = _at(page)
    assert zoom == 4
    assert across < 0.5 and down < 0.5
    assert urlsplit(page.url).path == MAP


def test_a_dot_of_the_map_is_named_and_opened(page: Page) -> None:
    canvas = _map(page, "?color=density")
    found = _points(page, "?x=map_x&y=map_y&color=density")
    x, y = found["x"]["values"], found["y"]["values"]
    # the dot farthest from all others
    index = max(
        range(120),
        key=lambda i: min((x[i] - x[j]) ** 2 + (y[i] - y[j]) ** 2 for j in range(120) if j != i),
    )
    frame = page.locator("[data-map]")
    left, bottom, width, height = (
        float(frame.get_attribute(f"data-{name}") or 0)
        for name in ("left", "bottom", "width", "height")
    )
    box = canvas.bounding_box()
    unit = min(box["width"] / width, box["height"] / height)
    at = (
        box["x"] + box["width"] / 2 + (x[index] - left - width / 2) * unit,
        box["y"] + box["height"] / 2 - (y[index] - bottom - height / 2) * unit,
    )
    page.mouse.move(*at)
    expect(page.locator(".point-card")).to_contain_text(f"#{index}")
    expect(page.locator(".point-card")).to_contain_text("density")
    page.mouse.click(*at)
    page.wait_for_url(f"**{SAE}/{index}")


def test_shift_with_arrows_steps_and_enter_opens(page: Page) -> None:
    _map(page).focus()
    page.keyboard.press("Shift+ArrowUp")
    first = page.locator(".point-card b").first.inner_text()
    page.keyboard.press("Shift+ArrowLeft")
    expect(page.locator(".point-card b").first).not_to_have_text(first)
    index = page.locator(".point-card b").first.inner_text().removeprefix("#")
    expect(page.locator("[data-map-said]")).to_contain_text(f"Feature {index}, ")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{SAE}/{index}")


def test_a_searched_token_marks_its_features_and_keeps_the_place(page: Page) -> None:
    _map(page, "?at=0.5,0.5,2")
    page.evaluate("window.stays = true")
    page.get_by_label("Fires on").fill("self")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "q=self" in url)
    expect(page.locator(".map-found")).to_contain_text("features marked")
    assert page.evaluate("window.stays")
    assert _arguments(page) == {"q": "self", "at": "0.5,0.5,2"}
    twin = page.request.get(f"{MAP}.json?q=self").json()
    rows = page.locator(".map-found tbody tr")
    expect(rows).to_have_count(min(10, len(twin["results"])))
    page.get_by_label("Colour").select_option("density")
    page.wait_for_url(lambda url: "color=density" in url)
    expect(page.locator(".map-legend")).to_contain_text("density")
    page.go_back()
    expect(page.locator(".map-legend")).to_contain_text("max activation")
    page.go_back()
    expect(rows).to_have_count(0)
    expect(page.get_by_label("Fires on")).to_have_value("")
    page.go_forward()
    expect(rows.first).to_be_visible()
    page.get_by_role("link", name="clear").click()
    expect(rows).to_have_count(0)
    expect(page.get_by_label("Fires on")).to_have_value("")
    page.go_back()
    expect(rows.first).to_be_visible()
    first = rows.first.locator(".feature-name")
    address = first.get_attribute("href")
    first.click()
    page.wait_for_url(f"**{address}")


def test_a_marked_feature_is_named_at_once(page: Page) -> None:
    _map(page, "?feature=7")
    expect(page.locator(".point-card")).to_contain_text("#7")


def test_dots_follow_the_theme(page: Page) -> None:
    page.emulate_media(color_scheme="light")
    canvas = _map(page)
    light = canvas.evaluate("canvas => canvas.toDataURL()")
    page.get_by_role("button", name="Switch between light and dark").click()
    page.wait_for_function(
        "before => document.querySelector('.map canvas').toDataURL() !== before", arg=light
    )


def test_hostile_tokens_do_nothing(hostile_page: Page) -> None:
    page = hostile_page
    _map(page, "?q=%3Cscript%3Ealert(1)%3C/script%3E").focus()
    for _ in range(12):
        page.keyboard.press("Shift+ArrowRight")
        page.wait_for_timeout(80)
