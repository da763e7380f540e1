"""How smoothly the map of directions moves with very many features.

Builds (or takes) an invented atlas, serves it, opens its map and its scatter in a real Chromium and
drags, zooms and points while it takes the time of every frame. Run by `python -m
benchmarks.bench_map`. Prints milliseconds; the time between two frames can't fall under the
screen's own (16.7 at 60 Hz), so the work of a frame stands beside it.
"""

import argparse
import shutil
import tempfile
import threading
import time
from pathlib import Path

import uvicorn
from playwright.sync_api import Page, sync_playwright

from app.demo.synthetic import build_synthetic_atlas
from app.settings import Settings
from app.web.factory import create_app
from app.web.serve import bind

SAE = "/synthetic/resid-2-1k"
FLAGS = ["--headless", "--no-sandbox", "--disable-background-networking"]

_MOVE = """
async ([how, n]) => {
  const canvas = document.querySelector("canvas");
  const box = canvas.getBoundingClientRect();
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  const send = (type, dx, dy, more = {}) => canvas.dispatchEvent(new PointerEvent(type,
    { pointerId: 1, pointerType: "mouse", button: 0, clientX: x + dx, clientY: y + dy,
      bubbles: true, isPrimary: true, ...more }));
  // an invented pointer can't be captured
  canvas.setPointerCapture = () => {};
  const frame = () => new Promise(requestAnimationFrame);
  const between = [], work = [];
  if (how === "drag") send("pointerdown", 0, 0);
  let last = await frame();
  for (let i = 0; i < n; i += 1) {
    const angle = i / 9;
    if (how === "drag") send("pointermove", 200 * Math.sin(angle), 120 * Math.cos(angle));
    if (how === "zoom") canvas.dispatchEvent(new WheelEvent("wheel",
      { deltaY: i % 60 < 30 ? -40 : 40, clientX: x, clientY: y, cancelable: true, bubbles: true }));
    if (how === "point") {
      const start = performance.now();
      send("pointermove", 300 * Math.sin(angle), 150 * Math.cos(1.3 * angle));
      work.push(performance.now() - start);
    }
    const now = await frame();
    between.push(now - last);
    last = now;
  }
  if (how === "drag") send("pointerup", 0, 0);
  return { between, work };
}
"""

_COUNT_WORK = """
() => {
  // the work of a frame is what its callbacks take
  const ask = window.requestAnimationFrame.bind(window);
  window.frameWork = [];
  window.requestAnimationFrame = (callback) => ask((now) => {
    const start = performance.now();
    callback(now);
    window.frameWork.push(performance.now() - start);
  });
}
"""


def main() -> None:
    """Prints one line for each gesture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=int, default=25_000)
    parser.add_argument("--atlas", type=Path, help="an invented atlas that stands already")
    parser.add_argument("--frames", type=int, default=240)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.atlas or build_synthetic_atlas(
            Path(folder) / "atlas.db", n_features=options.features, saes=("resid-2-1k",)
        )
        _measure(path, options.frames)


def _measure(path: Path, n_frames: int) -> None:
    settings = Settings(atlas=path, port=0)
    bound = bind(settings)
    server = uvicorn.Server(
        uvicorn.Config(create_app(settings), log_level="error", access_log=False)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    base = f"http://127.0.0.1:{bound.getsockname()[1]}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(base_url=base, viewport={"width": 1440, "height": 900})
        page.add_init_script(f"({_COUNT_WORK})()")
        page.goto(f"{SAE}/map")
        page.wait_for_selector(".map.drawn")
        for how in ("drag", "zoom", "point"):
            _report(page, "map", how, n_frames)
        page.goto(SAE)
        page.wait_for_selector(".chart-area.drawn")
        _report(page, "scatter", "point", n_frames)
        browser.close()
    server.should_exit = True
    thread.join(timeout=10)


def _report(page: Page, where: str, how: str, n_frames: int) -> None:
    page.evaluate("() => { window.frameWork = []; }")
    found = page.evaluate(_MOVE, [how, n_frames])
    work = found["work"] if how == "point" else page.evaluate("() => window.frameWork")
    work = [item for item in work if item > 0.05] or [0.0]
    between = found["between"]
    print(
        f"{where:8} {how:6} {n_frames} frames: between frames p50 {_at(between, 0.5):5.1f} "
        f"p95 {_at(between, 0.95):5.1f} max {max(between):5.1f} ms; "
        f"work p50 {_at(work, 0.5):5.2f} p95 {_at(work, 0.95):5.2f} max {max(work):5.2f} ms"
    )


def _at(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


if __name__ == "__main__":
    main()
