"""Handing a view on: the menu, frames of other hosts, a site of plain files, one file alone."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from app.web.export.single import export_feature
from app.web.export.site import export_site

from .conftest import SAE, Serve

MakeContext = Callable[..., BrowserContext]


@pytest.fixture
def copying(open_context: MakeContext, base_url: str) -> Page:
    """A page that may read the clipboard."""
    context = open_context(base_url=base_url)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    return context.new_page()


def _clipboard(page: Page) -> str:
    return page.evaluate("navigator.clipboard.readText()")


def test_markdown_holds_the_view_of_the_moment(copying: Page, base_url: str) -> None:
    copying.goto(f"{SAE}/7")
    copying.locator('[data-in-place="group"] a', has_text="Top").click()
    copying.wait_for_url("**/7?group=top")
    copying.get_by_label("More ways to share").click()
    copying.get_by_role("button", name="Copy as Markdown").click()
    copying.get_by_role("button", name="Copied").wait_for()
    text = _clipboard(copying)
    assert text.startswith("[resid-2-1k #7: ")
    assert f"]({base_url}{SAE}/7?group=top) – Fires on " in text
    assert "\n" not in text


def test_markdown_carries_the_reading_tested_in_place(copying: Page, base_url: str) -> None:
    copying.goto(f"{SAE}/7")
    copying.get_by_role("textbox", name="Fires on").fill("self")
    copying.get_by_role("button", name="Test", exact=True).click()
    copying.locator(".reading-sentence, #reading .absent").wait_for()
    answered = copying.locator(".reading-sentence").count()
    copying.get_by_label("More ways to share").click()
    copying.get_by_role("button", name="Copy as Markdown").click()
    copying.get_by_role("button", name="Copied").wait_for()
    text = _clipboard(copying)
    assert f"]({base_url}{SAE}/7?reading=self) – Fires on " in text
    assert answered == 1, "the atlas of these tests has its events"
    assert " Reading self – precision " in text


def test_the_link_is_one_click(copying: Page, base_url: str) -> None:
    copying.goto(f"{SAE}/7?group=top")
    copying.get_by_role("button", name="Copy link").click()
    copying.get_by_role("button", name="Copied").wait_for()
    assert _clipboard(copying) == f"{base_url}{SAE}/7?group=top"


def test_a_figure_is_copied_as_its_source_under_the_view(copying: Page) -> None:
    copying.goto(f"{SAE}/7")
    copying.locator('[data-in-place="group"] a', has_text="Top").click()
    copying.wait_for_url("**/7?group=top")
    copying.get_by_label("More ways to share").click()
    row = copying.locator(".copy-menu li", has_text="Examples")
    expect(row.locator("a")).to_have_attribute("href", re.compile("group=top"))
    row.locator("button").click()
    row.locator("button", has_text="Copied").wait_for()
    drawing = ElementTree.fromstring(_clipboard(copying))
    assert drawing.tag.endswith("svg")
    with copying.expect_download() as download:
        row.locator("a").click()
    assert download.value.suggested_filename == "resid-2-1k-7-examples.svg"


def test_the_menu_by_keyboard(copying: Page) -> None:
    copying.goto(f"{SAE}/7")
    copying.get_by_role("button", name="Copy link").focus()
    copying.keyboard.press("Tab")
    copying.keyboard.press("Enter")
    menu = copying.locator("details.copy-menu:not(.site-menu)")
    assert menu.get_attribute("open") is not None
    copying.keyboard.press("Tab")
    assert copying.evaluate("document.activeElement.textContent") == "Copy as Markdown"
    copying.keyboard.press("Escape")
    assert menu.get_attribute("open") is None
    assert copying.evaluate("document.activeElement.tagName") == "SUMMARY"
    copying.keyboard.press("Enter")
    copying.mouse.click(300, 500)
    assert menu.get_attribute("open") is None


def test_without_a_script_the_menu_still_downloads(
    open_context: MakeContext, base_url: str
) -> None:
    page = open_context(base_url=base_url, java_script_enabled=False).new_page()
    page.goto(f"{SAE}/7?group=top")
    page.get_by_label("More ways to share").click()
    assert not page.locator("[data-copy-markdown]").is_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Save as one file").click()
    assert download.value.suggested_filename == "synthetic-resid-2-1k-7.html"


@pytest.fixture
def serve_files() -> Iterator[Callable[[Path], str]]:
    """Serves a folder as any file host would; all servers end with the test."""
    running: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_arguments: Any) -> None:
            """Says nothing."""

    def start(folder: Path) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()


def test_frames_open_for_the_hosts_named_and_no_others(
    open_context: MakeContext,
    serve: Serve,
    serve_files: Callable[[Path], str],
    atlas_path: Path,
    tmp_path: Path,
) -> None:
    wiki = serve_files(tmp_path)
    atlas = serve(atlas_path, embed_hosts=(wiki.removeprefix("http://"),))
    closed = serve(atlas_path)
    for name, source in (
        ("open", f"{atlas}{SAE}/7?embed"),
        ("closed", f"{closed}{SAE}/7?embed"),
        ("page", f"{atlas}{SAE}/7"),
    ):
        (tmp_path / f"{name}.html").write_text(
            f'<!doctype html><title>t</title><iframe src="{source}" width="900" height="700">'
        )
    page = open_context().new_page()
    page.goto(f"{wiki}/open.html")
    frame = page.frame_locator("iframe")
    frame.locator(".example").first.wait_for()
    assert frame.locator("header.site-header").count() == 0
    with page.expect_popup() as popup:
        frame.locator("footer a").click()
    assert popup.value.url == f"{atlas}{SAE}/7"
    for name in ("closed", "page"):
        page.goto(f"{wiki}/{name}.html")
        assert page.frames[1].url.startswith("chrome-error://")


@pytest.fixture(scope="module")
def exported(atlas_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site under a sub-path of its host."""
    root = tmp_path_factory.mktemp("host")
    # In a thread of its own: the browser's loop runs in this one.
    with ThreadPoolExecutor(1) as thread:
        arguments = (["synthetic/resid-2-1k"], "0..11", "", lambda _: None)
        thread.submit(export_site, atlas_path, root / "deep/atlas", *arguments).result()
    return root


