"""Pages that ask the model, over a real process with a tiny model; and pages without one."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, quote_plus

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.types import Message

from app.access.viewer import Viewer
from app.live.protocol import AblationAnswer, ActivationsAnswer, SteerAnswer, TopAnswer
from app.settings import Settings
from app.web.dependencies import viewer_of
from app.web.factory import create_app
from app.web.pages.live.packed_text import pack_text
from tests.live.made import MLP, RESID, Made

TEXT = " def first (items) return items[0]"
FEATURE = f"/{RESID}/3"


@pytest.fixture(scope="module")
def live_app(live_atlas: Made) -> Iterator[FastAPI]:
    app = create_app(
        Settings(
            atlas=live_atlas.atlas,
            notebook="off",
            live=True,
            live_model=str(live_atlas.model),
            live_saes=live_atlas.saes,
            live_device="cpu",
            live_tokens=32,
            live_waiting=200,
            requests_per_second=0,
        )
    )
    yield app
    app.state.live.close()


@pytest.fixture(scope="module")
def live(live_app: FastAPI) -> TestClient:
    return TestClient(live_app, base_url="http://127.0.0.1", follow_redirects=False)


def text_address(text: str = TEXT, **more: Any) -> str:
    return str(httpx.URL(f"{FEATURE}/live", params={"text": pack_text(text), **more}))


def test_a_form_leads_to_an_address_that_can_be_kept(live: TestClient) -> None:
    answer = live.get(f"{FEATURE}/live", params={"plain": "def\r\nfirst"})
    assert answer.status_code == 303
    packed = pack_text("def\nfirst")
    assert answer.headers["location"] == f"{FEATURE}/live?text={packed}"


def test_the_page_and_its_twin_say_the_same(live: TestClient) -> None:
    twin = live.get(text_address().replace("/live?", "/live.json?")).json()
    read = ActivationsAnswer(**twin["activations"])
    page = live.get(text_address()).text
    shown = re.findall(r'<a href="[^"]*position=(\d+)"[^>]*>(.*?)</a>', page, re.S)
    texts = [unescape(re.sub("<[^>]*>", "", inner)) for _, inner in shown]
    assert texts == read.tokens
    assert "".join(read.tokens[1:]) == TEXT
    firing = [i for i, value in enumerate(read.features[0].activations) if value > 0]
    coloured = re.findall(r'position=(\d+)" class="[^"]*heat-\d', page)
    assert [int(i) for i in coloured] == firing
    assert twin["measured"] is None


def test_where_it_fires_nowhere_the_nearest_token_is_looked_at(live: TestClient) -> None:
    dead = f"/{RESID}/23/live"  # never fires
    twin = live.get(f"{dead}.json?text={pack_text(TEXT)}").json()
    hidden_pre = twin["activations"]["features"][0]["hidden_pre"]
    nearest = max(range(1, len(hidden_pre)), key=hidden_pre.__getitem__)
    page = live.get(f"{dead}?text={pack_text(TEXT)}&measure=ablation").text
    assert "It does not fire on this text. It comes nearest" in page
    assert f"at position {nearest}</h3>" in page
    assert "there is no activation to lose" in page and "live-lines" not in page


def test_nothing_typed_is_a_page_with_a_form(live: TestClient) -> None:
    page = live.get(f"{FEATURE}/live")
    assert page.status_code == 200
    assert "<textarea" in page.text and "live-sentence" not in page.text


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ("ablation", "what deleting each token does"),
        ("context", "tokens kept before it"),
        ("blocks", "Contiguous blocks"),
        ("pairs", "either suffices"),
        ("minimal", "Shortest end"),
    ],
)
def test_a_token_is_taken_apart(live: TestClient, measure: str, said: str) -> None:
    strongest = live.get(text_address().replace("/live?", "/live.json?")).json()
    assert max(strongest["activations"]["features"][0]["activations"]) > 0
    page = live.get(text_address(measure=measure))
    assert page.status_code == 200
    assert said in page.text
    twin = live.get(text_address(measure=measure).replace("/live?", "/live.json?")).json()
    measured = AblationAnswer(**twin["measured"])
    assert getattr(measured, measure) is not None
    asked = {"text": TEXT, "sae": RESID, "feature_index": 3, "measures": [measure]}
    posted = live.post("/-/live/ablation.json", json=asked).json()
    assert posted.pop("ok") is True
    assert AblationAnswer(**posted) == measured


def test_a_stored_example_can_be_taken_apart(live: TestClient) -> None:
    page = live.get(f"{FEATURE}?group=interval").text
    (link, *_) = re.findall(r'href="([^"]*/live\?context=[^"]*)"', page)
    assert live.get(unescape(link)).status_code == 200


def test_what_fires_on_a_text(live: TestClient) -> None:
    address = f"/-/live/top?text={pack_text(TEXT)}&start=2&stop=4"
    page = live.get(address)
    twin = live.get(address.replace("top?", "top.json?")).json()
    found = TopAnswer(**twin["answer"])
    assert page.status_code == 200
    assert f"{found.n_firing} features fire on positions 2 to 3" in page.text
    rows = re.findall(r'aria-label="the text on feature (\d+)"', page.text)
    assert [int(i) for i in rows] == [item.feature_index for item in found.features]
    one = live.get("/-/live/top", params={"text": pack_text(TEXT), "sae": MLP, "sort": "rarity"})
    assert f">{RESID}</a>" not in one.text.split("<tbody>")[1]


def test_steering_side_by_side(live: TestClient) -> None:
    view = {"text": pack_text(TEXT), "change": f"{RESID}/3:add:5", "n_tokens": 5, "seed": 2}
    page = live.get("/-/live/steer", params=view)
    found = SteerAnswer(**live.get("/-/live/steer.json", params=view).json()["answer"])
    assert page.status_code == 200
    written = re.findall(r"<small>(−?[\d.]+)</small><small>(−?[\d.]+)</small>", page.text)
    expected = [
        tuple(f"{value:.2f}".replace("-", "−") for value in (item.log_prob, item.steered_log_prob))
        for item in (*found.plain, *found.steered)
    ]
    assert written == expected
    assert "seed=3" in page.text
    body = {
        "text": TEXT,
        "changes": [{"sae": RESID, "feature_index": 3, "how": "add", "strength": 5}],
        "n_tokens": 5,
        "seed": 2,
    }
    posted = live.post("/-/live/steer.json", json=body).json()
    assert SteerAnswer(**{k: v for k, v in posted.items() if k != "ok"}) == found


def test_a_text_too_long_says_so_and_keeps_what_was_typed(live: TestClient) -> None:
    text = "def first " * 20
    page = live.get(text_address(text))
    assert page.status_code == 413
    assert "the model takes: shorten it" in page.text or "is the limit here" in page.text
    assert "def first def first" in page.text  # the form still holds it
    twin = live.get(text_address(text).replace("/live?", "/live.json?"))
    assert twin.status_code == 413
    assert twin.json()["error"].endswith("shorten it.")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("activations", {"sae": "tiny/other", "features": [1], "text": "a"}, 404),
        ("activations", {"sae": RESID, "features": [99], "text": "a"}, 404),
        ("activations", {"sae": RESID, "features": [], "text": "a"}, 400),
        ("activations", {"sae": RESID, "features": [1]}, 400),
        ("activations", {"sae": RESID, "features": [1], "text": "a", "tokens": 3}, 400),
        ("ablation", {"sae": RESID, "feature_index": 1, "text": "a", "position": 9}, 400),
        ("top", {"saes": [RESID], "text": "a", "start": 3, "stop": 2}, 400),
        ("steer", {"text": "a", "changes": []}, 400),
        ("top", {"saes": [RESID], "text": "half \ud800"}, 400),
        ("top", {"saes": [RESID], "text": "a", "max_density": float("nan")}, 400),
    ],
)
def test_what_is_wrong_with_a_body_is_a_sentence(
    live: TestClient, path: str, body: dict[str, Any], status: int
) -> None:
    sent = json.dumps(body)  # as it is: a careful client would refuse some of them
    answer = live.post(
        f"/-/live/{path}.json", content=sent, headers={"content-type": "application/json"}
    )
    assert answer.status_code == status
    assert answer.json()["ok"] is False
    assert answer.json()["error"].endswith(".")


def test_the_openapi_description_names_bodies_and_answers(live: TestClient) -> None:
    described = live.get("/-/openapi.json").json()
    for kind in ("activations", "ablation", "top", "steer"):
        said = described["paths"][f"/-/live/{kind}.json"]["post"]
        assert "$ref" in json.dumps(said["requestBody"])
        assert "$ref" in json.dumps(said["responses"]["200"])
    page = live.get("/-/docs").text
    assert "POST /-/live/activations.json" in page and "n_predictions" in page


def test_200_clients_at_once(live_app: FastAPI) -> None:
    """Each gets the answer to its own text; the event loop waits for none of them."""
    texts = [" first" * (i % 9) + " xyz" * (i % 4) + " of" for i in range(200)]

    async def ask_all() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=live_app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            bodies = [{"text": text, "sae": RESID, "features": [i % 24]}
                      for i, text in enumerate(texts)]  # fmt: skip
            return await asyncio.gather(
                *(client.post("/-/live/activations.json", json=body, timeout=120)
                  for body in bodies)
            )  # fmt: skip

    answers = asyncio.run(ask_all())
    assert [answer.status_code for answer in answers] == [200] * 200
    for i, answer in enumerate(answers):
        assert "".join(answer.json()["tokens"][1:]) == texts[i]
        assert answer.json()["features"][0]["feature_index"] == i % 24
    assert live_app.state.live.n_pending == 0


def test_a_client_that_vanishes_frees_its_place(live_app: FastAPI) -> None:
    body = json.dumps(
        {"text": "def", "changes": [{"sae": RESID, "feature_index": 1, "strength": 1}]}
    ).encode()
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/-/live/steer.json",
        "raw_path": b"/-/live/steer.json",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
        "asgi": {"version": "3.0"},
    }

    async def vanish() -> int:
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Message:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            pass

        await live_app(scope, receive, send)
        return live_app.state.live.n_pending

    started = time.monotonic()
    assert [asyncio.run(vanish()) for _ in range(5)] == [0] * 5
    assert time.monotonic() - started < 60


def test_a_page_is_not_asked_for_twice(live: TestClient) -> None:
    first = live.get(text_address())
    again = live.get(text_address(), headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304


def test_the_feature_page_has_the_panel(live: TestClient) -> None:
    page = live.get(FEATURE).text
    assert f'<form class="live-form" action="{FEATURE}/live" data-live="panel">' in page


def test_without_a_model_one_line_says_how_to_get_it(client: TestClient) -> None:
    page = client.get("/synthetic/resid-2-1k/3").text
    assert "live-form" not in page and "/live" not in page.replace("/live.css", "")
    assert page.count("feature-atlas serve ATLAS --live") == 2, "in the menu and in its place"
    for path in ("/synthetic/resid-2-1k/3/live", "/-/live/top", "/-/live/steer.json"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert "--live" in answer.text
    assert client.post("/-/live/top.json", json={"saes": ["a/b"], "text": "a"}).status_code == 404


def test_a_key_for_one_dictionary_asks_about_no_other(live_app: FastAPI) -> None:
    limited = Viewer("guest", "read", tuple(RESID.split("/")))  # type: ignore[arg-type]
    live_app.dependency_overrides[viewer_of] = lambda: limited
    client = TestClient(live_app, base_url="http://127.0.0.1")
    body = {"text": "a", "saes": [MLP]}
    assert client.post("/-/live/top.json", json=body).status_code == 404
    assert client.get(f"/{MLP}/3/live").status_code == 404
    found = client.get("/-/live/top.json", params={"text": pack_text(TEXT)}).json()
    assert {item["sae"] for item in found["answer"]["features"]} == {RESID}
    live_app.dependency_overrides.clear()


def test_rows_of_the_form_become_changes_of_the_address(live: TestClient) -> None:
    rows = [("sae", RESID), ("feature", "3"), ("how", "add"), ("strength", "2.5"),
            ("sae", MLP), ("feature", "1"), ("how", "clamp"), ("strength", "-0"),
            ("sae", MLP), ("feature", ""), ("how", "add"), ("strength", "")]  # fmt: skip
    sent = live.get(
        "/-/live/steer", params=[("plain", " def"), ("change", f"{RESID}/2:add:1"), *rows]
    )
    assert sent.status_code == 303
    kept = [("text", pack_text(" def")), *(("change", one) for one in (
        f"{RESID}/2:add:1", f"{RESID}/3:add:2.5", f"{MLP}/1:clamp:-0"))]  # fmt: skip
    assert parse_qsl(sent.headers["location"].partition("?")[2]) == kept
    page = live.get(sent.headers["location"]).text
    shown = re.findall(r'name="(?:feature|strength)"[^>]* value="([^"]*)"', page)
    assert shown == ["2", "1.0", "3", "2.5", "1", "-0.0", "", ""]
    assert re.findall(r'name="sae">.*?selected>([^<]*)<', page) == [RESID, RESID, MLP, MLP]
    begun = live.get("/-/live/steer", params=rows[8:])
    assert begun.headers["location"] == "/-/live/steer"


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (("x", "add", ""), "strength of feature x is missing"),
        (("x", "add", "1"), "is no change of a feature"),
        (("3", "push", "1"), "is no change of a feature"),
        (("3", "add", "much"), "is no change of a feature"),
        (("99999", "add", "1"), "has no feature 99999"),
    ],
)
def test_a_row_that_cannot_be_read_is_a_sentence(
    live: TestClient, row: tuple[str, str, str], sentence: str
) -> None:
    names = dict(zip(("feature", "how", "strength"), row, strict=True))
    answer = live.get(
        "/-/live/steer", params={"plain": "a", "sae": RESID, **names}, follow_redirects=True
    )
    assert answer.status_code in (400, 404)
    assert sentence in unescape(answer.text)


def test_features_are_called_by_their_labels(
    live_app: FastAPI, live_atlas: Made, tmp_path: Path
) -> None:
    app = create_app(Settings(atlas=live_atlas.atlas, notebook=str(tmp_path / "notebook.db")))
    app.state.live = live_app.state.live
    client = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
    own, top = text_address(TEXT), f"/-/live/top?text={pack_text(TEXT)}"
    steer = f"/-/live/steer?text={pack_text(TEXT)}&change={RESID}/3:add:1&n_tokens=2"
    before = {url: client.get(url).headers["etag"] for url in (own, top, steer)}
    token = re.search(r'name="same_site" value="([^"]+)"', client.get(FEATURE).text)
    assert token is not None
    form = {"same_site": token[1], "text": "called by a label"}
    assert client.post(f"{FEATURE}/labels", data=form).status_code == 303
    for url, etag in before.items():
        page = client.get(url, headers={"if-none-match": etag})
        assert page.status_code == 200, "what it is called is another page"
        assert "“<bdi>called by a label</bdi>”" in page.text, url
        again = client.get(url, headers={"if-none-match": page.headers["etag"]})
        assert again.status_code == 304, url


def test_every_page_leads_to_the_model_where_there_is_one(live: TestClient) -> None:
    for url in ("/", f"/{RESID}", "/-/search?q=self", FEATURE):
        page = live.get(url).text
        assert page.count('href="/-/live/top') >= 2 - (url == "/"), url
        assert "serve ATLAS --live" not in page, url
    assert f'href="/-/live/top?sae={quote_plus(RESID)}"' in live.get(f"/{RESID}").text
    assert '<a href="#live">Your text</a>' in live.get(FEATURE).text
    assert 'action="/-/live/top"' in live.get("/").text
    searched = live.get("/-/search", params={"q": "def first", "sae": RESID}).text
    assert f"/-/live/top?plain=def+first&amp;sae={quote_plus(RESID)}" in searched
