"""Every query of a page is answered along an index: no table is read whole, nothing is sorted.

Runs what pages run over a real atlas, takes down each statement and reads SQLite's plan of it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from app.db import catalog, examples, features, tokens
from app.db.engine import Atlas, open_atlas
from app.db.features import FeatureQuery, Range
from app.db.records import RANKING_MODES, RankingMode
from app.db.schema import FILTERABLE, SORTABLE
from app.demo.synthetic import build_synthetic_atlas

SAE_ID = MODEL_ID = CORPUS_ID = 1


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Atlas:
    path: Path = tmp_path_factory.mktemp("plans") / "atlas.db"
    return open_atlas(build_synthetic_atlas(path, n_features=120, saes=("one", "two")))


@contextmanager
def _statements(atlas: Atlas) -> Iterator[list[tuple[str, Any]]]:
    taken: list[tuple[str, Any]] = []

    def take(_c: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        taken.append((statement, parameters))

    event.listen(atlas.engine, "before_cursor_execute", take)
    yield taken
    event.remove(atlas.engine, "before_cursor_execute", take)


def _plans(atlas: Atlas, ask: Callable[[Connection], object]) -> list[str]:
    """The steps of the plans of all statements that `ask` runs."""
    with atlas.connect() as connection:
        with _statements(atlas) as taken:
            ask(connection)
        assert taken
        return [
            row[3]
            for statement, parameters in taken
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]


A_FEW_ROWS = {"SCAN model", "SCAN sae", "SCAN corpus", "SCAN CONSTANT ROW"}
"""One row for each model, dictionary and corpus: reading them all is no full scan of anything."""


def _check(steps: list[str]) -> None:
    for step in steps:
        assert not step.startswith("SCAN") or step in A_FEW_ROWS, step
        assert "TEMP B-TREE" not in step, step


FILTERS: list[dict[str, Any]] = [
    {},
    {"ranges": (Range("density", 0.001, 0.01),)},
    {"ranges": (Range("max_activation", 2, None), Range("top_token_share", None, 0.9))},
    {"ranges": (Range("context_share", 0.0, 0.5),), "dead": False},
    {"dead": True},
    {"top_token_ids": (1, 2, 3)},
    {"top_token_ids": (1,), "ranges": (Range("density", 0.001, None),), "dead": False},
]


@pytest.mark.parametrize("sort", ["feature_index", *SORTABLE])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_lists(atlas: Atlas, sort: str, descending: bool, filters: dict[str, Any]) -> None:
    query = FeatureQuery(sort=sort, descending=descending, size=5, **filters)

    def two_pages(connection: Connection) -> None:
        page = features.list_features(connection, SAE_ID, query)
        if page.next:
            features.list_features(
                connection, SAE_ID, FeatureQuery(**{**vars(query), "next": page.next})
            )

    steps = _plans(atlas, two_pages)
    _check(steps)
    along = [step for step in steps if f"feature_by_{sort}" in step]
    assert all("COVERING" in step for step in steps if "feature_by_" in step)
    assert along, f"not in the order of an index on {sort}: {steps}"


def test_filters_are_decided_along_the_index(atlas: Atlas) -> None:
    """Every column a list filters by is in every index a list walks."""
    ranges = tuple(Range(name, None, 1e9) for name in SORTABLE)
    assert set(FILTERABLE) == {*SORTABLE, "top_token_id"}
    query = FeatureQuery(sort="density", ranges=ranges, top_token_ids=(1,))
    steps = _plans(atlas, lambda c: features.list_features(c, SAE_ID, query))
    assert all("COVERING INDEX" in step for step in steps if "feature_by_" in step)


def _rankings(connection: Connection, mode: RankingMode) -> object:
    return tokens.get_rankings(connection, SAE_ID, mode, [1, 2])


@pytest.mark.parametrize(
    "ask",
    [
        lambda c: features.get_feature(c, SAE_ID, 3),
        lambda c: features.get_features(c, SAE_ID, [3, 4, 500]),
        lambda c: features.get_panels(c, SAE_ID, 3),
        lambda c: features.smallest_above_zero(c, SAE_ID, "density"),
        lambda c: features.counts_between(c, SAE_ID, "density", [0.001, 0.01, 0.1, 1.0]),
        lambda c: features.random_living_feature(c, SAE_ID, 0.5),
        lambda c: examples.get_groups(c, SAE_ID, 3),
        lambda c: examples.get_groups(c, SAE_ID, 3, ["top"]),
        lambda c: examples.get_contexts(c, CORPUS_ID, [1, 2]),
        lambda c: tokens.get_tokens(c, MODEL_ID, [1, 2, 3]),
        lambda c: tokens.match_tokens(c, MODEL_ID, CORPUS_ID, "self"),
        lambda c: tokens.occurrences(c, CORPUS_ID, [1, 2]),
        *(partial(_rankings, mode=mode) for mode in RANKING_MODES),
        lambda c: catalog.find_sae(c, "synthetic", "one"),
        lambda c: catalog.document_names(c, CORPUS_ID, [1, 2]),
    ],
)
def test_everything_else_a_page_asks(atlas: Atlas, ask: Callable[[Connection], object]) -> None:
    _check(_plans(atlas, ask))
