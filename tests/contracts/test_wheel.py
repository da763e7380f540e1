"""An installed package serves its own templates and static files, and brings the reader.

Builds the wheel, unpacks it and serves from there, with nothing of the checkout in reach.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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


_READER = """
import sys
from pathlib import Path
import feature_atlas
from feature_atlas import Atlas

site = Path(sys.argv[1])
assert Path(feature_atlas.__file__) == site / "feature_atlas" / "__init__.py"
assert (site / "feature_atlas" / "py.typed").is_file()
with Atlas.open(sys.argv[2]) as atlas:
    assert atlas.feature("synthetic", "one", 1).feature_index == 1
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


@pytest.mark.parametrize("program", [_PROGRAM, _READER], ids=["server", "reader"])
def test_an_installed_package_serves_and_reads(site: Path, tmp_path: Path, program: str) -> None:
    atlas = build_synthetic_atlas(tmp_path / "atlas.db", n_features=4, saes=("one",))
    done = subprocess.run(
        [sys.executable, "-c", program, str(site), str(atlas)],
        capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(site)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
