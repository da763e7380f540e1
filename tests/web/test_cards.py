"""Previews of links: a picture and a few sentences, and nothing for those without the key."""

import re
import time
from io import BytesIO
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from pydantic import SecretStr

from app.errors import AtlasError
from app.settings import Settings
from app.web import card_text
from app.web.charts.histogram import LIGHT_HEAT

from .conftest import MakeClient

FEATURE = "/synthetic/resid-2-1k/7"


def _tags(page: str) -> dict[str, str]:
    return dict(re.findall(r'<meta (?:property|name)="([^"]*)" content="([^"]*)">', page))


@pytest.mark.parametrize("url", [FEATURE, "/synthetic/resid-2-1k"])
def test_the_picture(client: TestClient, url: str) -> None:
    answer = client.get(f"{url}/card.png")
    assert answer.headers["content-type"] == "image/png"
    image = Image.open(BytesIO(answer.content))
    assert image.size == (1200, 630)
    assert len(answer.content) < 60_000
    again = client.get(f"{url}/card.png", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


def test_it_shows_the_histogram_in_the_colours_of_the_page(client: TestClient) -> None:
    image = Image.open(BytesIO(client.get(f"{FEATURE}/card.png").content)).convert("RGB")
    data = image.tobytes()
    colours = {data[i : i + 3] for i in range(0, len(data), 3)}
    for step in (LIGHT_HEAT[0], LIGHT_HEAT[9]):
        wanted = bytes.fromhex(step[1:])
        assert min(sum(abs(a - b) for a, b in zip(c, wanted, strict=True)) for c in colours) < 12


def test_it_is_quick(client: TestClient) -> None:
    client.get(f"{FEATURE}/card.png")
    times = []
    for _ in range(5):
        start = time.perf_counter()
        client.get(f"{FEATURE}/card.png")
        times.append(time.perf_counter() - start)
    assert min(times) < 0.2


def test_any_feature_of_a_hostile_atlas_has_one(
    hostile_path: Path, make_client: MakeClient
) -> None:
    client = make_client(hostile_path)
    for index in range(60):
        assert client.get(f"/synthetic/resid-2-1k/{index}/card.png").status_code == 200


def test_what_the_font_lacks_is_a_letter_without_its_mark_or_a_box() -> None:
    assert card_text.drawn("a") == "a"
    assert card_text.drawn("é") == "e"
    assert card_text.drawn("中") is None
    assert card_text.drawn("\u0301") == ""
    assert card_text.runs("a−中b") == [(True, "a-"), (False, "中"), (True, "b")]


def test_tags_of_a_page(atlas_path: Path, make_client: MakeClient) -> None:
    client = make_client(atlas_path, public_url="https://atlas.example.org")
    tags = _tags(client.get(f"{FEATURE}?group=top").text)
    assert tags["og:title"].startswith("resid-2-1k #7: ")
    assert tags["og:description"] == tags["description"] != ""
    assert tags["og:url"] == f"https://atlas.example.org{FEATURE}?group=top"
    assert tags["og:image"] == f"https://atlas.example.org{FEATURE}/card.png"
    assert tags["twitter:card"] == "summary_large_image"
    dictionary = _tags(client.get("/synthetic/resid-2-1k").text)
    assert dictionary["og:image"] == "https://atlas.example.org/synthetic/resid-2-1k/card.png"
    assert "og:image" not in _tags(client.get("/").text)


def test_without_a_public_address_there_is_no_picture(client: TestClient) -> None:
    tags = _tags(client.get(FEATURE).text)
    assert "og:title" in tags
    assert not {"og:url", "og:image", "twitter:card"} & set(tags)


def test_nothing_gets_past_the_access_key(atlas_path: Path, make_client: MakeClient) -> None:
    client = make_client(
        atlas_path,
        access_key=SecretStr("open sesame, at once"),
        public_url="https://atlas.example.org",
    )
    for url in (FEATURE, f"{FEATURE}/card.png", f"{FEATURE}/figure.svg", f"{FEATURE}/page.html",
                "/synthetic/resid-2-1k/card.png", f"{FEATURE}?embed"):  # fmt: skip
        answer = client.get(url)
        assert answer.status_code == 401
        assert "og:" not in answer.text
        assert "synthetic" not in answer.text


@pytest.mark.parametrize("url", ["atlas.example.org", "https://a b", "https://a?b", "ftp://a"])
def test_a_public_address_that_is_none_is_refused(atlas_path: Path, url: str) -> None:
    with pytest.raises(AtlasError, match="public address"):
        Settings(atlas=atlas_path, public_url=url)
