"""What people wrote stays at home unless an export is told to take it along."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.db.catalog import list_saes
from app.db.engine import open_atlas
from app.errors import AtlasError
from app.notebook import labels, lists, notes
from app.notebook.database import open_notebook, writing
from app.notebook.records import Subject
from app.web.export.search_index import shard
from app.web.export.single import export_feature
from app.web.export.site import export_site
from app.web.export.written import Written

from .conftest import MakeClient

SAE = "synthetic/resid-2-1k"
SECRETS = ("labelword", "elsewhereword", "noteword", "Adaword", "listword", "remarkword")


@pytest.fixture(scope="module")
def place(atlas_path: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A notebook about feature 3, and a label of feature 59, which is not exported."""
    found = str(tmp_path_factory.mktemp("written") / "notebook.db")
    notebook = open_notebook(found)
    atlas = open_atlas(atlas_path)
    with atlas.connect() as connection:
        hashes = {sae.record.sae: sae.record.weights_hash for sae in list_saes(connection)}
    atlas.close()
    with writing(notebook) as pen:
        about = [Subject("synthetic", "resid-2-1k", i, hashes["resid-2-1k"]) for i in (3, 59)]
        labels.add_label(pen, about[0], "Adaword", "its labelword", "self")
        labels.add_label(pen, about[1], "Adaword", "elsewhereword")
        notes.add_note(pen, about[0], "Adaword", "a *noteword*")
        notes.set_star(pen, about[0], "Adaword", True)
        one = lists.add_list(pen, "Adaword", "listword")
        lists.add_entry(pen, one, about[0], "Adaword", "remarkword")
    notebook.dispose()
    return found


def _words(folder: Path) -> dict[str, list[str]]:
    """Which of what was written stands in which of the files."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in (".html", ".json", ".svg", ".txt"):
            text = path.read_text()
            for word in SECRETS:
                if word in text:
                    found.setdefault(word, []).append(path.relative_to(folder).as_posix())
    return found


@pytest.mark.parametrize("named", [True, False])
def test_a_site_takes_nothing_along_by_itself(
    atlas_path: Path, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    if not named:  # a server's own settings in the environment change nothing either
        monkeypatch.setenv("FEATURE_ATLAS_NOTEBOOK", place)
    written = Written(notebook=place if named else "")
    export_site(atlas_path, tmp_path / "site", [SAE], "0..5", "", lambda _: None, written)
    assert _words(tmp_path / "site") == {}
    page = (tmp_path / "site" / SAE / "3" / "index.html").read_text()
    assert "notebook" not in page.replace("css/notebook.css", "")


def test_a_site_with_labels(atlas_path: Path, place: str, tmp_path: Path) -> None:
    out, said = tmp_path / "site", []
    written = Written(labels=True, notebook=place)
    export_site(atlas_path, out, [SAE], "0..5", "", said.append, written)
    assert any(
        "1 of them has labels" in line and "names of those who wrote" in line for line in said
    )
    found = _words(out)
    assert found.keys() == {"labelword", "Adaword"}
    page = (out / SAE / "3" / "index.html").read_text()
    assert "<h1>“<bdi>its labelword</bdi>”</h1>" in page and "Save label" not in page
    assert "/-/notebook" not in page and "h-notebook" in page
    assert f"{SAE}/features/index.html" in found["labelword"], "the lists name it"
    names = json.loads((out / f"-/site/{SAE}/names/0.json").read_text())
    assert names["3"][2] == "its labelword" and len(names["2"]) == 2
    words = json.loads((out / f"-/site/{SAE}/words/{shard('labelword')}.json").read_text())
    assert words["labelword"] == [3]
    twin = json.loads((out / f"{SAE}/3.json").read_text())["notebook"]
    assert (twin["label"], twin["notes"], twin["starred_by"]) == ("its labelword", [], [])


def test_a_site_with_labels_and_notes(atlas_path: Path, place: str, tmp_path: Path) -> None:
    written = Written(labels=True, notes=True, notebook=place)
    export_site(atlas_path, tmp_path / "site", [SAE], "3", "", lambda _: None, written)
    assert _words(tmp_path / "site").keys() == {"labelword", "Adaword", "noteword"}
    page = (tmp_path / "site" / SAE / "3" / "index.html").read_text()
    assert "<em>noteword</em>" in page


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (Written(), set()),
        (Written(labels=True), {"labelword", "Adaword"}),
        (Written(notes=True), {"noteword", "Adaword"}),
        (Written(True, True), {"labelword", "noteword", "Adaword"}),
    ],
)
def test_one_feature_as_a_file(
    atlas_path: Path, place: str, tmp_path: Path, written: Written, words: set[str]
) -> None:
    own = Written(written.labels, written.notes, place)
    export_feature(atlas_path, f"{SAE}/3", tmp_path / "three.html", "", own)
    assert _words(tmp_path).keys() == words


@pytest.fixture(scope="module")
def server(atlas_path: Path, place: str, make_client: MakeClient) -> Iterator[TestClient]:
    client = make_client(atlas_path, notebook=place)
    yield client
    client.app.state.notebook.dispose()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", set()),
        ("?labels=yes", {"labelword", "Adaword"}),
        ("?notes=yes", {"noteword", "Adaword"}),
        ("?labels=yes&notes=yes", {"labelword", "noteword", "Adaword"}),
    ],
)
def test_a_server_gives_the_same_file(
    server: TestClient, atlas_path: Path, place: str, tmp_path: Path, query: str, words: set[str]
) -> None:
    page = server.get(f"/{SAE}/3/page.html{query}").text
    assert {word for word in SECRETS if word in page} == words
    assert "Save label" not in page and "label it" not in page and "<form" not in page
    written = Written("labels" in query, "notes" in query, place)
    export_feature(atlas_path, f"{SAE}/3", tmp_path / "three.html", "", written)
    assert (tmp_path / "three.html").read_text() == page


def test_the_menu_offers_them_apart(server: TestClient) -> None:
    page = server.get(f"/{SAE}/3").text
    for query in ("", "?labels=yes", "?labels=yes&amp;notes=yes"):
        assert f'href="/{SAE}/3/page.html{query}" download' in page
    bare = server.get(f"/{SAE}/4").text
    assert "page.html?" not in bare


def test_a_notebook_that_is_none_is_a_sentence(atlas_path: Path, tmp_path: Path) -> None:
    kept_none = Written(labels=True, notebook="off")
    with pytest.raises(AtlasError, match="--notebook off keeps no notebook"):
        export_site(atlas_path, tmp_path / "a", [SAE], "3", "", lambda _: None, kept_none)
    with pytest.raises(AtlasError, match="--notebook off keeps no notebook"):
        export_feature(atlas_path, f"{SAE}/3", tmp_path / "b.html", "", kept_none)
    (tmp_path / "none.db").write_text("this is no database, however long one looks at it" * 40)
    broken = Written(labels=True, notebook=str(tmp_path / "none.db"))
    with pytest.raises(AtlasError):
        export_feature(atlas_path, f"{SAE}/3", tmp_path / "b.html", "", broken)
    assert not (tmp_path / "b.html").exists()
