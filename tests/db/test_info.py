"""An atlas in a few lines says where its file is shorter than it was."""

from pathlib import Path

from app.db.info import describe_atlas
from tests.db.conftest import WriteAtlas


def test_a_file_cut_short_is_said(write_atlas: WriteAtlas, tmp_path: Path) -> None:
    path = write_atlas()
    assert "damaged" not in describe_atlas(path)
    whole = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(whole - 5)
    said = f"damaged: the file has {whole - 5:,} bytes, its header says {whole:,}."
    assert said in describe_atlas(path).splitlines()
