"""A real server on a free port and a real Chromium with a fresh profile.

Without a browser these tests are skipped in one sentence; where FEATURE_ATLAS_REQUIRE_BROWSER is 1
they fail.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, Request, sync_playwright

from app.demo.synthetic import build_synthetic_atlas
from app.settings import Settings
from app.web.factory import create_app
from app.web.serve import bind

SAE = "/synthetic/resid-2-1k"
FLAGS = ["--headless", "--no-sandbox", "--disable-background-networking"]

Serve = Callable[..., str]
OpenContext = Callable[..., BrowserContext]


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where the browser is."""
    path = shutil.which("chromium")
    if path is None:
        sentence = "No chromium on this machine: install Debian's package of that name."
        if os.environ.get("FEATURE_ATLAS_REQUIRE_BROWSER") == "1":
            pytest.fail(sentence)
        pytest.skip(sentence)
    return path


# Not for the whole session: as long as playwright runs, nothing else in its thread can
# run an event loop of its own.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def serve() -> Iterator[Serve]:
    """Serves an atlas in a thread and gives its address; all servers end with the session."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(path: Path, **settings: Any) -> str:
        chosen = Settings(atlas=path, port=0, **settings)
        bound = bind(chosen)
        config = uvicorn.Config(create_app(chosen), log_level="error", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        running.append((server, thread))
        deadline = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < deadline, "the server didn't start in 20 s"
            time.sleep(0.02)
        return f"http://127.0.0.1:{bound.getsockname()[1]}"

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join(timeout=10)


@pytest.fixture(scope="session")
def atlas_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dictionaries of 120 features, their events beside it."""
    path = tmp_path_factory.mktemp("browser") / "atlas.db"
    return build_synthetic_atlas(path, n_features=120, events=True)


@pytest.fixture(scope="session")
def hostile_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("browser-hostile") / "atlas.db"
    return build_synthetic_atlas(path, n_features=60, hostile=True, saes=("resid-2-1k",))


@pytest.fixture(scope="session")
def base_url(serve: Serve, atlas_path: Path) -> str:
    """The server of the ordinary atlas."""
    return serve(atlas_path)


@pytest.fixture
def open_context(browser: Browser) -> Iterator[OpenContext]:
    """Fresh profiles, closed after the test."""
    opened: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        options.setdefault("viewport", {"width": 1440, "height": 900})
        opened.append(browser.new_context(**options))
        return opened[-1]

    yield make
    for context in opened:
        context.close()


@pytest.fixture
def page(open_context: Callable[..., BrowserContext], base_url: str) -> Iterator[Page]:
    """A page that fails the test on any error in its console and any request to another host."""
    page = open_context(base_url=base_url).new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: problems.extend(_foreign(request, base_url)))
    yield page
    assert problems == []


@pytest.fixture
def hostile_page(open_context: OpenContext, serve: Serve, hostile_path: Path) -> Iterator[Page]:
    """A page on the atlas of hostile tokens: the test fails if what they say runs, or tries to."""
    page = open_context(base_url=serve(hostile_path)).new_page()
    run: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        run.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.on("pageerror", lambda error: run.append(str(error)))
    page.on("console", lambda line: run.append(line.text) if line.type == "error" else None)
    yield page
    assert run == []


def _foreign(request: Request, base_url: str) -> list[str]:
    own = request.url.startswith((base_url, "data:", "about:", "blob:"))
    return [] if own else [f"asked another host: {request.url}"]
