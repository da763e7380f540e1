"""The page of norms: outliers first, position 0 apart, every order an address."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection, create_engine, delete

from app.db import schema
from app.db.catalog import Sae, list_saes
from app.db.studies import get_study
from app.db.study_records.norms import Norms
from app.web.memory import Memory
from app.web.pages.studies.norms.page import NormsPage, build
from app.web.pages.studies.norms.tokens import COLUMNS, N_SHOWN
from app.web.pages.studies.norms.view import NormsView
from app.web.text import number, percent
from tests.web.conftest import MakeClient

SAE = "/synthetic/resid-2-1k"
URL = f"{SAE}/norms"


@pytest.fixture
def found(connection: Connection, sae: Sae) -> Norms:
    record = get_study(connection, Norms, sae.sae_id)
    assert record is not None
    return record


@pytest.fixture
def page_of(connection: Connection, sae: Sae, atlas_path: Path) -> Callable[..., NormsPage]:
    memory = Memory(atlas_path)
    return lambda **view: build(connection, sae, NormsView(**view), memory)


@pytest.mark.parametrize("sort", COLUMNS)
def test_tokens_come_in_the_order_asked_for(
    page_of: Callable[..., NormsPage], found: Norms, sort: str
) -> None:
    rows = page_of(sort=sort).rows
    assert len(rows) == N_SHOWN
    at = {token_id: i for i, token_id in enumerate(found.tokens.token_id.tolist())}
    values = getattr(found.tokens, sort.removeprefix("-"))[[at[row.token_id] for row in rows]]
    known = values[np.isfinite(values)]
    assert (np.diff(known) <= 0).all()
    assert known[0] == np.nanmax(getattr(found.tokens, sort.removeprefix("-")))


def test_the_loud_tokens_are_named_with_what_they_carry(
    page_of: Callable[..., NormsPage], found: Norms
) -> None:
    page = page_of()
    first = page.rows[0]
    assert first.outliers and float(first.times.removesuffix("×")) > 5
    assert first.unembedding_is_outlier, "the demo's loud tokens have loud unembeddings"
    facts = {fact.name: fact.value for fact in page.facts}
    assert facts["Share of the error"] == percent(found.outlier_error_share)
    assert facts["MSE without them"] == number(found.mse_without_outliers)
    assert "".join(text for _, text in page.lede).count(percent(found.outlier_error_share)) == 1


def test_position_0_stands_apart(page_of: Callable[..., NormsPage], found: Norms) -> None:
    page = page_of()
    assert found.zero is not None
    assert [row[0] for row in page.populations] == ["counted tokens", "position 0"]
    assert page.populations[1][1] == f"{found.zero.n:,}"
    (mark,) = page.by_position.marks
    assert number(found.zero.maximum) in mark.label
    n = sum(
        int(mark.label.split(": ")[1].split(" tokens")[0].replace(",", ""))
        for mark in page.distribution.marks
    )
    assert n == found.norm.n


def test_every_hook_of_the_model_is_a_line(
    page_of: Callable[..., NormsPage], connection: Connection
) -> None:
    sites = page_of().sites
    hooks = {sae.record.hook_name for sae in list_saes(connection)}
    assert [site.hook_name for site in sites] == sorted(hooks)
    (here,) = [site for site in sites if not site.url]
    assert here.sae == "synthetic/resid-2-1k"


def test_the_page_is_whole_without_scripts(client: TestClient) -> None:
    html = client.get(f"{URL}?sort=-mean").text
    for heading in ("Distribution", "By position", "By token", "Hooks of synthetic"):
        assert heading in html
    assert 'aria-sort="descending"' in html
    assert "N = " in html


def test_the_twin_has_the_numbers(client: TestClient, found: Norms) -> None:
    twin = client.get(f"{URL}.json").json()
    assert twin["positions"]["mean"][0] is None
    assert twin["positions"]["n"] == found.position_n.tolist()
    assert twin["position_zero"]["mean"] == pytest.approx(found.zero.mean if found.zero else 0)
    assert twin["special"] is None
    assert twin["tokens"]["token_id"] == found.tokens.token_id.tolist()
    assert twin["outlier_error_share"] == found.outlier_error_share


def test_what_can_not_be_read_is_a_sentence(client: TestClient) -> None:
    answer = client.get(f"{URL}?sort=norm")
    assert answer.status_code == 400
    assert "sort" in answer.text


def test_a_skipped_study_is_said(atlas_path: Path, tmp_path: Path, make_client: MakeClient) -> None:
    path = tmp_path / "atlas.db"
    shutil.copy(atlas_path, path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(delete(schema.study).where(schema.study.c.study == "norms"))
    engine.dispose()
    client = make_client(path)
    answer = client.get(URL)
    assert answer.status_code == 404
    assert "--skip norms" in answer.text
    assert URL not in client.get(SAE).text
    assert "Tokens of outlier norm" not in client.get(f"{SAE}/quality").text
