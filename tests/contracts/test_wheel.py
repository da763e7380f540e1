"""An installed package serves its own templates and static files.

Builds the wheel, unpacks it and serves from there, with nothing of the checkout in reach.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

from app.demo.synthetic import build_synthetic_atlas

ROOT = Path(__file__).resolve().parents[2]

_PROGRAM = """
import re, sys
from pathlib import Path
from fastapi.testclient import TestClient
from app.settings import Settings
from app.web import paths
from app.web.factory import create_app

site = Path(sys.argv[1])
assert paths.templates_folder() == site / "app" / "templates", paths.templates_folder()
assert paths.static_folder() == site / "app" / "static", paths.static_folder()
client = TestClient(create_app(Settings(atlas=Path(sys.argv[2]))), base_url="http://127.0.0.1")
for url in ("/", "/synthetic/one", "/synthetic/one/1", "/-/search?q=self", "/-/docs"):
    page = client.get(url)
    assert page.status_code == 200, (url, page.text)
    for link in set(re.findall(r'"(/-/static/[^"]+)"', page.text)):
        assert client.get(link).status_code == 200, link
"""


def test_a_page_is_served_from_an_installed_package(tmp_path: Path) -> None:
    site = tmp_path / "site"
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    atlas = build_synthetic_atlas(tmp_path / "atlas.db", n_features=4, saes=("one",))
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(site), str(atlas)],
        capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(site)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
