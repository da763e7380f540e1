"""A running server notices that another atlas stands in the old one's place."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from app.db.engine import Atlas
from app.demo.synthetic import build_synthetic_atlas
from app.errors import AtlasError
from app.web.atlas_file import AtlasFile

from .conftest import MakeClient


@pytest.fixture
def other_path(tmp_path: Path) -> Path:
    return build_synthetic_atlas(tmp_path / "other.db", n_features=8, seed=1, saes=("new-1",))


def test_a_replaced_file_is_reopened(
    atlas_path: Path, other_path: Path, tmp_path: Path, make_client: MakeClient
) -> None:
    served = tmp_path / "served.db"
    shutil.copy(atlas_path, served)
    client = make_client(served)
    before = client.get("/index.json")
    other_path.replace(served)
    after = client.get("/index.json", headers={"if-none-match": before.headers["etag"]})
    assert after.status_code == 200
    assert [sae["sae"] for sae in after.json()["models"][0]["saes"]] == ["new-1"]
    assert client.get("/synthetic/resid-2-1k.json").status_code == 404


def test_another_schema_version_is_a_sentence_until_it_is_put_right(
    atlas_path: Path, tmp_path: Path, make_client: MakeClient
) -> None:
    served, old = tmp_path / "served.db", tmp_path / "old.db"
    shutil.copy(atlas_path, served)
    client = make_client(served)
    shutil.copy(atlas_path, old)
    with sqlite3.connect(old) as connection:
        connection.execute("UPDATE meta SET value = '999' WHERE key = 'schema_version'")
    connection.close()
    old.replace(served)
    for _ in range(2):
        answer = client.get("/index.json")
        assert answer.status_code == 503
        assert "has atlas schema version 999, this program reads version" in answer.json()["error"]
        assert "feature-atlas precompute" in answer.json()["error"]
    assert client.get("/-/health").json() == {"ok": True}
    shutil.copy(atlas_path, tmp_path / "good.db")
    (tmp_path / "good.db").replace(served)
    assert client.get("/index.json").status_code == 200


def test_a_file_that_went_away(atlas_path: Path, tmp_path: Path, make_client: MakeClient) -> None:
    served = tmp_path / "served.db"
    shutil.copy(atlas_path, served)
    client = make_client(served)
    served.unlink()
    answer = client.get("/")
    assert answer.status_code == 503
    assert "There is no atlas at" in answer.text


def test_an_unchanged_file_is_opened_once(atlas_path: Path) -> None:
    file = AtlasFile(atlas_path)
    first = file.current()
    assert isinstance(first, Atlas)
    assert file.current() is first
    file.close()


def test_no_atlas_at_the_start(tmp_path: Path, make_client: MakeClient) -> None:
    with pytest.raises(AtlasError, match="There is no atlas at"):
        make_client(tmp_path / "none.db")
    (tmp_path / "text.db").write_text("not an atlas, but long enough to be read as a header")
    with pytest.raises(AtlasError, match="is not an atlas"):
        make_client(tmp_path / "text.db")
