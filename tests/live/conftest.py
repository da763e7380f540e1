"""The atlas of `made.py`, and the process that owns its model."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.live.limits import Limits
from app.live.owner import Owner
from tests.live.made import Made, make


@pytest.fixture(scope="session")
def made(
    tmp_path_factory: pytest.TempPathFactory,
    model_folder: Callable[[str], Path],
    write_sae: Callable[..., Path],
    text_folder: Path,
) -> Made:
    """The atlas, made once."""
    return make(tmp_path_factory.mktemp("live"), model_folder, write_sae, text_folder)


@pytest.fixture(scope="session")
def owner(made: Made) -> Iterator[Owner]:
    """A live model that every test may ask."""
    owner = Owner.start(made.start(), Limits(tokens=32))
    yield owner
    owner.close()
