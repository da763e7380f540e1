"""What is named as another tool's files and is something else is said in one sentence."""

from pathlib import Path

import pytest

from app.errors import AtlasError
from app.exchange.building.tokenizer import read_tokenizer
from app.exchange.importing.formats import IMPORTERS


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
