"""An export stands in its place whole or not at all, and takes the place of nothing but itself."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import AtlasError
from app.exchange.exporting.folder import LIST, OutputFolder
from tests.exchange.conftest import FIRST, SECOND, Export


def test_equal_exports_are_equal_byte_for_byte(export: Export) -> None:
    found = []
    for name in ("first", "second"):
        folder = export("neuronpedia", "--features", "0..9", name=name)
        found.append(
            {
                path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
                for path in folder.rglob("*")
                if path.is_file()
            }
        )
    assert found[0] == found[1] and len(found[0]) > 8


def test_nothing_is_there_before_all_is(tmp_path: Path) -> None:
    place = tmp_path / "out"
    with OutputFolder(place, "a test") as folder:
        folder.write("deep/one.txt", "one")
        assert not place.exists()
    assert (place / "deep" / "one.txt").read_text() == "one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_the_folder_one_stands_in_can_be_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    with OutputFolder(Path(), "a test") as folder:
        folder.write("one.txt", "one")
    assert (tmp_path / "out" / "one.txt").read_text() == "one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_an_interrupted_export_leaves_what_was_there(tmp_path: Path) -> None:
    place = tmp_path / "out"
    with OutputFolder(place, "a test") as folder:
        folder.write("one.txt", "one")
    with pytest.raises(KeyboardInterrupt), OutputFolder(place, "a test") as folder:
        folder.write("two.txt", "two")
        raise KeyboardInterrupt
    assert sorted(path.name for path in place.iterdir()) == [LIST, "one.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_what_a_killed_export_left_makes_room(tmp_path: Path) -> None:
    place = tmp_path / "out"
    program = (
        "import os; from pathlib import Path; from app.exchange.exporting.folder import "
        f"OutputFolder; folder = OutputFolder(Path({str(place)!r}), 'a test'); "
        "folder.write('half.txt', 'half'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 9
    assert (tmp_path / "out.partial" / "half.txt").is_file()
    with OutputFolder(place, "a test") as folder:
        folder.write("one.txt", "one")
    assert sorted(path.name for path in place.iterdir()) == [LIST, "one.txt"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_an_export_replaces_an_earlier_one_of_the_same(export: Export) -> None:
    export("saedashboard", "--sae", FIRST)
    folder = export("saedashboard", "--sae", FIRST, "--features", "0..3")
    assert (folder / "batch-0.json").is_file()
    with pytest.raises(AtlasError, match="holds another export"):
        export("saedashboard", "--sae", SECOND)


def test_nothing_of_anybody_else_is_overwritten(export: Export, tmp_path: Path) -> None:
    place = tmp_path / "out"
    place.mkdir()
    (place / "thesis.tex").write_text("mine")
    with pytest.raises(AtlasError, match="not empty and holds no earlier export"):
        export("saedashboard", "--sae", FIRST)
    (place / "thesis.tex").unlink()
    export("saedashboard", "--sae", FIRST)
    (place / "thesis.tex").write_text("mine")
    with pytest.raises(AtlasError, match=r"holds thesis\.tex, which no export wrote"):
        export("saedashboard", "--sae", FIRST)
    assert (place / "thesis.tex").read_text() == "mine"
    partial = tmp_path / "new.partial"
    partial.mkdir()
    (partial / "thesis.tex").write_text("mine")
    with pytest.raises(AtlasError, match="in the way"):
        export("saedashboard", "--sae", FIRST, name="new")
    (tmp_path / "file").write_text("")
    with pytest.raises(AtlasError, match="is a file"):
        export("saedashboard", "--sae", FIRST, name="file")
