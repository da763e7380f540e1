"""Everything `feature-atlas check` looks at, in order, each as it is done.

Takes an atlas and how many features to compute again; gives checks (see `app.db.checks.check`).
Knows what each of them needs and says why one was skipped; the model's libraries are imported only
for it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection

from app.check.beside import events_problems, open_beside
from app.check.recount import recount_problems
from app.check.subject import Subject
from app.db.catalog import list_saes
from app.db.checks.check import THOROUGH, UNREADABLE, Check, one_line, run_checks
from app.db.engine import Atlas, open_atlas
from app.db.features import column_values
from app.errors import AtlasError
from app.hub.finding import at_hand, find_dictionary, find_model
from app.stats.event_places import events_folder

BESIDE = "the events beside it are its own"
RECOUNTED = "features counted again from their events"
REMEASURED = "activations computed again by the model"


@dataclass(frozen=True)
class Asked:
    """How much is computed again, and by what."""

    n_features: int
    """of each dictionary"""
    seed: int
    """of the choice of features"""
    model: Path | None = None
    """folder of the model; None looks for the one the recipe names"""
    saes: Sequence[Path] = ()
    """dictionaries; none looks for those the recipe names"""


def check_whole(path: Path, asked: Asked) -> Iterator[Check]:
    """Every check of an atlas.

    Raises:
        AtlasError: it is no atlas of this version, or the model or a dictionary that was named
            can't be read or isn't the one the atlas was made from.
    """
    atlas = open_atlas(path)
    try:
        with atlas.connect() as connection:
            _check_asked(atlas, connection, asked)
            yield from run_checks(connection, THOROUGH)
            try:
                subjects = _subjects(connection, asked)
            except UNREADABLE as error:
                why = f"its dictionaries can't be read ({one_line(error)})"
                for name in (BESIDE, RECOUNTED, REMEASURED):
                    yield Check(name, skipped=why)
                return
            yield from _against_events(atlas, connection, subjects)
            yield _against_model(atlas, connection, subjects, asked)
    finally:
        atlas.close()


def _check_asked(atlas: Atlas, connection: Connection, asked: Asked) -> None:
    """Says at once that half of what computing again needs was named and the rest isn't at hand."""
    if asked.model is None and not asked.saes:
        return
    try:
        recipes = [sae.record.recipe for sae in list_saes(connection)]
    except UNREADABLE:
        return  # said by the checks
    if not all(_at_hand(atlas.path, recipes, asked)):
        raise AtlasError(
            "Computing again needs the model and its dictionaries: give both --model and --sae."
        )


def _subjects(connection: Connection, asked: Asked) -> list[Subject]:
    """The dictionaries, each with the features that are computed again: of those that fire."""
    subjects = []
    for number, sae in enumerate(list_saes(connection)):
        counted = column_values(connection, sae.sae_id, ["n_active"])["n_active"]
        if sae.record.imported is not None:
            continue  # nothing of it can be computed again
        n_active = counted.astype(np.int64)
        alive = np.flatnonzero(n_active > 0)
        draw = np.random.default_rng([asked.seed, number])
        sample = draw.choice(alive, min(asked.n_features, alive.size), replace=False)
        subjects.append(Subject(sae, n_active, np.sort(sample)))
    return subjects


def _against_events(
    atlas: Atlas, connection: Connection, subjects: list[Subject]
) -> Iterator[Check]:
    folder = events_folder(atlas.path)
    if not folder.is_dir():
        for name in (BESIDE, RECOUNTED):
            yield Check(name, skipped=f"there is no {folder.name} beside it")
        return
    problems: list[str] = []
    for subject in subjects:
        try:
            subject.beside = open_beside(atlas.path, subject.sae)
            found = list(events_problems(connection, subject))
        except (AtlasError, *UNREADABLE) as error:
            found = [f"{subject.sae.address}: {one_line(error)}."]
        if found:
            subject.beside = None
        problems += found
    yield Check(BESIDE, problems)
    own = [subject for subject in subjects if subject.beside is not None]
    skipped = [] if own else ["no dictionary's events are its own"]
    recounted: list[str] = []
    for subject in own:
        try:
            recounted += recount_problems(connection, subject)
        except KeyError as error:
            skipped.append(f"the recipe of {subject.sae.address} doesn't say {error.args[0]}")
        except (AtlasError, *UNREADABLE) as error:
            recounted.append(f"{subject.sae.address} can't be read: {one_line(error)}.")
    yield Check(_sized(RECOUNTED, own), recounted, "" if recounted else "; ".join(skipped))


def _against_model(
    atlas: Atlas, connection: Connection, subjects: list[Subject], asked: Asked
) -> Check:
    recipes = [subject.sae.record.recipe for subject in subjects]
    model, paths = _at_hand(atlas.path, recipes, asked)
    if model is None or not paths:
        return Check(REMEASURED, skipped="no model at hand, give --model and --sae")
    try:
        from app.check.remeasure import remeasure_problems
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "app" or asked.model is not None:
            raise
        return Check(REMEASURED, skipped=f"{error.name} is not installed")
    measured, problems = remeasure_problems(connection, subjects, model, paths)
    return Check(_sized(REMEASURED, measured), problems)


def _at_hand(
    atlas: Path, recipes: Sequence[Mapping[str, Any]], asked: Asked
) -> tuple[Path | None, list[Path]]:
    """What was named; else what the recipes name: here, beside the atlas, in the hub's cache."""
    models, saes = list[Path | None](), list[Path | None]()
    for recipe in recipes:
        commits, model = recipe.get("commits", {}), str(recipe.get("model", ""))
        models.append(at_hand(find_model, model, atlas.parent, commits.get(model)))
        for name in map(str, recipe.get("sae", [])):
            saes.append(at_hand(find_dictionary, name, atlas.parent, commits.get(name)))
    found = [path for path in dict.fromkeys(saes) if path is not None]
    return asked.model or next(filter(None, models), None), list(asked.saes) or found


def _sized(name: str, subjects: Sequence[Subject]) -> str:
    return f"{name} ({sum(subject.sample.size for subject in subjects):,} features)"
