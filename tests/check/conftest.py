"""One atlas made by the whole job, with its events and decoder rows, and copies to be broken."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from app.check.whole import Asked, check_whole
from app.db.checks.check import THOROUGH, Check, run_checks
from app.db.engine import open_atlas
from app.db.records import GROUPS, ExampleGroup, Group
from app.db.stored.ablations import pack_ablations, unpack_ablations
from app.db.stored.examples import pack_examples, unpack_examples
from app.db.stored.panels import pack_panels, unpack_panels
from app.db.stored.rankings import pack_scores, unpack_scores
from app.db.stored.study import pack_study, unpack_study
from app.precompute.pipeline import run
from app.precompute.progress.reporter import Reporter
from app.precompute.settings import PrecomputeSettings

_RESID = "sae_id = (SELECT sae_id FROM sae WHERE sae = 'resid')"


def _of(index: int) -> str:
    return f"{_RESID} AND feature_index = {index}"


@dataclass(frozen=True)
class Made:
    """An atlas and what it was made from."""

    atlas: Path
    model: Path
    saes: tuple[Path, ...]

    def run(self, statement: str, *values: object) -> int:
        """Runs SQL on the file, as no program of ours would; gives the rows it touched."""
        connection = sqlite3.connect(self.atlas)
        n = connection.execute(statement, values).rowcount
        connection.commit()
        connection.close()
        return n

    def change(self, statement: str, *values: object) -> None:
        """The same, and something has to change."""
        assert self.run(statement, *values) > 0, statement

    def read(self, statement: str) -> Any:
        """The first row a query gives."""
        connection = sqlite3.connect(self.atlas)
        row = connection.execute(statement).fetchone()
        connection.close()
        return row

    def change_panels(self, index: int, change: Callable[[Any], Any]) -> None:
        """Changes the panels of a feature of the first dictionary."""
        (blob,) = self.read(f"SELECT panels FROM feature_panel WHERE {_of(index)}")
        (blob,) = pack_panels([change(unpack_panels(blob))])
        self.change(f"UPDATE feature_panel SET panels = ? WHERE {_of(index)}", blob)

    def change_examples(
        self, index: int, group: Group, change: Callable[[Any], Any], also: Sequence[Group] = ()
    ) -> None:
        """Changes a group of its examples; groups in `also` are left out."""
        (blob,) = self.read(f"SELECT examples FROM feature_example WHERE {_of(index)}")
        groups = unpack_examples(blob, GROUPS)
        kept: dict[Group, ExampleGroup] = {
            name: found for name, found in groups.items() if name not in also
        }
        (blob,) = pack_examples([{**kept, group: change(groups[group])}])
        self.change(f"UPDATE feature_example SET examples = ? WHERE {_of(index)}", blob)

    def change_ablations(self, index: int, group: Group, change: Callable[[Any], Any]) -> None:
        """Changes the ablated text of a group of its examples."""
        (blob,) = self.read(f"SELECT ablations FROM feature_example WHERE {_of(index)}")
        groups = unpack_ablations(blob)
        (blob,) = pack_ablations([{**groups, group: change(groups[group])}])
        self.change(f"UPDATE feature_example SET ablations = ? WHERE {_of(index)}", blob)

    def change_study(self, kind: type[Any], change: Callable[[Any], Any]) -> None:
        """Changes what a study found about the first dictionary alone."""
        where = f"{_RESID} AND study = '{kind.STUDY}' AND other_id = 0"
        (blob,) = self.read(f"SELECT record FROM study WHERE {where}")
        blob = pack_study(change(unpack_study(kind, blob)))
        self.change(f"UPDATE study SET record = ? WHERE {where}", blob)

    def change_recipe(self, **settings: object) -> None:
        """Changes what the first dictionary's recipe says."""
        (record,) = self.read("SELECT record FROM sae WHERE sae = 'resid'")
        record = json.loads(record)
        record["recipe"] |= settings
        self.change("UPDATE sae SET record = ? WHERE sae = 'resid'", json.dumps(record))

    def swap_two_features(self, column: str) -> int:
        """Turns a ranking of one token round; gives the token."""
        where = f"FROM token_ranking WHERE {_RESID} AND {column} IS NOT NULL"
        token_id, blob = self.read(f"SELECT token_id, {column} {where} ORDER BY token_id")
        found = unpack_scores(blob)
        turned = replace(found, score=found.score[::-1])
        assert turned.score.size > 1
        self.change(
            f"UPDATE token_ranking SET {column} = ? WHERE {_RESID} AND token_id = {token_id}",
            pack_scores(turned),
        )
        return token_id

    def checks(self, n: int = 8, **asked: Any) -> dict[str, Check]:
        """Every check, by the beginning of its name."""
        found = list(check_whole(self.atlas, Asked(n, 0, **asked)))
        return {check.name.split(" (")[0]: check for check in found}

    def problems(self, name: str, n: int = 24, **asked: Any) -> list[str]:
        """What one check finds; all features are computed again where it is about that."""
        alone = [(title, look) for title, look in THOROUGH if title == name]
        if not alone:
            return self.checks(n, **asked)[name].problems
        atlas = open_atlas(self.atlas)
        with atlas.connect() as connection:
            (check,) = run_checks(connection, alone)
        atlas.close()
        return check.problems


@pytest.fixture(scope="session")
def made(
    tmp_path_factory: pytest.TempPathFactory,
    model_folder: Callable[[str], Path],
    write_sae: Callable[..., Path],
    text_folder: Path,
) -> Made:
    """Two dictionaries at two hooks in several shards; nobody changes it."""
    folder = tmp_path_factory.mktemp("made")
    saes = (
        write_sae(folder / "resid", "jumprelu"),
        write_sae(folder / "mlp", "topk", "blocks.1.hook_mlp_out", seed=1),
    )
    settings = PrecomputeSettings(
        model=str(model_folder("neox")),
        sae=[str(path) for path in saes],
        name=["tiny/resid", "tiny/mlp"],
        corpus=str(text_folder),
        output=folder / "atlas.db",
        batch_contexts=7,
        contexts_per_shard=16,
        threads=1,
        top_examples=6,
        silent_examples=4,
        ablation_examples=2,
        ablation_window=4,
        quality_contexts=4,
        pruning_contexts=2,
        pruning_thresholds=3,
        progress="plain",
    )
    run(settings, reporter=Reporter(kind="plain"))
    return Made(settings.output, model_folder("neox"), saes)


@pytest.fixture
def broken(made: Made, tmp_path: Path) -> Made:
    """A copy of it, to be broken."""
    for name in ("atlas.events", "atlas.decoders"):
        shutil.copytree(made.atlas.with_name(name), tmp_path / name)
    shutil.copy(made.atlas, tmp_path / "atlas.db")
    return Made(tmp_path / "atlas.db", made.model, made.saes)
