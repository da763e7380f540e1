"""Every query of a page is answered along an index: no table is read whole, nothing is sorted.
What is kept in memory (columns, texts) reads one dictionary along the primary key.

Runs what pages run over a real atlas, takes down each statement and reads SQLite's plan of it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from app.db import catalog, columns, examples, feature_texts, features, tokens
from app.db.engine import Atlas, open_atlas
from app.db.fulltext import queries as fulltext
from app.db.records import RANKING_MODES, RankingMode
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


def _text(connection: Connection) -> fulltext.Text:
    text = fulltext.load_text(connection, CORPUS_ID)
    assert text is not None
    return text


def _rankings(connection: Connection, mode: RankingMode) -> object:
    return tokens.get_rankings(connection, SAE_ID, mode, [1, 2])


@pytest.mark.parametrize(
    "ask",
    [
        lambda c: features.get_feature(c, SAE_ID, 3),
        lambda c: features.get_features(c, SAE_ID, [3, 4, 500]),
        lambda c: features.get_panels(c, SAE_ID, 3),
        lambda c: features.short_forms(c, SAE_ID, [3, 4]),
        lambda c: columns.read_columns(c, SAE_ID),
        lambda c: feature_texts.read_texts(c, SAE_ID, MODEL_ID),
        lambda c: examples.get_groups(c, SAE_ID, 3),
        lambda c: examples.get_groups(c, SAE_ID, 3, ["top"]),
        lambda c: examples.get_contexts(c, CORPUS_ID, [1, 2]),
        lambda c: tokens.get_tokens(c, MODEL_ID, [1, 2, 3]),
        lambda c: tokens.match_tokens(c, MODEL_ID, CORPUS_ID, "self"),
        lambda c: tokens.occurrences(c, CORPUS_ID, [1, 2]),
        lambda c: tokens.match_exactly(c, MODEL_ID, CORPUS_ID, " self"),
        lambda c: tokens.is_token(c, MODEL_ID, "self"),
        lambda c: tokens.load_token_pairs(c, SAE_ID, 120),
        lambda c: fulltext.find_phrase(c, _text(c), ["raise", "val"], prefix=True),
        lambda c: fulltext.features_by_summary(c, SAE_ID, [("self", False), ("de", True)]),
        lambda c: fulltext.load_examples(c, SAE_ID, 120, _text(c)),
        lambda c: examples.pick_groups(c, SAE_ID, {3: "top", 5: "quantile"}),
        lambda c: examples.first_context(c, CORPUS_ID),
        *(partial(_rankings, mode=mode) for mode in RANKING_MODES),
        lambda c: catalog.find_sae(c, "synthetic", "one"),
        lambda c: catalog.document_names(c, CORPUS_ID, [1, 2]),
    ],
)
def test_everything_else_a_page_asks(atlas: Atlas, ask: Callable[[Connection], object]) -> None:
    _check(_plans(atlas, ask))
