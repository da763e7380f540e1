"""Pages of the notebook, of keys and links, and of the model: axe-core, phones, keyboards."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from app.access.keys import create_key
from app.db.catalog import list_saes
from app.db.engine import open_atlas
from app.demo.synthetic import build_synthetic_atlas
from app.notebook import labels, lists, notes
from app.notebook.database import open_notebook, writing
from app.notebook.records import Subject
from tests.live.made import RESID, make

from .conftest import SAE, Serve

LONG = "w" * 300
RTL = "اسم الاستثناء بعد كلمة raise"
FULL, LONGEST, BARE = f"{SAE}/3", f"{SAE}/5", f"{SAE}/7"


@pytest.fixture(scope="module")
def written(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server that asks for a key, everything a notebook can hold, and the addresses of it."""
    path = tmp_path_factory.mktemp("pages") / "atlas.db"
    build_synthetic_atlas(path, n_features=20, saes=("resid-2-1k",), events=True)
    atlas = open_atlas(path)
    with atlas.connect() as connection:
        [sae] = list_saes(connection)
    atlas.close()

    def about(index: int, weights: str = "") -> Subject:
        return Subject("synthetic", "resid-2-1k", index, weights or sae.record.weights_hash)

    notebook = open_notebook(str(path.with_suffix(".notebook.db")))
    with writing(notebook) as pen:
        for number in range(30):
            labels.add_label(pen, about(3), f"reader {number}", f"reading no. {number}", "self")
        labels.add_label(pen, about(3), "يوسف", RTL)
        old = labels.add_label(pen, about(3, "other weights"), "Ada", "of another dictionary")
        labels.add_label(pen, about(5), "Ada", LONG)
        labels.add_label(
            pen, about(6), "Ada", "\u202eoverride", source="np", explainer="m", score=0.5
        )
        note = notes.add_note(
            pen, about(3), "Ada", "# So\n\n- *one*\n\n> two\n\n| a | b |\n|---|---|\n| 1 | 2 |"
        )
        notes.set_star(pen, about(3), "Ada", True)
        one = lists.add_list(pen, "Ada", "Everything", "what it *is* for")
        for index in range(12):
            entry = lists.add_entry(pen, one, about(index), "Ada", RTL if index % 2 else "")
        lists.add_list(pen, "Ada", "x" * 120)
        changed = labels.change_label(pen, old.uid, 1, "Grace", "changed words", "self", None)
    key = create_key(notebook, "Ada", "admin")[1]
    reads = create_key(notebook, "Rita", "read", ("synthetic", "resid-2-1k"))[1]
    notebook.dispose()
    yield {
        "base": serve(path, requests_per_second=0),
        "key": key,
        "reads": reads,
        "a feature": FULL,
        "a long label": LONGEST,
        "no label": BARE,
        "named in a list": f"{SAE}?has=label",
        "found": "/-/search?q=has:label+no",
        "lists": "/-/lists",
        "a list": "/-/lists/everything",
        "an empty list": f"/-/lists/{'x' * 60}",
        "a label": f"/-/notebook/label/{changed.uid}",
        "a note": f"/-/notebook/note/{note.uid}",
        "a remark": f"/-/notebook/entry/{entry.uid}",
        "share links": "/-/shares",
    }


PAGES = (
    "a feature", "a long label", "no label", "named in a list", "found", "lists", "a list",
    "an empty list", "a label", "a note", "a remark", "share links",
)  # fmt: skip
Enter = Callable[..., Page]


@pytest.fixture
def enter(browser: Browser, written: dict[str, str]) -> Iterator[Enter]:
    opened: list[BrowserContext] = []

    def page(key: str = "key", **options: Any) -> Page:
        opened.append(browser.new_context(base_url=written["base"], **options))
        made = opened[-1].new_page()
        if key:
            made.goto(f"/?key={written[key]}")
        return made

    yield page
    for context in opened:
        context.close()


