"""The page of a dictionary's quality: every figure with what it rests on; the twin has the rest."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection, create_engine, delete

from app.db import schema
from app.db.catalog import Sae
from app.db.stored.study import pack_study, unpack_study
from app.db.studies import get_study
from app.db.study_records.norms import Norms
from app.db.study_records.reconstruction import Reconstruction
from app.db.study_records.variants import Variants
from app.web.memory import Memory
from app.web.pages.studies.quality.page import QualityPage, build
from app.web.pages.studies.quality.variants import WORDS
from app.web.text import number, percent
from tests.web.conftest import MakeClient

SAE = "/synthetic/resid-2-1k"
URL = f"{SAE}/quality"


@pytest.fixture
def page(connection: Connection, sae: Sae, atlas_path: Path) -> QualityPage:
    return build(connection, sae, Memory(atlas_path))


@pytest.fixture
def single(connection: Connection, sae: Sae) -> Reconstruction:
    found = get_study(connection, Reconstruction, sae.sae_id)
    assert found is not None
    return found


@pytest.fixture
def variants(connection: Connection, sae: Sae) -> Variants:
    found = get_study(connection, Variants, sae.sae_id)
    assert found is not None
    return found


def figures(page: QualityPage) -> dict[str, Any]:
    return {figure.name: figure for group in page.groups for figure in group.figures}


def test_every_figure_has_its_formula_and_what_it_rests_on(page: QualityPage, sae: Sae) -> None:
    assert [group.title for group in page.groups] == [
        "Reconstruction", "What the model loses", "Features",
    ]  # fmt: skip
    n = f"{sae.corpus.n_tokens:,}"
    assert n in page.groups[0].over and n in page.groups[2].over
    assert f"{sae.record.quality.n_ce_tokens:,} predicted tokens" in page.groups[1].over
    assert "keep their own" in page.groups[1].over
    assert all("invented lines" in group.over for group in page.groups)
    assert all(figure.formula for figure in figures(page).values())


def test_values_are_those_measured(
    page: QualityPage, sae: Sae, single: Reconstruction, variants: Variants
) -> None:
    found, quality = figures(page), sae.record.quality
    assert found["L0"].value == number(quality.l0)
    counts = np.repeat(np.arange(single.l0_counts.size), single.l0_counts)
    median = int(np.quantile(counts, 0.5, method="inverted_cdf"))
    assert found["L0"].aside == str(median)
    assert found["MSE"].aside == number(single.squared_error.median / sae.record.width)
    assert found["Explained variance"].aside == number(variants.explained.median)
    assert found["Norm of the input"].value == number(single.norm.mean)
    error = single.ce_recovered_mean_error
    assert found["CE recovered, against the mean"].aside == f"±{percent(error)}"
    assert found["ΔCE"].aside == f"±{number(quality.delta_ce_error, 2)}"


def test_counts_of_features_lead_to_the_features(
    client: TestClient, page: QualityPage, sae: Sae
) -> None:
    found = figures(page)
    for name in ("Dead", "Dense", "Very dense", "Single-token"):
        listed = client.get(found[name].url.replace("resid-2-1k?", "resid-2-1k.json?")).json()
        assert found[name].aside.split(" of ")[0] == f"{listed['n_matching']:,}"
    assert found["Dead"].aside == f"{sae.record.quality.n_dead} of {sae.record.d_sae}"


def test_the_charts_hold_all_tokens(page: QualityPage, single: Reconstruction) -> None:
    assert [panel.title for panel in page.panels] == [
        "L0", "Variance explained at a token", "Direction", "Length",
    ]  # fmt: skip
    labels = [mark.label for mark in page.panels[0].chart.marks]
    shown = [int(re.findall(r": ([\d,]+) tokens", label)[0].replace(",", "")) for label in labels]
    assert sum(shown) == single.l0_counts.sum()
    assert labels[0].startswith("0: ")


def test_quantiles_stand_in_one_table(page: QualityPage, single: Reconstruction) -> None:
    assert page.quantiles is not None
    rows = {row[0]: row[1:] for row in page.quantiles.rows}
    at = page.quantiles.heads.index("median")
    assert rows["‖x‖"][at] == number(single.norm.median)
    assert rows["cos(x, x̂)"][at] == number(single.cosine.median)
    assert all(len(row) == len(page.quantiles.heads) for row in rows.values())
    l0 = np.repeat(np.arange(single.l0_counts.size), single.l0_counts)
    expected = np.quantile(l0, 0.95, method="inverted_cdf")
    assert rows["L0"][page.quantiles.heads.index("95%")] == number(float(expected))


def test_what_other_tools_print_says_whose_it_is(
    client: TestClient, page: QualityPage, variants: Variants
) -> None:
    assert page.variants is not None
    lines = {line.name: line for group in page.variants.groups for line in group.lines}
    assert lines["frac_variance_explained"].whose == "dictionary_learning"
    assert lines["frac_variance_explained"].counted == number(
        variants.counted["dictionary_learning"]
    )
    assert lines["explained_variance_legacy"].every == number(variants.every["saelens_legacy"])
    assert lines["ce_loss_score"].every == number(variants.ce_score)
    assert all(line.formula and line.difference for line in lines.values())
    own = [line for group in page.variants.groups for line in group.lines if line.is_own]
    assert [line.counted for line in own] == [
        number(variants.counted["pooled"]), number(variants.counted["mse"]),
    ]  # fmt: skip
    html = client.get(URL).text
    assert '<details class="variants">' in html
    assert "How it differs" in html


def test_every_figure_the_job_computes_is_shown(variants: Variants) -> None:
    shown = {line[0] for group in WORDS for line in group}
    assert shown == variants.counted.keys()


def test_the_twin_has_the_numbers(
    client: TestClient, single: Reconstruction, variants: Variants, sae: Sae
) -> None:
    twin = client.get(f"{URL}.json").json()
    assert twin["quality"]["explained_variance"] == sae.record.quality.explained_variance
    assert twin["quality"]["ce_recovered_mean_error"] == single.ce_recovered_mean_error
    assert twin["l0"]["counts"] == single.l0_counts.tolist()
    assert twin["distributions"]["norm"]["quantiles"]["0.5"] == single.norm.median
    assert twin["distributions"]["norm"]["histogram"]["counts"] == single.norm.counts.tolist()
    assert twin["variants"]["counted"]["openai"] == variants.counted["openai"]
    assert twin["variants"]["ce_score"] == variants.ce_score


@pytest.fixture
def without_studies(atlas_path: Path, tmp_path: Path, make_client: MakeClient) -> TestClient:
    path = tmp_path / "atlas.db"
    shutil.copy(atlas_path, path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(delete(schema.study))
    engine.dispose()
    return make_client(path)


def test_without_studies_the_figures_stay_and_the_rest_is_said(
    without_studies: TestClient, sae: Sae
) -> None:
    html = without_studies.get(URL).text
    assert "Explained variance" in html
    assert "What other tools would print" not in html
    assert "Over tokens" not in html
    assert "--skip" in html
    for name in ("reconstruction", "norms", "variants"):
        assert f'<span class="mono">{name}</span>' in html
    twin = without_studies.get(f"{URL}.json").json()
    assert twin["quality"]["l0"] == sae.record.quality.l0
    assert twin["l0"] is None and twin["variants"] is None and twin["distributions"] == {}
    assert URL not in without_studies.get(SAE).text


def test_numbers_that_are_none_are_a_dash_and_null(
    atlas_path: Path, tmp_path: Path, make_client: MakeClient
) -> None:
    """A tool's formula may divide by zero: the page says nothing, the twin null."""
    path = tmp_path / "atlas.db"
    shutil.copy(atlas_path, path)
    engine = create_engine(f"sqlite:///{path}")
    table = schema.study
    where = table.c.study == Variants.STUDY
    with engine.begin() as connection:
        blob = connection.execute(table.select().where(where)).first()
        assert blob is not None
        record = unpack_study(Variants, blob.record)
        counted = record.counted | {"cosine": float("nan"), "openai": float("-inf")}
        changed = pack_study(replace(record, counted=counted))
        connection.execute(table.update().where(where).values(record=changed))
    engine.dispose()
    client = make_client(path)
    assert client.get(URL).status_code == 200
    twin = client.get(f"{URL}.json").json()
    assert twin["variants"]["counted"]["cosine"] is None
    assert twin["variants"]["counted"]["openai"] is None


def test_norms_are_part_of_it(page: QualityPage, connection: Connection, sae: Sae) -> None:
    norms = get_study(connection, Norms, sae.sae_id)
    assert norms is not None
    figure = figures(page)["Tokens of outlier norm"]
    assert figure.value == percent(norms.n_outlier / norms.norm.n)
    assert figure.url == f"{SAE}/norms"
