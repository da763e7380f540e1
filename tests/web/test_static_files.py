"""Static files: addressed by content, cached for good, and nothing else is served."""

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.web.static_files import StaticFiles


def test_addresses_change_with_any_content(tmp_path: Path) -> None:
    (tmp_path / "css").mkdir()
    (tmp_path / "css" / "a.css").write_text("a {}")
    (tmp_path / "b.js").write_text("1")
    first = StaticFiles(tmp_path)
    assert first.url("css/a.css") == f"/-/static/{first.version}/css/a.css"
    (tmp_path / "b.js").write_text("2")
    assert StaticFiles(tmp_path).version != first.version


def test_an_unknown_name_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match=r"no static file 'x\.css'"):
        StaticFiles(tmp_path).url("x.css")


def test_files_of_a_page_are_there_and_kept(client: TestClient) -> None:
    page = client.get("/synthetic/resid-2-1k/3").text
    urls = set(re.findall(r'"(/-/static/[^"]+)"', page))
    assert len(urls) > 6
    for url in urls:
        answer = client.get(url)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_scripts_and_styles_say_what_they_are(client: TestClient) -> None:
    types = {
        "js/theme.js": "text/javascript; charset=utf-8",
        "css/base.css": "text/css; charset=utf-8",
        "icon.svg": "image/svg+xml",
    }
    for name, kind in types.items():
        assert client.get(f"/-/static/x/{name}").headers["content-type"] == kind


def test_an_old_address_answers_but_is_not_kept(client: TestClient) -> None:
    answer = client.get("/-/static/0123456789ab/css/base.css")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")


@pytest.mark.parametrize(
    "name", ["../pyproject.toml", "%2e%2e/pyproject.toml", "css/../../LICENSE", "/etc/passwd", ""]
)
def test_nothing_else_is_served(client: TestClient, name: str) -> None:
    answer = client.get(f"/-/static/x/{name}", follow_redirects=True)
    assert answer.status_code == 404
