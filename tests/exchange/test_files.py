"""What can't be opened as a file is said in one sentence, before it is waited for."""

import os
from pathlib import Path

import pytest

from app.errors import AtlasError
from app.exchange.building.tokenizer import read_tokenizer
from app.exchange.files import check_file
from app.exchange.importing.formats import IMPORTERS


def test_only_files_that_may_be_read_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, pipe = tmp_path / "file", tmp_path / "pipe"
    file.write_bytes(b"")
    os.mkfifo(pipe)
    check_file(file)
    with pytest.raises(AtlasError, match="pipe is a pipe or a device, expected a file"):
        check_file(pipe)
    with pytest.raises(AtlasError, match="is a folder, expected a file"):
        check_file(tmp_path)
    with pytest.raises(AtlasError, match=r"missing can't be opened \(No such file"):
        check_file(tmp_path / "missing")
    monkeypatch.setattr("app.exchange.files.os.access", lambda *_: False)
    with pytest.raises(AtlasError, match="file may not be read by you: give yourself"):
        check_file(file)


@pytest.mark.parametrize("importer", IMPORTERS, ids=lambda one: one.name)
def test_a_file_of_something_else_is_named_with_what_was_expected(tmp_path: Path, importer) -> None:
    (tmp_path / "passwd").write_text("root:x:0:0\n")
    below = tmp_path / "below" / "features"
    below.mkdir(parents=True)
    (below / "batch-0.jsonl").write_text("{}")
    with pytest.raises(AtlasError, match=r"passwd holds no .*, expected "):
        importer.open(tmp_path / "passwd")


def test_a_folder_without_a_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match=r"There is no tokenizer at .*: --tokenizer takes"):
        read_tokenizer(tmp_path)
