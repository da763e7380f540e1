"""What is wrong with stored connections is found, each by its sentence."""

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.db.checks.connections import connection_problems
from app.db.engine import open_atlas
from app.db.stored.study import pack_study, unpack_study
from app.db.study_records.connections import (
    Causes,
    Effects,
    FeatureConnections,
    PairConnections,
)
from app.demo.synthetic import build_synthetic_atlas

UPPER = "sae_id = (SELECT sae_id FROM sae WHERE sae = 'upper') AND feature_index = 2"
LOWER = "sae_id = (SELECT sae_id FROM sae WHERE sae = 'lower') AND feature_index = 2"


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("connections") / "atlas.db"
    return build_synthetic_atlas(
        path, n_features=40, d_vocab=120, n_contexts=12, context_size=32, saes=("upper", "lower")
    )


@pytest.fixture
def broken(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole, tmp_path / "atlas.db"))


def problems(path: Path) -> list[str]:
    atlas = open_atlas(path)
    with atlas.connect() as connection:
        found = list(connection_problems(connection))
    atlas.close()
    return found


def change(path: Path, where: str, how: Callable[[Any], Any]) -> None:
    connection = sqlite3.connect(path)
    (blob,) = connection.execute(
        f"SELECT record FROM feature_study WHERE study = 'connections' AND {where}"
    ).fetchone()
    made = pack_study(how(unpack_study(FeatureConnections, blob)))
    connection.execute(
        f"UPDATE feature_study SET record = ? WHERE study = 'connections' AND {where}", [made]
    )
    connection.commit()
    connection.close()


def causes(how: Callable[[Causes], Causes]) -> Callable[[FeatureConnections], FeatureConnections]:
    return lambda found: replace(found, below=[how(found.below[0])])


def effects(
    how: Callable[[Effects], Effects],
) -> Callable[[FeatureConnections], FeatureConnections]:
    return lambda found: replace(found, above=[how(found.above[0])])


def test_nothing_is_wrong(whole: Path) -> None:
    assert problems(whole) == []


@pytest.mark.parametrize(
    ("where", "how", "said"),
    [
        (UPPER, causes(lambda c: replace(c, positive=c.positive + 0.5)), "sum to 1.5, expected 1."),
        (UPPER, causes(lambda c: replace(c, share=c.share[::-1])), "to lower are out of order."),
        (
            UPPER,
            causes(lambda c: replace(c, n_examples=c.n_examples + 9)),
            "a feature of lower fires in more examples than the",
        ),
        (
            UPPER,
            causes(lambda c: replace(c, feature_index=c.feature_index + 40)),
            "which lower has not.",
        ),
        (LOWER, effects(lambda e: replace(e, share=e.share[::-1])), "in upper is out of order."),
        (LOWER, effects(lambda e: replace(e, n_found=0)), "features of upper are listed, of 0"),
        (
            LOWER,
            effects(lambda e: replace(e, feature_index=np.full_like(e.feature_index, 40))),
            "it is connected to feature 40, which upper has not.",
        ),
    ],
)
def test_a_feature_is_told_wrong(
    broken: Path, where: str, how: Callable[[FeatureConnections], FeatureConnections], said: str
) -> None:
    change(broken, where, how)
    (problem,) = problems(broken)
    assert said in problem


def test_a_pair_is_told_wrong(broken: Path) -> None:
    connection = sqlite3.connect(broken)
    (blob,) = connection.execute(
        "SELECT record FROM study WHERE study = 'connections' AND sae_id = 1"
    ).fetchone()
    record = replace(unpack_study(PairConnections, blob), features=0.0)
    connection.execute(
        "UPDATE study SET record = ? WHERE study = 'connections' AND sae_id = 1",
        [pack_study(record)],
    )
    connection.commit()
    connection.close()
    (problem,) = problems(broken)
    assert "its shares from lower to upper sum to 0." in problem
