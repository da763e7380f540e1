"""From a tested reading to somebody else's screen, in two real browsers and then two more.

Ada has a key that writes: she labels a feature with a reading as its evidence, writes a note, puts
the feature on a list and makes a share link. Somebody without a key is sent the link and sees that
feature, nothing else, and can't write. Links that have ended open nothing. Two who edit one label
are told of each other.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import Engine, update

from app.access import times
from app.access.keys import create_key
from app.access.tables import share_link
from app.access.viewer import Role
from app.demo.synthetic import build_synthetic_atlas
from app.notebook.database import open_notebook, writing

from .conftest import FLAGS, SAE, Serve

FEATURE = f"{SAE}/3"
LABEL = "what an instance calls itself"


@dataclass
class Place:
    """A server that asks for keys, and the notebook behind it."""

    url: str
    notebook: Engine

    def key(self, name: str, role: Role = "write") -> str:
        return create_key(self.notebook, name, role)[1]


@pytest.fixture(scope="module")
def place(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    path = tmp_path_factory.mktemp("flow") / "atlas.db"
    build_synthetic_atlas(path, n_features=20, saes=("resid-2-1k",), events=True)
    notebook = open_notebook(str(path.with_suffix(".notebook.db")))
    create_key(notebook, "Somebody", "admin")
    yield Place(serve(path, requests_per_second=0), notebook)
    notebook.dispose()


@pytest.fixture(scope="module")
def other_browser(browser: Browser, chromium: str) -> Iterator[Browser]:
    """A browser of its own: another process, another profile."""
    other = browser.browser_type.launch(executable_path=chromium, args=FLAGS)
    yield other
    other.close()


Enter = Callable[..., Page]


@pytest.fixture
def enter(browser: Browser, place: Place) -> Iterator[Enter]:
    """Fresh profiles; a script that fails in one of them fails the test."""
    opened: list[BrowserContext] = []
    problems: list[str] = []

    def page(name: str = "", own: Browser = browser, **options: object) -> Page:
        context = own.new_context(base_url=place.url, **options)  # type: ignore[arg-type]
        opened.append(context)
        made = context.new_page()
        made.on("pageerror", lambda error: problems.append(str(error)))
        made.on("request", lambda request: problems.extend(_foreign(request.url, place.url)))
        if name:
            made.goto(f"{FEATURE}?key={place.key(name)}")
            assert made.url == f"{place.url}{FEATURE}", "the key is taken out of the address"
        return made

    yield page
    for context in opened:
        context.close()
    assert problems == []


def _foreign(url: str, own: str) -> list[str]:
    return [] if url.startswith((own, "data:", "about:", "blob:")) else [f"asked {url}"]


def _write_down(page: Page, label: str = LABEL) -> None:
    """Tests a reading and writes it down in a label."""
    page.locator("#reading-text").fill("self")
    page.get_by_role("button", name="Test", exact=True).click()
    page.get_by_role("link", name="Write it down in a label").click()
    expect(page.locator("#new-label input[name=reading]")).to_have_value("self")
    page.locator("#new-label input[name=text]").fill(label)
    page.get_by_role("button", name="Save label").click()
    expect(page.locator("h1")).to_have_text(f"“{label}”")


def _share(page: Page, kind: str = "feature") -> str:
    """Makes a link to the page in its menu; gives it."""
    page.get_by_label("More ways to share").click()
    expect(page.locator(".share-form")).to_contain_text(f"This {kind}")
    page.get_by_role("button", name="Make a link").click()
    expect(page.locator("h1")).to_have_text(f"One {kind}, for whoever has this link")
    return page.get_by_label("The link", exact=True).input_value()


def test_a_feature_is_labelled_shared_seen_and_refused(
    enter: Enter, other_browser: Browser, place: Place
) -> None:
    ada = enter("Ada")
    _write_down(ada)
    origin = ada.locator(".label-origin")
    expect(origin).to_contain_text("Ada,")
    expect(origin).to_contain_text(re.compile(r"its reading: precision [\d.]+%, recall [\d.]+%"))
    ada.get_by_text("Write a note").click()
    ada.locator("textarea[name=text]").fill("Strongest in **class bodies**.")
    ada.get_by_role("button", name="Save note").click()
    expect(ada.locator(".notebook .prose strong")).to_have_text("class bodies")
    ada.get_by_text("Put it on a list").click()
    ada.locator("input[name=title]").fill("For the write-up")
    ada.locator("input[name=remark]").fill("between us")
    ada.get_by_role("button", name="Put it there").click()
    expect(ada.locator(".on-lists")).to_contain_text("For the write-up")
    link = _share(ada)

    guest = enter(own=other_browser)
    guest.goto(link)
    assert guest.url == f"{place.url}{FEATURE}"
    expect(guest).to_have_title(f"3 · “{LABEL}” · resid-2-1k · Feature Atlas")
    expect(guest.locator("h1")).to_have_text(f"“{LABEL}”")
    expect(guest.locator(".shared-by")).to_contain_text("Shared by Ada until")
    expect(guest.locator(".notebook")).to_contain_text("Strongest in class bodies.")
    expect(guest.locator(".label-origin")).to_contain_text("precision")
    expect(guest.locator("body")).not_to_contain_text("between us")
    expect(guest.locator("body")).not_to_contain_text("For the write-up")
    assert guest.locator("form:visible").count() == 0, "nothing can be written or searched"
    guest.locator('[data-in-place="group"] a', has_text="Top").click()
    guest.wait_for_url(f"**{FEATURE}?group=top")
    expect(guest.locator("#top-1")).to_be_visible()
    near = guest.locator("#related th a").first
    assert near.get_attribute("href") is None, "what would be refused is no link"

    for address in (f"{SAE}/4", SAE, "/", "/-/lists/for-the-write-up", "/-/search?q=self",
                    f"{FEATURE}?reading=self", "/-/shares"):  # fmt: skip
        answer = guest.goto(address)
        assert answer is not None and answer.status == 401, address
        expect(guest.locator("h1")).to_have_text("Not part of what was shared with you")
    guest.get_by_role("link", name="The feature Ada shared with you").click()
    expect(guest.locator("h1")).to_have_text(f"“{LABEL}”")

    stranger = enter(own=other_browser)
    answer = stranger.goto(f"{place.url}{FEATURE}")
    assert answer is not None and answer.status == 401
    expect(stranger.locator("h1")).to_have_text("This atlas asks for a key")
    stranger.get_by_label("Access key").fill(place.key("Late", "read"))
    stranger.get_by_role("button", name="Open").click()
    expect(stranger.locator("h1")).to_have_text(f"“{LABEL}”")
    assert "key=" not in stranger.url
    expect(stranger.locator("#new-label")).to_have_count(0)

    ada.goto("/-/shares")
    ada.get_by_role("button", name="Revoke the link").first.click()
    expect(ada.locator(".share-table .ended")).to_contain_text("revoked by Ada")
    guest.goto(f"{place.url}{FEATURE}")
    expect(guest.locator("h1")).to_have_text("The link has ended")
    expect(guest.locator(".lede")).to_contain_text("ask whoever sent it for a new one")
    guest.goto(link)
    expect(guest.locator("h1")).to_have_text("This link has ended")
    expect(guest.locator(".lede")).to_contain_text("It was revoked: ask Ada for a new one.")


def test_a_link_that_has_expired_opens_nothing(
    enter: Enter, other_browser: Browser, place: Place
) -> None:
    link = _share(enter("Bea"))
    early = enter(own=other_browser)
    early.goto(link)
    expect(early.locator(".shared-by")).to_be_visible()
    share_id = link.rpartition("/")[2].partition(".")[0]
    with writing(place.notebook) as pen:
        row = share_link.c.share_id == share_id
        pen.execute(update(share_link).where(row).values(expires_at=times.in_days(-1)))
    early.reload()
    expect(early.locator("h1")).to_have_text("The link has ended")
    late = enter(own=other_browser, java_script_enabled=False)
    answer = late.goto(link)
    assert answer is not None and answer.status == 410
    expect(late.locator(".lede")).to_contain_text("It has expired: ask Bea for a new one.")
    cut = late.goto(link[:-3])
    assert cut is not None and cut.status == 404
    expect(late.locator(".lede")).to_contain_text("cut off or was changed")


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        (f"{FEATURE}?reading=self", "reading"),
        (f"{SAE}/compare?features=3,5", "comparison"),
        (f"{SAE}?dead=no&sort=feature_index", "list"),
    ],
)
def test_other_pages_are_shared_the_same_way(
    enter: Enter, other_browser: Browser, address: str, kind: str
) -> None:
    ada = enter("Ada")
    ada.goto(address)
    heading = ada.locator("h1").inner_text()
    link = _share(ada, kind)
    guest = enter(own=other_browser)
    guest.goto(link)
    expect(guest.locator("h1")).to_have_text(heading)
    expect(guest.locator(".shared-by")).to_contain_text(f"this link opens this {kind}")
    assert guest.locator("form:visible").count() == 0
    if kind == "reading":
        expect(guest.locator(".reading-figures")).to_be_visible()
        expect(guest.locator(".reading-shared")).to_have_text("Fires on self")


def test_two_who_edit_one_label_are_told_of_each_other(
    enter: Enter, other_browser: Browser
) -> None:
    ada, grace = enter("Ada"), enter("Grace", other_browser)
    for page in (ada, grace):
        page.goto(f"{SAE}/7")
    ada.locator("#new-label input[name=text]").fill("draft")
    ada.get_by_role("button", name="Save label").click()
    grace.reload()
    for page in (ada, grace):
        page.locator(".labels").get_by_role("link", name="edit").click()
    ada.get_by_label("Label what it is").fill("Ada’s words")
    ada.get_by_role("button", name="Save", exact=True).click()
    expect(ada.locator("h1")).to_have_text("“Ada’s words”")
    grace.get_by_label("Label what it is").fill("Grace’s words")
    grace.get_by_role("button", name="Save", exact=True).click()
    expect(grace.get_by_role("alert")).to_contain_text("Ada changed this label")
    expect(grace.locator(".theirs")).to_have_text("Ada’s words")
    expect(grace.get_by_label("as you wrote it")).to_have_value("Grace’s words")
    grace.get_by_role("button", name="Save mine over it").click()
    expect(grace.locator("h1")).to_have_text("“Grace’s words”")
    grace.locator(".labels").get_by_role("link", name="edit").click()
    history = grace.locator(".history li")
    expect(history).to_have_count(3)
    texts = history.locator(".old-text").all_inner_texts()
    assert texts == ["Grace’s words", "Ada’s words", "draft"]


def test_words_that_are_not_saved_yet_stay_while_a_reading_is_tested(enter: Enter) -> None:
    ada = enter("Ada")
    ada.goto(f"{SAE}/9")
    ada.locator("#new-label input[name=text]").fill("half a thought")
    ada.locator("#reading-text").fill("return")
    ada.get_by_role("button", name="Test", exact=True).click()
    expect(ada.locator(".reading-figures")).to_be_visible()
    expect(ada.locator("#new-label input[name=text]")).to_have_value("half a thought")
    expect(ada.locator("#new-label input[name=reading]")).to_have_value("return")
    asked: list[str] = []

    def answer(dialog: object) -> None:
        asked.append(dialog.type)  # type: ignore[attr-defined]
        dialog.accept()  # type: ignore[attr-defined]

    ada.on("dialog", answer)
    ada.goto(f"{SAE}/10")
    assert asked == ["beforeunload"]


@pytest.mark.parametrize("width", [380, 1440])
def test_the_menu_leads_everywhere_by_keyboard(enter: Enter, width: int) -> None:
    page = enter("Ada", viewport={"width": width, "height": 900})
    menu = page.locator(".site-menu")
    menu.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(menu.get_by_role("link", name="Share links")).to_be_visible()
    expect(menu).to_contain_text("Ada")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/-/lists")
    menu = page.locator(".site-menu")
    menu.locator("summary").click()
    page.keyboard.press("Escape")
    expect(menu.get_by_role("link", name="Share links")).to_be_hidden()
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_label_is_suggested_while_one_types(enter: Enter, place: Place) -> None:
    page = enter("Ada")
    page.goto(f"{SAE}/11")
    page.locator("#new-label input[name=text]").fill("zebra crossing")
    page.get_by_role("button", name="Save label").click()
    page.goto("/")
    page.get_by_role("combobox").fill("zebr")
    group = page.get_by_role("group", name="Labels")
    expect(group.get_by_role("option")).to_have_text("“zebra crossing”resid-2-1k 11")
    group.get_by_role("option").click()
    page.wait_for_url(f"{place.url}{SAE}/11")
