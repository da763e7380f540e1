"""An invented atlas with dictionaries of one hook."""

from pathlib import Path

import pytest

from app.demo.synthetic import build_synthetic_atlas


@pytest.fixture(scope="session")
def matched_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three dictionaries of 60 features, the first and third of one hook, with every firing."""
    return build_synthetic_atlas(
        tmp_path_factory.mktemp("matched") / "atlas.db",
        n_features=60,
        saes=("one", "elsewhere", "two"),
        events=True,
    )
