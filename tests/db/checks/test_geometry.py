"""Findings of geometry and matches that contradict the features or the rows are found."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, create_engine

from app.db import schema
from app.db.checks.geometry import geometry_problems, match_problems
from app.db.stored.study import pack_study
from app.db.studies import get_study
from app.db.study_records.geometry import Geometry
from app.db.study_records.matches import Matches
from app.demo.synthetic import build_synthetic_atlas


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checked") / "atlas.db"
    return build_synthetic_atlas(path, n_features=60, saes=("one", "elsewhere", "two"))


@pytest.fixture
def problems(whole: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """What is found once the record of “one” (about “two”) is another one."""

    def found(kind: Any = Geometry, **changes: Any) -> list[str]:
        path = tmp_path / "atlas.db"
        shutil.copy(whole, path)
        shutil.copytree(
            whole.with_suffix(".decoders"), path.with_suffix(".decoders"), dirs_exist_ok=True
        )
        engine = create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:
            if changes:
                _change(connection, kind, changes)
            look = geometry_problems if kind is Geometry else match_problems
            said = list(look(connection))
        engine.dispose()
        return said

    return found


def _change(connection: Connection, kind: Any, changes: dict[str, Any]) -> None:
    other = 0 if kind is Geometry else 3
    record = get_study(connection, kind, 1, other)
    assert record is not None
    made = {name: make(getattr(record, name)) for name, make in changes.items()}
    table = schema.study
    connection.execute(
        table.update()
        .where(table.c.sae_id == 1, table.c.study == kind.STUDY, table.c.other_id == other)
        .values(record=pack_study(replace(record, **made)))
    )


def changed(at: Any, value: float) -> Callable[[np.ndarray], np.ndarray]:
    def make(values: np.ndarray) -> np.ndarray:
        found = values.copy()
        found[at] = value
        return found

    return make


def test_what_was_found_agrees(problems: Callable[..., list[str]]) -> None:
    assert problems() == []
    assert problems(Matches) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"nearest_index": changed(4, 4)}, "no other feature"),
        ({"nearest_index": changed(0, 31)}, "by the decoder rows it is"),
        ({"nearest_index": changed(1, 31)}, "times_nearest does not count"),
        ({"cosine": changed((0, 3), 0.2)}, "nearest_cosine is not the cosine"),
        ({"cosine": changed((1, 3), 0.99)}, "a farther neighbour is nearer"),
        ({"near_cosine": changed(0, 0.5)}, "below 0.7"),
        ({"near_second": changed(0, 99)}, "not living features"),
        ({"n_near_pairs": lambda pairs: [0, *pairs[1:]]}, "more near pairs"),
    ],
)
def test_geometry_that_contradicts(
    problems: Callable[..., list[str]], changes: dict[str, Any], said: str
) -> None:
    found = problems(**changes)
    assert any(said in problem for problem in found), found
    assert all(problem.startswith("synthetic/one: geometry:") for problem in found)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"best_index": changed(0, 60)}, "no feature of the other"),
        ({"best_index": lambda index: np.roll(index, 1)}, "seen from the other side"),
        ({"cosine": changed(slice(None), 0.99)}, "MMCS is not the mean"),
        ({"cosine": changed(0, 1.0)}, "seen from the other side"),
        ({"one_to_one": lambda index: np.roll(index, 1)}, "not the same from the other side"),
        ({"best_index": lambda index: index[:9]}, "9 features are matched, there are 60"),
    ],
)
def test_matches_that_contradict(
    problems: Callable[..., list[str]], changes: dict[str, Any], said: str
) -> None:
    found = problems(Matches, **changes)
    assert any(said in problem for problem in found), found


def test_a_match_is_looked_up_in_the_decoder_rows(
    problems: Callable[..., list[str]], whole: Path
) -> None:
    """Feature 0 is said to be matched by what the other side is nearest to."""
    engine = create_engine(f"sqlite:///{whole}")
    with engine.connect() as connection:
        found, back = get_study(connection, Matches, 1, 3), get_study(connection, Matches, 3, 1)
    engine.dispose()
    assert found is not None and back is not None
    order = np.argsort(-back.cosine)
    other = next(int(i) for i in order if i != found.best_index[0])
    assert back.cosine[other] >= found.cosine[0]
    (problem,) = problems(Matches, best_index=changed(0, other))
    assert f"feature 0: the nearest is {other}" in problem and "by the decoder rows" in problem
