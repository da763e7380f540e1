"""A file is whole under its name or not there, and nothing else is left beside it."""

from pathlib import Path

import pytest

from app import durable


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_written_again_stands_in_place_of_the_older_one(tmp_path: Path) -> None:
    for data in (b"first", b"second"):
        durable.write(tmp_path / "new" / "file", data)
    assert (tmp_path / "new" / "file").read_bytes() == b"second"
    assert names(tmp_path / "new") == ["file"]


def test_what_fails_half_way_leaves_the_older_one(tmp_path: Path) -> None:
    durable.write(tmp_path / "file", b"first")
    with pytest.raises(KeyboardInterrupt), durable.replacing(tmp_path / "file") as file:
        file.write(b"sec")
        raise KeyboardInterrupt
    assert (tmp_path / "file").read_bytes() == b"first"
    assert names(tmp_path) == ["file"]


def test_a_folder_is_put_over_an_older_one(tmp_path: Path) -> None:
    for number in "12":
        (tmp_path / "partial").mkdir()
        (tmp_path / "partial" / number).write_text(number)
        durable.put(tmp_path / "partial", tmp_path / "final")
    assert names(tmp_path) == ["final"]
    assert names(tmp_path / "final") == ["2"]
