"""Downloads: exactly what is listed, all pages, in order; read back they give the same numbers."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from app.db.schema import SORTABLE
from app.web.pages.dictionary.files import COLUMNS, TEXT_COLUMNS, blocks, guarded
from tests.web.conftest import MakeClient

SAE = "/synthetic/resid-2-1k"
LISTS = ["", "sort=run_length&density=1%25..", "lives_as=point&sort=-feature_index", "contains=%25"]


def _listed(client: TestClient, query: str) -> list[dict[str, Any]]:
    """Every page of the list, by following `next_url`."""
    found: list[dict[str, Any]] = []
    url: str | None = f"{SAE}.json?size=7&{query}"
    while url:
        page = client.get(url).json()
        found += page["features"]
        url = page["next_url"]
    return found


def _table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("query", LISTS)
def test_json_is_every_page_of_the_list(client: TestClient, query: str) -> None:
    answer = client.get(f"{SAE}/features.json?{query}")
    content = answer.json()
    assert content["features"] == _listed(client, query)
    assert content["n_matching"] == len(content["features"]) > 0
    assert (content["model"], content["sae"]) == ("synthetic", "resid-2-1k")
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("query", LISTS)
def test_csv_reads_back_as_the_list(client: TestClient, query: str) -> None:
    answer = client.get(f"{SAE}/features.csv?{query}")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = _table(answer.text)
    listed = _listed(client, query)
    assert [int(row["feature_index"]) for row in rows] == [row["feature_index"] for row in listed]
    for row, expected in zip(rows, listed, strict=True):
        assert [*row] == [*COLUMNS]
        for name in ("n_active", *SORTABLE, "top_token_id"):
            assert (float(row[name]) if row[name] else None) == expected[name], name
        texts = {name: row[name].removeprefix("'") for name in TEXT_COLUMNS}
        assert json.loads(texts["top_tokens"]) == [t["token"] for t in expected["top_tokens"]]
        assert texts["ablation_token"] == (expected["ablation_token"] or "")
        assert (texts["summary"], texts["short"]) == (expected["summary"], expected["short"])


def test_lines_end_as_rfc_4180_says(client: TestClient) -> None:
    text = client.get(f"{SAE}/features.csv?feature_index=0..2").content.decode()
    lines = text.split("\r\n")
    assert len(lines) == 5 and lines[0] == ",".join(COLUMNS) and lines[-1] == ""


def test_hostile_texts_survive_and_are_no_formulas(
    hostile_path: Path, make_client: MakeClient
) -> None:
    hostile = make_client(hostile_path)
    rows = _table(hostile.get(f"{SAE}/features.csv").text)
    listed = {row["feature_index"]: row for row in _listed(hostile, "")}
    assert len(rows) == len(listed) == 60
    for row in rows:
        expected = listed[int(row["feature_index"])]
        for name in TEXT_COLUMNS:
            assert not re.match(r"[=+\-@\t\r＝＋－＠]", row[name])
        tokens = json.loads(row["top_tokens"].removeprefix("'"))
        assert tokens == [token["token"] for token in expected["top_tokens"]]


@given(st.text(alphabet="=+-@\t\r'＝a1 ", max_size=5) | st.text())
def test_a_guarded_text_is_no_formula_and_can_be_had_back(text: str) -> None:
    found = guarded(text)
    assert not found.startswith(tuple("=+-@\t\r＝＋－＠"))
    assert found.removeprefix("'") == text


@given(st.lists(st.text(max_size=9), max_size=30), st.integers(1, 20))
def test_blocks_hold_the_same_text_in_fewer_pieces(pieces: list[str], characters: int) -> None:
    found = list(blocks(pieces, characters))
    assert "".join(found) == "".join(pieces)
    assert all(len(block) >= characters for block in found[:-1])


def test_nothing_listed_is_a_file_without_rows(client: TestClient) -> None:
    assert client.get(f"{SAE}/features.csv?density=2..").text == ",".join(COLUMNS) + "\r\n"
    assert client.get(f"{SAE}/features.json?density=2..").json()["features"] == []


def test_how_it_is_shown_changes_no_file(client: TestClient) -> None:
    whole = client.get(f"{SAE}/features.csv").text
    query = "size=5&columns=kurtosis&scale=log"
    assert client.get(f"{SAE}/features.csv?{query}").text == whole
    page = client.get(f"{SAE}?{query}&dead=no&sort=density").text
    assert f'href="{SAE}/features.csv?sort=density&amp;dead=no"' in page
    assert f'href="{SAE}/features.json?sort=density&amp;dead=no"' in page


def test_a_file_is_named_and_fresh_as_a_page(client: TestClient) -> None:
    answer = client.get(f"{SAE}/features.csv?size=1")
    said = answer.headers["content-disposition"]
    assert said == 'attachment; filename="synthetic-resid-2-1k-features.csv"'
    again = client.get(f"{SAE}/features.csv", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    ("address", "status"),
    [
        (f"{SAE}/features.xml", 404),
        ("/synthetic/none/features.csv", 404),
        (f"{SAE}/features.json?sort=nothing", 400),
        (f"{SAE}/features.csv?rows=7", 400),
    ],
)
def test_what_cannot_be_had_is_a_sentence(client: TestClient, address: str, status: int) -> None:
    assert client.get(address).status_code == status
