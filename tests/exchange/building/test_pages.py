"""Every page of an imported atlas answers, holds nothing but numbers where numbers stand, and says
what it lacks.
"""

import re
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.exchange.building.run import Order, import_files
from app.settings import Settings
from app.web.factory import create_app
from tests.exchange.saedashboard_batches import write_batches

SAE = "/gpt2-small/8-res-jb"
HELD = [0, 1, 2, 3, 5, 6, 7, 40]
DEAD = 2


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = tmp_path_factory.mktemp("imported")
    batches = write_batches(folder / "gpt2", HELD, dead=(DEAD,))
    assert [*import_files(Order("saedashboard", batches, folder / "atlas.db"))]
    app = create_app(Settings(atlas=folder / "atlas.db"))
    yield TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)


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
    "/-/search?q=def+self", "/-/search?q=%2340", "/-/docs",
    f"{SAE}/1?example=top-1", f"{SAE}/1?group=silent&example=silent-1",
    *(f"{SAE}/{i}{view}" for i in (1, DEAD, 40) for view in FEATURE_VIEWS),
)  # fmt: skip
WRONG = re.compile(r"\bnan\b|\bNaN\b|\bNone\b(?! of)|\binf\b|\bUndefined\b|-1 \(|−1 tokens")


@pytest.mark.parametrize("address", PAGES)
def test_page_answers_and_holds_only_numbers(client: TestClient, address: str) -> None:
    answer = client.get(address)
    if answer.status_code == 303:
        answer = client.get(answer.headers["location"])
    assert answer.status_code == 200, answer.text
    assert WRONG.search(re.sub(r"(?s)<(style|script).*?</\1>", "", answer.text)) is None
