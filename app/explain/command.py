"""`feature-atlas explain`: opens everything, says what it will cost and send, asks, runs.

Takes what the command line says, prints to stderr what is going on and to stdout what came of it.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, Engine

from app.db.catalog import Sae
from app.db.engine import open_atlas
from app.db.features import column_values
from app.errors import AtlasError
from app.evidence.event_files import SaeEvents, open_events
from app.explain.chosen import Choice, choose_features, choose_sae
from app.explain.cost import Prices, estimate, estimate_lines, prompts_of
from app.explain.progress import Reporter
from app.explain.run import How, Outcome, run_features
from app.explain.settings import ExplainSettings
from app.explain.source import Source
from app.explain.store import Store, explained_before
from app.explain.words import ended_lines, sent_lines
from app.notebook import explanations
from app.notebook.database import open_notebook, writing
from app.notebook.limits import checked_line


@dataclass(frozen=True)
class Asked:
    """What the command line says."""

    atlas: Path
    sae: str
    """`model/sae`; empty where the atlas has but one"""
    notebook: str
    """path or address"""
    choice: Choice
    settings: ExplainSettings
    how: How
    prices: Prices
    yes: bool
    dry_run: bool


def explain(asked: Asked, confirm: Callable[[str], bool], say: Callable[[str], None]) -> Outcome:
    """The whole command.

    Args:
        confirm: asks the user; only called where there is one.
        say: a line on stderr.

    Raises:
        AtlasError: something is wrong before anything was asked, or nobody agreed.
    """
    _check(asked)
    with _source(asked.atlas, asked.sae) as source, _notebook(asked.notebook) as notebook:
        record = source.sae.record
        dictionary = (record.model, record.sae, record.weights_hash)
        identity = asked.settings.identity(source.sae.corpus.hash)
        before = explained_before(notebook, dictionary, identity)
        features = choose_features(source, notebook, asked.choice, before, asked.settings.seed)
        left = [i for i in features if i not in before or before[i].state != "done"]
        if len(left) < len(features):
            say(f"{len(features) - len(left):,} of {len(features):,} features are done already.")
        if not left:
            return Outcome(0)
        found = estimate(source, asked.settings, left, asked.how.max_tokens)
        for line in estimate_lines(found, asked.prices):
            say(line)
        for line in sent_lines(source, asked.settings, asked.how.address, asked.how.key):
            say(line)
        if asked.dry_run:
            _print_prompt(source, asked.settings, left[0])
            return Outcome(0)
        _agree(asked, confirm)
        with writing(notebook) as pen:
            run_id = explanations.begin_run(
                pen, dictionary, asked.settings.as_json(), asked.how.address.url
            )
        store = Store(notebook, run_id, identity)
        with Reporter(len(left)) as reporter:
            outcome = run_features(source, asked.settings, left, asked.how, store, reporter)
        with writing(notebook) as pen:
            explanations.end_run(pen, run_id, outcome.as_json())
        for line in ended_lines(outcome, asked.prices):
            print(line)
        return outcome


def _check(asked: Asked) -> None:
    for name in (asked.settings.explainer, asked.settings.scorer):
        checked_line("source", name)


def _agree(asked: Asked, confirm: Callable[[str], bool]) -> None:
    if asked.yes:
        return
    if not sys.stdin.isatty():
        raise AtlasError(
            "Nothing was sent: nobody can be asked here (no terminal), so add --yes to agree to "
            "the above."
        )
    if not confirm("Go on?"):
        raise AtlasError("Nothing was sent.")


def _print_prompt(source: Source, settings: ExplainSettings, feature: int) -> None:
    for prompt, _ in prompts_of(source, settings, feature):
        print(f"The first prompt about feature {feature}:\n\n{prompt.text}")
        return


@contextmanager
def _source(path: Path, address: str) -> Iterator[Source]:
    atlas = open_atlas(path)
    try:
        with atlas.connect() as connection:
            sae = choose_sae(connection, address, path)
            yield Source(connection, sae, _events(connection, path, sae))
    finally:
        atlas.close()


def _events(connection: Connection, path: Path, sae: Sae) -> SaeEvents | None:
    if sae.record.imported is not None:
        return None
    n_active = column_values(connection, sae.sae_id, ["n_active"])["n_active"]
    return open_events(path, sae, n_active.astype(np.int64))


@contextmanager
def _notebook(place: str) -> Iterator[Engine]:
    engine = open_notebook(place)
    try:
        yield engine
    finally:
        engine.dispose()
