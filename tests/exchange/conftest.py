"""Invented atlases that exports and the reader are tested on, and the command line in-process."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.demo.synthetic import build_synthetic_atlas
from app.errors import AtlasError
from app.exchange.reader.atlas import Atlas

N_FEATURES = 40
FIRST, SECOND = "synthetic/one", "synthetic/two"
"""A block apart, the first above; dictionaries of the atlas below"""

Export = Callable[..., Path]


@pytest.fixture(scope="session")
def atlas_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dictionaries over texts with NULs, markup, halves of characters and 10 kB tokens; some
    features are dead."""
    path = tmp_path_factory.mktemp("atlas") / "atlas.db"
    build_synthetic_atlas(
        path, n_features=N_FEATURES, n_contexts=48, hostile=True, saes=("one", "two")
    )
    return path


@pytest.fixture
def atlas(atlas_file: Path) -> Iterator[Atlas]:
    with Atlas.open(atlas_file) as opened:
        yield opened


@pytest.fixture
def export(atlas_file: Path, tmp_path: Path) -> Export:
    """Runs `feature-atlas export FORMAT` and gives the folder.

    Raises:
        AtlasError: as the command would print it.
    """

    def run(form: str, *arguments: str, name: str = "out", atlas: Path = atlas_file) -> Path:
        place = tmp_path / name
        done = CliRunner().invoke(cli, ["export", form, str(atlas), str(place), *arguments])
        if done.exit_code:
            assert done.exception is not None
            if isinstance(done.exception, AtlasError):
                raise done.exception
            raise AssertionError(done.output) from done.exception
        return place

    return run


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines, packed or not."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return [json.loads(line) for line in text.splitlines()]


def numbered(folder: Path, pattern: str) -> list[Path]:
    """Files in order of the number in their names."""
    return sorted(folder.glob(pattern), key=lambda path: int(path.name.split("-")[1].split(".")[0]))
