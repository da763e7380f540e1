"""When a real browser first shows something of a feature's page, on this machine.

Chromium opens many features of an invented atlas, each in a tab that knows nothing yet (nothing is
cached); the table gives the browser's own first contentful paint, counted from the start of the
navigation. `--atlas` takes an atlas made before (see `bench_pages.py`). Writes the section
"First paint" of RESULTS.md.
"""

import argparse
import shutil
import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from app.demo.synthetic import build_synthetic_atlas
from benchmarks.bench_pages import SAE, running
from benchmarks.results import table, write_section

ROUNDS = 30
FLAGS = ["--headless", "--no-sandbox", "--disable-background-networking"]
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"


def main() -> None:
    """Builds or opens the atlas, opens pages, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--atlas", type=Path, help=f"an atlas with {SAE.lstrip('/')}")
    parser.add_argument("--features", type=int, default=25_000)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        path = options.atlas or build_synthetic_atlas(
            Path(folder) / "atlas.db", n_features=options.features, saes=(SAE.rsplit("/", 1)[1],)
        )
        with running(path) as (client, _server):
            d_sae = client.get(f"{SAE}.json?size=1").raise_for_status().json()["d_sae"]
            addresses = {
                "feature": [f"{SAE}/{7919 * i % d_sae}" for i in range(ROUNDS)],
                "dictionary": [SAE] * ROUNDS,
            }
            rows = [
                [name, *_figures(first_paints(str(client.base_url).rstrip("/"), asked))]
                for name, asked in addresses.items()
            ]
    head = [f"page of {d_sae:,} features", "median ms", "slowest ms"]
    write_section(
        "First paint: `python -m benchmarks.bench_paint`",
        table(head, rows),
        packages=["playwright"],
    )


def first_paints(base_url: str, addresses: list[str]) -> list[float]:
    """Milliseconds from the start of each navigation to the first paint of content."""
    found = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for address in addresses:
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            page = context.new_page()
            page.goto(base_url + address)
            page.wait_for_function(f"() => ({PAINT}) !== null")
            found.append(float(page.evaluate(PAINT)))
            context.close()
        browser.close()
    return found


def _figures(milliseconds: list[float]) -> list[str]:
    return [f"{statistics.median(milliseconds):.0f}", f"{max(milliseconds):.0f}"]


if __name__ == "__main__":
    main()
