"""Every page of an imported atlas answers, invents no number, and says what it lacks."""

import json
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.errors import AtlasError
from app.exchange.building.run import Order, import_files
from app.live.owner import Owner
from app.settings import Settings
from app.web.export.site import export_site
from app.web.factory import create_app
from tests.exchange.saedashboard_batches import write_batches

SAE = "/gpt2-small/8-res-jb"
HELD = [0, 1, 2, 3, 5, 6, 7, 40]
DEAD = 2


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imported")
    batches = write_batches(folder / "gpt2", HELD, dead=(DEAD,))
    assert [*import_files(Order("saedashboard", batches, folder / "atlas.db"))]
    return folder / "atlas.db"


@pytest.fixture(scope="module")
def client(imported: Path) -> TestClient:
    app = create_app(Settings(atlas=imported))
    return TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)


FEATURE_VIEWS = (
    "", "?group=top", "?group=interval", "?group=quantile", "?group=silent", "?group=near",
    "?ablation=both&effect=hidden_pre", "?layout=wrapped&window=whole", "?mode=raw", "?scale=log",
    "?band=1..3", "?reading=def", "?embed", "?color=example&window=tight",
)  # fmt: skip
PAGES = (
    "/", SAE, f"{SAE}?sort=-max_activation&size=3", f"{SAE}?x=max_logit&y=max_activation",
    f"{SAE}?dead=yes", f"{SAE}?contains=def", f"{SAE}?top_token=def", f"{SAE}?columns=run_length",
    f"{SAE}?feature_index=1..6", f"{SAE}?lives_as=point", f"{SAE}?sort=-run_length",
    f"{SAE}/compare?features=1,3", f"{SAE}/compare?features=1,2", f"{SAE}/context/0",
    f"{SAE}/context/3?position=30&feature=1", "/-/search", "/-/search?q=def",
    "/-/search?q=def&mode=promotes", "/-/search?q=def&mode=examples", "/-/search?q=promotes",
    "/-/search?q=def+self", "/-/search?q=%2340", "/-/docs", f"{SAE}/random",
    f"{SAE}/1?example=top-1", f"{SAE}/1?group=silent&example=silent-1",
    *(f"{SAE}/{i}{view}" for i in (1, DEAD, 40) for view in FEATURE_VIEWS),
    *(f"{SAE}/{i}/page.html" for i in (1, DEAD)),
    *(f"{SAE}/1/figure.svg?panel={panel}" for panel in ("activation", "examples", "logits")),
)  # fmt: skip
WRONG = re.compile(r"\bnan\b|\bNaN\b|\bNone\b(?! of)|\binf\b|\bUndefined\b|-1 \(|−1 tokens")


@pytest.mark.parametrize("address", PAGES)
def test_page_answers_and_holds_only_numbers(client: TestClient, address: str) -> None:
    answer = client.get(address)
    if answer.status_code == 303:
        answer = client.get(answer.headers["location"])
    assert answer.status_code == 200, answer.text
    assert WRONG.search(re.sub(r"(?s)<(style|script).*?</\1>", "", answer.text)) is None


TWINS = (
    "/index.json", f"{SAE}.json", f"{SAE}/1.json", f"{SAE}/{DEAD}.json", f"{SAE}/context/0.json",
    f"{SAE}/compare.json?features=1,3", f"{SAE}/features.json", f"{SAE}/points.json",
    f"{SAE}/points/1.json", "/-/search.json?q=def", "/-/suggest.json?q=def",
)  # fmt: skip


