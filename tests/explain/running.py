"""A run over an atlas and a notebook of a test, as `feature-atlas explain` begins one."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from sqlalchemy import Engine

from app.explain.address import Key, read_address
from app.explain.progress import Reporter
from app.explain.run import How, Outcome, run_features
from app.explain.settings import ExplainSettings
from app.explain.source import Source
from app.explain.store import Store, explained_before
from app.notebook import explanations
from app.notebook.database import writing
from app.notebook.labels import labels_of_dictionary
from app.notebook.records import Explanation, Label

SETTINGS = ExplainSettings("writer-1", "judge-1")


def run(
    source: Source,
    notebook: Engine,
    url: str,
    features: Sequence[int],
    settings: ExplainSettings = SETTINGS,
    key: str = "",
    **how: Any,
) -> Outcome:
    """Explains these features, whatever was done before."""
    asking: dict[str, Any] = {"timeout": 10, "max_tokens": 500, "concurrency": 4} | how
    identity = settings.identity(source.sae.corpus.hash)
    with writing(notebook) as pen:
        run_id = explanations.begin_run(pen, dictionary(source), settings.as_json(), url)
    store = Store(notebook, run_id, identity)
    with Reporter(len(features), Console(quiet=True)) as reporter:
        return run_features(
            source, settings, features, How(read_address(url), Key(key), **asking), store, reporter
        )


def dictionary(source: Source) -> tuple[str, str, str]:
    """As a notebook names it."""
    record = source.sae.record
    return record.model, record.sae, record.weights_hash


def labels(source: Source, notebook: Engine) -> dict[int, Label]:
    """The label of each feature; no more than one was made."""
    record = source.sae.record
    with notebook.connect() as connection:
        found = labels_of_dictionary(connection, record.model, record.sae)
    assert len({label.feature_index for label in found}) == len(found)
    return {label.feature_index: label for label in found}


def states(
    source: Source, notebook: Engine, settings: ExplainSettings = SETTINGS
) -> dict[int, Explanation]:
    """How far each feature is."""
    return explained_before(notebook, dictionary(source), settings.identity(source.sae.corpus.hash))