def _violations(page: Page) -> list[Any]:
    found = Axe().run(page).response["violations"]
    return [
        (one["id"], [(n["target"], n["failureSummary"]) for n in one["nodes"]]) for one in found
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(enter: Enter, written: dict[str, str], name: str, theme: str) -> None:
    page = enter(color_scheme=theme)
    page.goto(written[name])
    page.wait_for_load_state("networkidle")
    page.locator(".site-menu summary").click()
    assert _violations(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_what_is_answered(
    enter: Enter, written: dict[str, str], theme: str
) -> None:
    """A link just made, a shared page, refusals, a label two people changed."""
    ada = enter(color_scheme=theme)
    ada.goto(written["a feature"])
    ada.get_by_label("More ways to share").click()
    assert _violations(ada) == [], "the open menu"
    ada.get_by_role("button", name="Make a link").click()
    expect(ada.locator("h1")).to_contain_text("whoever has this link")
    assert _violations(ada) == [], "a link just made"
    link = ada.get_by_label("The link", exact=True).input_value()
    ada.goto("/-/shares")
    assert _violations(ada) == [], "links"
    guest = enter("", color_scheme=theme)
    guest.goto(link)
    assert _violations(guest) == [], "a shared page"
    for address in (BARE, "/-/open/nothing.at-all"):
        guest.goto(address)
        assert _violations(guest) == [], address
    stranger = enter("", color_scheme=theme)
    stranger.goto(FULL)
    assert _violations(stranger) == [], "a refusal"
    ada.goto(written["a label"])
    other = enter(color_scheme=theme)
    other.goto(written["a label"])
    for page, text in ((ada, f"first {theme}"), (other, f"second {theme}")):
        page.get_by_label("Label what it is").fill(text)
        page.get_by_role("button", name="Save", exact=True).click()
    expect(other.get_by_role("alert")).to_be_visible()
    assert _violations(other) == [], "two texts"
    reader = enter("reads", color_scheme=theme)
    for address in (FULL, "/-/lists", "/-/shares"):
        reader.goto(address)
        assert _violations(reader) == [], address


@pytest.mark.parametrize("width", [320, 380, 1440])
@pytest.mark.parametrize("name", PAGES)
def test_no_page_is_wider_than_the_screen(
    enter: Enter, written: dict[str, str], name: str, width: int
) -> None:
    page = enter(viewport={"width": width, "height": 800})
    page.goto(written[name])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator(".site-menu summary").bounding_box()
    assert box is not None and box["x"] + box["width"] <= width


@pytest.mark.parametrize("name", PAGES)
def test_the_keyboard_goes_through_in_order_of_sight(
    enter: Enter, written: dict[str, str], name: str
) -> None:
    """Every stop can be seen, and forms are stopped at from their first field to their button."""
    page = enter(viewport={"width": 1440, "height": 900})
    page.goto(written[name])
    backwards = page.evaluate(
        """[...document.querySelectorAll('main form')].flatMap((form) => {
          const places = [...form.elements]
            .filter((e) => e.matches('input, select, textarea, button') && e.offsetParent)
            .map((e) => [e.getBoundingClientRect(), e]);
          const middle = (box) => (box.top + box.bottom) / 2;
          return places.slice(1).filter(([box], i) => {
            const [before] = places[i];
            const same = Math.abs(middle(box) - middle(before)) < 12;
            return same ? box.left < before.left : middle(box) < middle(before);
          }).map(([, e]) => e.outerHTML.slice(0, 120));
        })"""
    )
    assert backwards == [], "fields in the order they stand in"
    for _ in range(40):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            """() => { const e = document.activeElement; const box = e.getBoundingClientRect();
            return e === document.body || (box.width > 0 && box.height > 0); }"""
        )
        assert seen, page.evaluate("document.activeElement.outerHTML.slice(0, 200)")


def test_quotation_marks_stand_around_a_label_whatever_it_holds(
    enter: Enter, written: dict[str, str]
) -> None:
    """A text that runs the other way, or says it does, turns nothing but itself."""
    page = enter()
    page.goto(f"{SAE}?feature_index=3,6&has=label")
    for name in page.locator(".feature-name").all():
        marks = name.evaluate(
            """(link) => {
              const at = (node, i) => {
                const range = document.createRange();
                range.setStart(node, i);
                range.setEnd(node, i + 1);
                return range.getBoundingClientRect();
              };
              const text = [...link.childNodes].filter((n) => n.nodeType === 3);
              const label = link.querySelector('bdi').getBoundingClientRect();
              const close = at(text.at(-1), text.at(-1).length - 1);
              return [at(text[0], 0).right, label.left, label.right, close.left]; }"""
        )
        assert marks == sorted(marks), marks


def test_thirty_labels_take_little_room_until_they_are_asked_for(
    enter: Enter, written: dict[str, str]
) -> None:
    page = enter()
    page.goto(written["a feature"])
    expect(page.locator(".labels > li:visible")).to_have_count(5)
    page.get_by_text("27 more labels").click()
    expect(page.locator(".labels > li:visible")).to_have_count(32)
    expect(page.locator(".labels > li.stale")).to_contain_text("another dictionary of this name")


def test_nothing_moves_where_less_motion_is_asked_for(
    enter: Enter, written: dict[str, str]
) -> None:
    page = enter(reduced_motion="reduce")
    page.goto(written["a feature"])
    moving = page.evaluate(
        "document.getAnimations().filter((a) => !(a.timeline instanceof ScrollTimeline)).length"
    )
    assert moving == 0
    assert page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


@pytest.fixture(scope="module")
def live_url(
    serve: Serve,
    tmp_path_factory: pytest.TempPathFactory,
    model_folder: Callable[[str], Path],
    write_sae: Callable[..., Path],
    text_folder: Path,
) -> str:
    made = make(tmp_path_factory.mktemp("live-pages"), model_folder, write_sae, text_folder)
    return serve(
        made.atlas, live=True, live_model=str(made.model), live_saes=made.saes,
        live_device="cpu", live_tokens=32,
    )  # fmt: skip


TEXT = "plain=+def+first+(items)+return+items[0]"
LIVE = {
    "index": "/",
    "feature": f"/{RESID}/3",
    "top, empty": "/-/live/top",
    "top": f"/-/live/top?{TEXT}",
    "steer, empty": "/-/live/steer",
    "steer": f"/-/live/steer?{TEXT}&change={RESID}/3:add:4&n_tokens=4",
    **{
        measure: f"/{RESID}/3/live?{TEXT}&measure={measure}"
        for measure in ("ablation", "context", "blocks", "pairs", "minimal")
    },
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", LIVE)
def test_axe_finds_nothing_where_there_is_a_model(
    browser: Browser, live_url: str, name: str, theme: str
) -> None:
    context = browser.new_context(base_url=live_url, color_scheme=theme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(LIVE[name])
    page.wait_for_load_state("networkidle")
    assert _violations(page) == []
    page.set_viewport_size({"width": 320, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    context.close()
