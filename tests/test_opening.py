"""What can't be opened as a file is said in one sentence, before it is waited for."""

import os
from pathlib import Path

import pytest

from app.errors import AtlasError
from app.opening import require_file


def test_only_regular_files_pass(tmp_path: Path) -> None:
    file, pipe, link = tmp_path / "file", tmp_path / "pipe", tmp_path / "link"
    file.write_bytes(b"")
    os.mkfifo(pipe)
    link.symlink_to(file)
    require_file(file)
    require_file(link)
    with pytest.raises(AtlasError, match="pipe is a pipe, a socket or a device, expected a reg"):
        require_file(pipe)
    with pytest.raises(AtlasError, match="is a folder, expected a regular file"):
        require_file(tmp_path)
    with pytest.raises(AtlasError, match="missing is missing, and what lies beside it needs it"):
        require_file(tmp_path / "missing")


def test_names_that_no_file_has(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match="File name too long"):
        require_file(tmp_path / ("a" * 5000))
    with pytest.raises(AtlasError, match="can be no file"):
        require_file(tmp_path / "a\0b")


def test_what_may_not_be_read_is_called_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same as a user whom permissions bind: tests/sae/readers/test_opening.py."""
    file = tmp_path / "file"
    file.write_bytes(b"")

    def closed(path: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", closed)
    with pytest.raises(AtlasError, match="file may not be read by this user: change its"):
        require_file(file)
