"""Labels and notes in a real browser: two people, with and without scripts."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import BrowserContext, Dialog, Page, expect

from app.demo.synthetic import build_synthetic_atlas

from .conftest import SAE

FEATURE = f"{SAE}/3"


@pytest.fixture(scope="module")
def notebook_url(serve: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A server whose notebook nobody has written in."""
    path = tmp_path_factory.mktemp("written") / "atlas.db"
    return serve(build_synthetic_atlas(path, n_features=20, saes=("resid-2-1k",), events=True))


@pytest.fixture
def two(
    open_context: Callable[..., BrowserContext], notebook_url: str
) -> Iterator[tuple[Page, Page]]:
    """Two browsers at the same feature, one of them without scripts."""
    contexts = [
        open_context(base_url=notebook_url),
        open_context(base_url=notebook_url, java_script_enabled=False),
    ]
    yield contexts[0].new_page(), contexts[1].new_page()


def test_a_label_is_written_chosen_and_edited_by_two(two: tuple[Page, Page]) -> None:
    one, other = two
    other.goto(FEATURE)
    one.goto(FEATURE)
    one.locator("#new-label input[name=text]").fill("first words")
    one.get_by_role("button", name="Save label").click()
    expect(one.locator("h1")).to_have_text("“first words”")

    # The page the other opened before still writes.
    other.locator("#new-label input[name=text]").fill("other words")
    other.get_by_role("button", name="Save label").click()
    expect(other.locator("h1")).to_have_text("“other words”")
    mine = other.locator(".labels li", has_text="first words")
    mine.get_by_role("button", name="show first").click()
    expect(other.locator("h1")).to_have_text("“first words”")

    for page in two:
        page.goto(FEATURE)
        page.locator(".labels li", has_text="first words").get_by_role("link", name="edit").click()
    one.get_by_label("Label what it is").fill("words of one")
    one.get_by_role("button", name="Save", exact=True).click()
    expect(one.locator("h1")).to_have_text("“words of one”")
    other.get_by_label("Label what it is").fill("words of the other")
    other.get_by_role("button", name="Save", exact=True).click()
    expect(other.get_by_role("alert")).to_contain_text("while you were writing")
    expect(other.locator(".theirs")).to_have_text("words of one")
    expect(other.get_by_label("as you wrote it")).to_have_value("words of the other")
    other.get_by_role("button", name="Save mine over it").click()
    expect(other.locator("h1")).to_have_text("“words of the other”")


def test_a_note_cannot_run_anything(two: tuple[Page, Page]) -> None:
    page, _ = two
    said = _dialogs(page)
    page.goto(FEATURE)
    page.get_by_text("Write a note").click()
    page.get_by_label("Note Markdown").fill(
        "**bold** <img src=x onerror=alert(1)> [x](javascript:alert(2)) <script>alert(3)</script>"
    )
    page.get_by_role("button", name="Save note").click()
    expect(page.locator(".notebook .prose strong").first).to_have_text("bold")
    assert page.locator(".notebook .prose :is(img, script, a[href^='javascript'])").count() == 0
    assert said == []


def test_text_that_came_back_unsaved_is_asked_for_before_leaving(two: tuple[Page, Page]) -> None:
    page, _ = two
    page.goto(FEATURE)
    page.locator("#new-label input[name=text]").fill("words")
    page.locator("#new-label input[name=reading]").fill("((")
    page.get_by_role("button", name="Save label").click()
    expect(page.get_by_role("alert")).to_contain_text("can't be tested")
    expect(page.get_by_label("Label what it is")).to_have_value("words")
    page.get_by_label("Label what it is").fill("words, more")
    asked = _dialogs(page)
    page.goto(FEATURE)
    assert asked == ["beforeunload"]


def test_star_and_list_lead_to_their_page(two: tuple[Page, Page]) -> None:
    _, page = two
    page.goto(FEATURE)
    page.get_by_role("button", name="☆ star").click()
    expect(page.get_by_role("button", name="★ starred")).to_be_visible()
    page.get_by_text("Put it on a list").click()
    page.get_by_label("new list").fill("My reading list")
    page.get_by_label("Remark").fill("look again")
    page.get_by_role("button", name="Put it there").click()
    page.get_by_role("link", name="My reading list").click()
    expect(page.locator(".remark")).to_have_text("look again")
    page.goto("/-/lists")
    expect(page.locator("#h-stars + p")).to_contain_text("1 feature")


def _dialogs(page: Page) -> list[str]:
    """What the page asks from now on, by kind; every question is answered with yes."""
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", answer)
    return asked


@pytest.mark.parametrize("width", [1440, 380])
def test_nothing_is_wider_than_the_screen(two: tuple[Page, Page], width: int) -> None:
    page, _ = two
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(FEATURE)
    page.locator("#new-label input[name=text]").fill("w" * 300)
    page.get_by_role("button", name="Save label").click()
    for url in (FEATURE, f"{SAE}?has=label", "/-/lists"):
        page.goto(url)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, url
