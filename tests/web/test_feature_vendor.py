"""The vendored file is the one its README names, and nothing else is vendored unsaid."""

import hashlib
import re

from app.web.paths import static_folder

VENDOR = static_folder() / "vendor" / "plotly"


def test_plotly_is_the_file_its_readme_names() -> None:
    rows = re.findall(
        r"^\| (\S+) \| (\S+) \| (\d[\d.]*) \| ([0-9a-f]{64}) \|$",
        (VENDOR / "README.md").read_text(),
        re.MULTILINE,
    )
    assert {row[0] for row in rows} == {path.name for path in VENDOR.glob("*.js")}
    for name, _package, version, digest in rows:
        data = (VENDOR / name).read_bytes()
        assert hashlib.sha256(data).hexdigest() == digest
        assert f"v{version}".encode() in data[:200]


def test_its_licence_stands_beside_it() -> None:
    assert "MIT License" in (VENDOR / "LICENSE").read_text()