@pytest.mark.parametrize("address", TWINS)
def test_twins_hold_null_and_no_nan(client: TestClient, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    json.loads(answer.text, parse_constant=lambda word: pytest.fail(word))


def test_the_twin_of_a_feature_has_the_keys_of_any_other(client: TestClient) -> None:
    found = client.get(f"{SAE}/1.json").json()
    assert found["statistics"]["n_tokens"] == 40 * 32
    unknown = {name for name, value in found["statistics"].items() if value is None}
    assert {"n_active", "decoder_norm", "run_length", "position_zero_max"} <= unknown
    assert found["imported"]["title"] == "SAEDashboard"
    assert found["corpus"]["first_position"] == 1
    assert found["locality"] is None and found["token_statistics"] == []
    assert {e["group"] for e in found["examples"]} == {"top", "interval", "silent"}
    assert all(e["interval"]["n_active"] is None for e in found["examples"] if e["interval"])


def test_the_index_does_not_offer_what_an_import_cannot(client: TestClient) -> None:
    page = client.get("/").text
    assert "<code>--live</code>" not in page
    assert "Of a dictionary read from other files, what those count." in page
    [entry] = client.get("/index.json").json()["models"]
    assert entry["saes"][0]["quality"]["n_dead"] == 1
    assert '<td class="num">8</td>\n<td class="num">1</td>' in page


def test_pictures_are_drawn(client: TestClient) -> None:
    for address in (f"{SAE}/card.png", f"{SAE}/1/card.png", f"{SAE}/{DEAD}/card.png"):
        assert client.get(address).content.startswith(b"\x89PNG")


def test_numbers_the_source_lacks_are_stepped_over_and_not_found(client: TestClient) -> None:
    page = client.get(f"{SAE}/3").text
    assert f'href="{SAE}/5" rel="next"' in page and f'href="{SAE}/{DEAD}" rel="prev"' in page
    missing = client.get(f"{SAE}/4.json")
    assert missing.status_code == 404
    assert "doesn't hold feature 4: it holds 8 features up to 40" in missing.json()["error"]
    assert "has no feature 41" in client.get(f"{SAE}/41.json").json()["error"]
    assert client.get(f"{SAE}/compare.json?features=1,4").status_code == 404
    drawn = {client.get(f"{SAE}/random").headers["location"] for _ in range(60)}
    assert drawn <= {f"{SAE}/{i}" for i in HELD if i != DEAD}


def test_every_missing_panel_names_its_source(client: TestClient) -> None:
    page = client.get(f"{SAE}/1").text
    for what in (
        "On which tokens it fires, and how often", "The text without single tokens",
        "Runs of firings, distances and positions", "Features of a similar direction",
        "Features that fire on the same tokens",
    ):  # fmt: skip
        assert f"{what}: not in the SAEDashboard files gpt2 that this was read from." in page
    for never in (
        "To try your own text",
        "Not measured in this atlas",
        "precompute",
        "not counted;",
    ):
        assert never not in page
    assert "0 features\n" not in page


def test_the_dictionary_says_where_it_came_from(client: TestClient) -> None:
    page = client.get(SAE).text
    for said in (
        "Where it came from", "SAEDashboard (saedashboard)", "gpt2-small, 8-res-jb",
        "activations at the first position of a context", "densities, rounded to 0.00001",
        "1 feature it skipped, as too rare", "Texts begin at position 1 of their context",
    ):  # fmt: skip
        assert said in page
    assert "L0" not in page and "Whole recipe" not in page


def test_tokens_are_not_ranked_and_the_search_says_so(client: TestClient) -> None:
    page = client.get("/-/search?q=def").text
    assert "aren’t ranked by token" in page and "results-fires" not in page
    assert client.get("/-/search.json?q=def").json()["tokens"][0]["n_occurrences"] is None


@pytest.mark.parametrize(
    "study",
    ["map", "quality", "norms", "pruning", "geometry", "matches", "regions", "effects", "combined",
     "connections", "1/connections"],
)  # fmt: skip
def test_pages_of_studies_say_that_an_import_has_none(client: TestClient, study: str) -> None:
    answer = client.get(f"{SAE}/{study}")
    assert answer.status_code == 404
    assert "was read from the SAEDashboard files gpt2" in answer.text


def test_a_live_model_is_refused_before_anything_is_loaded(
    imported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Owner, "start", None)
    with pytest.raises(AtlasError, match="no dictionary whose weights it knows: they were import"):
        create_app(Settings(atlas=imported, live=True))


def test_a_static_copy_can_be_made(imported: Path, tmp_path: Path) -> None:
    export_site(imported, tmp_path / "site", [], "all", "")
    assert (tmp_path / "site/gpt2-small/8-res-jb/40/index.html").is_file()
    search = (tmp_path / "site/-/search/index.html").read_text()
    assert "rank no features by token" in search and "strongest features" not in search
    names = json.loads((tmp_path / "site/-/site/gpt2-small/8-res-jb/names/0.json").read_text())
    assert names["2"][1] == 0
