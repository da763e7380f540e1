"""Addresses nobody is led to: endless numbers, forged `next` tokens; an atlas damaged inside."""

import base64
import json
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.cli import main
from app.db.cursor import BadCursor, decode_cursor, encode_cursor
from app.demo.synthetic import build_synthetic_atlas

from .conftest import MakeClient

SAE = "/synthetic/resid-2-1k"
ENDLESS = "9" * 5000
PLACES = [[], [None], [1, 2, 3], [[], {}], ["x", None]]


@pytest.mark.parametrize("place", ["", "/card.png", "/figure.svg", "/page.html", ".json"])
def test_a_number_without_end_is_no_address(client: TestClient, place: str) -> None:
    assert client.get(f"{SAE}/{ENDLESS}{place}").status_code == 404
    assert client.get(f"{SAE}/context/{ENDLESS}").status_code == 404


@pytest.mark.parametrize(
    "address",
    [
        f"{SAE}/LONG", "/synthetic/LONG", "/-/search?sae=LONG", f"{SAE}?LONG=1",
        f"{SAE}?sort=LONG", f"{SAE}?columns=LONG", f"{SAE}?only=LONG", f"{SAE}?group=LONG",
        f"{SAE}/compare?features=3,LONG", f"{SAE}/3?embed=LONG", f"{SAE}/3?group=LONG",
        f"{SAE}/3/figure.svg?panel=LONG", "/-/static/0/LONG.css",
    ],
)  # fmt: skip
def test_what_was_sent_is_repeated_in_part(client: TestClient, address: str) -> None:
    for n in (80, 3000):
        url = address.replace("LONG", "x" * n)
        error = client.get(url, headers={"accept": "application/json"}).json()["error"]
        assert "x" * 60 not in error


@pytest.mark.parametrize("place", PLACES, ids=str)
@pytest.mark.parametrize("mode", ["fires", "summaries", "examples"])
def test_a_forged_place_in_a_search_is_refused(
    client: TestClient, mode: str, place: list[object]
) -> None:
    answer = client.get(f"/-/search.json?q=self&mode={mode}&size=1").json()
    token = answer["next"]
    assert token, "the search needs a second page for this test to say anything"
    answer = client.get(f"/-/search?q=self&mode={mode}&size=1&next={_forged(token, place)}")
    assert answer.status_code == 400
    assert "Start again without" in answer.text


def test_no_place_is_infinite() -> None:
    token = encode_cursor([0.1, float("inf")], ["list"])
    with pytest.raises(BadCursor, match="damaged"):
        decode_cursor(token, ["list"])


def test_an_atlas_damaged_inside_is_said_in_a_sentence(
    make_client: MakeClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = build_synthetic_atlas(tmp_path / "atlas.db", n_features=40, saes=("resid-2-1k",))
    client = make_client(path)
    written = bytearray(path.read_bytes())
    written[len(written) // 4 :] = b"\xff" * (len(written) - len(written) // 4)
    path.write_bytes(written)
    answer = client.get(f"{SAE}/3")
    assert answer.status_code == 503
    assert "damaged" in answer.text
    command = ["feature-atlas", "export", "feature", str(path), f"{SAE[1:]}/3"]
    monkeypatch.setattr("sys.argv", [*command, str(tmp_path / "f")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code not in (0, None)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert re.search("damaged|not an atlas|not a whole atlas|no dictionar", said)


def _forged(token: str, place: list[object]) -> str:
    fingerprint = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))[0]
    text = json.dumps([fingerprint, *place]).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")
