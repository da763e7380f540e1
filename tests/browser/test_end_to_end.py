"""From a text file to a page: the real command on the shipped weights, then a real browser."""

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from app.demo.build import FOLDER

from .conftest import Serve

COMMAND = [sys.executable, "-c", "from app.cli import main; main()"]


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An atlas of the smallest shipped dictionary over one module of the standard library."""
    folder = tmp_path_factory.mktemp("end-to-end")
    text = folder / "argparse.txt"
    text.write_text(Path(argparse.__file__).read_text("utf-8"), "utf-8")
    dictionaries = sorted((FOLDER / "dictionaries").glob("*/sae_weights.safetensors"))
    smallest = min(dictionaries, key=lambda path: path.stat().st_size).parent
    output = folder / "atlas.db"
    options = {
        "--model": FOLDER / "model",
        "--sae": smallest,
        "--corpus": text,
        "--name": "demo/smallest",
        "--output": output,
        "--max-tokens": 16_384,
        "--ablation-examples": 1,
        "--ablation-interval-examples": 0,
        "--ablation-window": 4,
        "--replacements": 1,
        "--context-draws": 1,
        "--quality-contexts": 4,
        "--threads": 1,  # two threads that wait for each other on a busy machine are far slower
    }
    arguments = [str(part) for pair in options.items() for part in pair]
    done = subprocess.run(
        [*COMMAND, "precompute", *arguments], capture_output=True, text=True, timeout=550
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"Open it with: feature-atlas serve {output}"
    return output


@pytest.fixture(scope="module")
def address(atlas: Path, serve: Serve) -> str:
    return serve(atlas)


@pytest.fixture
def view(open_context: Callable[..., BrowserContext], address: str) -> Page:
    context = open_context(base_url=address, permissions=["clipboard-read", "clipboard-write"])
    return context.new_page()


def test_from_the_index_to_an_example_with_ablated_text(view: Page) -> None:
    view.goto("/")
    view.get_by_role("link", name="smallest").first.click()
    expect(view.get_by_role("heading", level=1)).to_contain_text("smallest")
    view.locator("table a[href*='/demo/smallest/']").first.click()
    expect(view.locator("#examples .example").first).to_be_visible()
    view.get_by_role("link", name="Top").first.click()
    expect(view.locator("#examples")).to_contain_text("argparse.txt")
    expect(view.get_by_role("link", name="Replace").first).to_be_visible()


def test_search_finds_a_feature_that_fires_on_a_token_of_the_text(view: Page) -> None:
    view.goto("/")
    view.keyboard.press("/")
    view.keyboard.type("parser")
    view.keyboard.press("Enter")
    view.wait_for_url("**/-/search?q=parser")
    expect(view.locator("main")).to_contain_text("parser")
    view.locator("main a[href*='/demo/smallest/']").first.click()
    expect(view.locator("#examples .example").first).to_be_visible()


def test_a_copied_link_opens_the_same_view_elsewhere(
    view: Page, open_context: Callable[..., BrowserContext]
) -> None:
    view.goto("/demo/smallest/3")
    view.locator("#activation").get_by_role("link", name="Log").click()
    view.get_by_role("button", name="Copy link").click()
    copied = view.evaluate("navigator.clipboard.readText()")
    assert copied == view.url and "scale=log" in copied
    other = open_context().new_page()
    other.goto(copied)
    current = other.locator("#activation [aria-current]")
    expect(current).to_have_text("Log")