def _watched(page: Page, host: str) -> list[str]:
    """Whatever goes wrong on a page: errors, and requests that leave the host or find nothing."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)

    def asked(request: Request) -> None:
        if not request.url.startswith((host, "data:", "blob:")):
            problems.append(request.url)

    page.on("request", asked)
    return problems


def test_a_site_of_files(
    open_context: MakeContext, serve_files: Callable[[Path], str], exported: Path
) -> None:
    host = serve_files(exported)
    root = f"{host}/deep/atlas"
    page = open_context().new_page()
    problems = _watched(page, host)
    page.goto(f"{root}{SAE}/7")
    assert page.url == f"{root}{SAE}/7/"
    heading = page.locator("h1").inner_text()
    page.locator('[data-in-place="group"] a', has_text="Top").click()
    page.wait_for_url("**/7/?group=top")
    page.locator("#top-1").wait_for()
    assert page.locator("#interval-1").count() == 0
    page.go_back()
    page.locator("#interval-1, [id^=interval-]").first.wait_for()
    page.goto(f"{root}{SAE}/7/top.html")
    page.wait_for_url("**/7/?group=top")
    page.get_by_label("Next feature, 8").click()
    page.wait_for_url(f"{root}{SAE}/8/")
    page.goto(f"{root}{SAE}/7/?group=top")
    page.locator("#top-1").wait_for()
    assert page.locator("h1").inner_text() == heading
    assert problems == []


def test_a_site_of_files_is_searched(
    open_context: MakeContext, serve_files: Callable[[Path], str], exported: Path
) -> None:
    host = serve_files(exported)
    root = f"{host}/deep/atlas"
    page = open_context().new_page()
    problems = _watched(page, host)
    page.goto(f"{root}/")
    page.locator('.search-box input[name="q"]').fill("self")
    page.keyboard.press("Enter")
    page.locator("[data-site-search] .results tr").first.wait_for()
    found = page.locator("[data-site-search] h3", has_text="Fires on")
    assert found.count() == 1
    link = page.locator("[data-site-search] .results a").first
    name = link.inner_text()
    link.click()
    page.wait_for_url(f"{root}{SAE}/*/")
    assert page.locator("h1").inner_text().split()[0] == name.split()[0]
    page.goto(f"{root}/-/search/?q=%237")
    page.locator("[data-site-search] h3", has_text="By number").wait_for()
    page.goto(f"{root}/-/search/?q=no-such-thing-anywhere")
    page.get_by_text("Nothing in this dictionary.").wait_for()
    page.goto(f"{root}{SAE}/features/")
    page.keyboard.press("r")
    page.wait_for_url(f"{root}{SAE}/*/")
    assert problems == []


def test_a_site_of_files_is_complete_without_scripts(
    open_context: MakeContext, serve_files: Callable[[Path], str], exported: Path
) -> None:
    root = f"{serve_files(exported)}/deep/atlas"
    page = open_context(java_script_enabled=False).new_page()
    page.goto(f"{root}{SAE}/7/")
    page.locator('[data-in-place="group"] a', has_text="Top").click()
    assert page.url.partition("#")[0] == f"{root}{SAE}/7/top.html"
    assert page.locator("#top-1").is_visible()
    page.goto(f"{root}{SAE}/")
    page.goto(f"{root}{SAE}/features-by-number/")
    page.locator(".feature-list .feature-name").nth(3).click()
    assert page.url == f"{root}{SAE}/3/"


def test_one_file_alone(open_context: MakeContext, atlas_path: Path, tmp_path: Path) -> None:
    file = tmp_path / "seven.html"
    export_feature(atlas_path, "synthetic/resid-2-1k/7", file, "")
    page = open_context().new_page()
    asked: list[str] = []
    problems: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda line: problems.append(line.text))
    page.goto(file.as_uri())
    assert page.locator("#top-1").is_visible()
    assert not page.locator("[id^=interval-]").first.is_visible()
    page.locator(".file-group summary").nth(1).click()
    assert page.locator("[id^=interval-]").first.is_visible()
    bar = page.locator(".chart-activation .marks .heat-9").last
    assert bar.evaluate("e => getComputedStyle(e).fill") == "rgb(171, 52, 25)"
    assert asked == [file.as_uri()] and problems == []


def test_the_map_of_a_site_of_files(
    open_context: MakeContext, serve_files: Callable[[Path], str], exported: Path
) -> None:
    """Only features of the copy have a dot; a dot names its feature and leads to it."""
    host = serve_files(exported)
    root = f"{host}/deep/atlas"
    page = open_context().new_page()
    problems = _watched(page, host)
    page.on(
        "response", lambda answer: problems.append(answer.url) if answer.status >= 400 else None
    )
    page.goto(f"{root}{SAE}/7/")
    page.get_by_role("link", name="on the map of directions").click()
    page.wait_for_url(f"**{SAE}/map/?feature=7")
    card = page.locator(".point-card")
    expect(card).to_contain_text("#7")
    expect(card.locator("p span").last).not_to_be_empty()
    map_canvas = page.locator("canvas")
    map_canvas.focus()
    map_canvas.press("0")
    for _ in range(3):
        map_canvas.press("Shift+ArrowRight")
    index = int((card.locator("b").first.inner_text()).removeprefix("#"))
    assert 0 <= index < 12
    map_canvas.press("Enter")
    page.wait_for_url(f"**{SAE}/{index}/")
    assert page.locator("form[data-suggest]").count() == 0
    assert problems == []
