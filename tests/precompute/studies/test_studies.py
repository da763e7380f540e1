"""A study from its pieces to the atlas: done once, resumed, skipped, priced before it starts."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from rich.console import Console

from app.db.catalog import find_sae
from app.db.engine import open_atlas
from app.db.features import get_feature
from app.db.studies import get_feature_study, get_study, others_of, studies_of
from app.errors import AtlasError
from app.precompute.drivers.driver import Piece, Task
from app.precompute.pipeline import run
from app.precompute.preparation import Run
from app.precompute.progress.reporter import Reporter
from app.precompute.settings import PrecomputeSettings, read_settings
from app.precompute.studies import registry
from app.precompute.studies.catalog import Listed
from app.precompute.studies.study import Harvest, Price, Study
from app.precompute.workplace import stage_recipes
from app.precompute.workplace.findings import Findings


@dataclass(frozen=True)
class Length:
    """How long things are."""

    STUDY: ClassVar[str] = "lengths"

    mean: float


LISTED = Listed("lengths", "how long decoder rows are", ("events",), ("seed",), uses_model=False)


def measure(run: Run, sae: str) -> np.ndarray:
    return run.target(sae).weights.decoder_norm().numpy()


def pieces(run: Run, _findings: Findings) -> list[Piece]:
    return [Piece(("lengths",), target.sae, 1, target.sae) for target in run.targets]


def harvest(run: Run, findings: Findings) -> Harvest:
    (found,) = findings.of("lengths")
    (target,) = run.targets
    return Harvest(
        of_dictionaries={target.sae: Length(float(found.mean()))},
        of_pairs={(target.sae, target.sae): Length(0.0)},
        of_features={target.sae: [(2, Length(float(found[2])))]},
        columns={
            target.sae: {"max_logit": np.where(found > 0, np.nan, 1.0), "position_zero_max": found}
        },
    )


@pytest.fixture
def _with_a_study(monkeypatch: pytest.MonkeyPatch) -> None:
    study = Study(
        LISTED, "dictionaries", Task(measure, "model"), lambda _: Price(7, "of nothing"), pieces,
        harvest,
    )  # fmt: skip
    monkeypatch.setattr(registry, "STUDIES", (study,))
    monkeypatch.setitem(stage_recipes.READS, "lengths", LISTED.reads)
    monkeypatch.setitem(stage_recipes.SETTINGS, "lengths", LISTED.settings)
    monkeypatch.setitem(stage_recipes.OF_STUDIES, "lengths", LISTED)


@pytest.mark.usefixtures("_with_a_study")
def test_a_study_reaches_the_atlas(small: Callable[..., PrecomputeSettings]) -> None:
    said = io.StringIO()
    settings = small()
    run(settings, reporter=Reporter(Console(file=said, width=200)))
    line = "Study lengths: 7 tokens of forward pass; of nothing (--skip lengths)."
    assert said.getvalue().index(line) < said.getvalue().index("events")
    atlas = open_atlas(settings.output)
    with atlas.connect() as connection:
        sae = find_sae(connection, "tiny", "resid")
        assert sae is not None
        assert studies_of(connection, sae.sae_id) == {"lengths"}
        norms = [get_feature(connection, sae.sae_id, i) for i in range(sae.record.n_features)]
        lengths = [record.decoder_norm or 0 for record in norms if record is not None]
        found = get_study(connection, Length, sae.sae_id)
        assert found is not None
        assert found.mean == pytest.approx(np.mean(lengths))
        assert others_of(connection, "lengths", sae.sae_id) == [sae.sae_id]
        assert get_feature_study(connection, Length, sae.sae_id, 2) == Length(lengths[2])
        assert get_feature_study(connection, Length, sae.sae_id, 3) is None
        assert norms[2] is not None
        assert norms[2].max_logit is None
        assert norms[2].position_zero_max == lengths[2]
    atlas.close()


@pytest.mark.usefixtures("_with_a_study")
def test_a_replaced_dictionary_leaves_no_finding_behind(
    small: Callable[..., PrecomputeSettings], monkeypatch: pytest.MonkeyPatch, quiet: Reporter
) -> None:
    run(small(), reporter=quiet)
    monkeypatch.setattr(registry, "STUDIES", ())
    settings = small(replace=True, seed=1)
    run(settings, reporter=quiet)
    atlas = open_atlas(settings.output)
    with atlas.connect() as connection:
        sae = find_sae(connection, "tiny", "resid")
        assert sae is not None
        assert not studies_of(connection, sae.sae_id)
        assert get_feature_study(connection, Length, sae.sae_id, 2) is None
    atlas.close()


def test_an_unknown_study_can_not_be_skipped(tmp_path: Path) -> None:
    options: dict[str, Any] = {"model": "m", "sae": [tmp_path], "corpus": "c", "output": tmp_path}
    with pytest.raises(AtlasError, match=r"--skip is .*there is no study 'pruningg'; there are"):
        read_settings(None, **options, skip=["pruningg"])
