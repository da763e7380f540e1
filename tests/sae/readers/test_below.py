"""Dictionaries in the folders below the one that was named."""

from pathlib import Path

import pytest
import torch

from app.errors import AtlasError
from app.sae.readers import load_dictionary
from tests.sae.readers.conftest import STATE


def library(folder: Path) -> Path:
    folder.mkdir(parents=True)
    torch.save(STATE, folder / "ae.pt")
    return folder


def refused(path: Path) -> str:
    with pytest.raises(AtlasError) as caught:
        load_dictionary(path)
    return str(caught.value)


@pytest.mark.parametrize("inside", ["one", "one/two", "one/two/three"])
def test_the_only_one_is_read_and_named(tmp_path: Path, inside: str) -> None:
    library(tmp_path / inside)
    (tmp_path / "notes").mkdir()
    config = load_dictionary(tmp_path).config
    assert config.path == tmp_path / inside
    first = config.recognition.findings[0]
    assert (first.about, first.value) == ("found at", inside)
    assert first.why == f"the only dictionary below {tmp_path}"


def test_several_are_listed_as_people_count(tmp_path: Path) -> None:
    for number in (2, 10, 1):
        library(tmp_path / f"layers.{number}")
    places = ", ".join(f"layers.{number} (dictionary_learning)" for number in (1, 2, 10))
    assert refused(tmp_path) == f"{tmp_path} holds 3 dictionaries: {places}; name one of them."


def test_folders_that_were_not_looked_into_are_told(tmp_path: Path) -> None:
    library(tmp_path / "a")
    library(tmp_path / "one" / "two" / "three" / "four")
    said = refused(tmp_path)
    assert "holds 1 dictionary: a (dictionary_learning); folders more than 3 deep were not" in said
    assert "name one to look further (one/two/three); name one of them." in said


def test_only_deeper_folders(tmp_path: Path) -> None:
    library(tmp_path / "one" / "two" / "three" / "four")
    said = refused(tmp_path)
    assert "is no known dictionary: found one/, expected" in said
    assert said.endswith("deep were not looked into, name one to look further (one/two/three).")
    assert load_dictionary(tmp_path / "one").config.d_sae == 4
