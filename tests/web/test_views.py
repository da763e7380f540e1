"""Arguments of an address: known names, known values, else 400 in a sentence."""

import pytest
from fastapi.testclient import TestClient

from app.demo.synthetic.build import MODEL

SAE = f"/{MODEL}/resid-2-1k"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/index.json?x=1", "There is no argument 'x' here: known are none."),
        ("/-/docs.json?x=1", "There is no argument 'x' here: known are none."),
        (f"{SAE}.json?sorted=density", "There is no argument 'sorted' here: known are sort, dens"),
        (f"{SAE}.json?sort=densty", "Can't sort by 'densty': choose one of density"),
        (f"{SAE}.json?density=high", "'high' is not a range: write 0.1%..1%"),
        (f"{SAE}.json?density=2..1", "The range '2..1' holds nothing"),
        (f"{SAE}.json?size=0", "The argument size=0 can't be used"),
        (f"{SAE}.json?size=9999", "The argument size=9999 can't be used"),
        (f"{SAE}.json?dead=perhaps", "The argument dead=perhaps can't be used"),
        (f"{SAE}.json?next=hello", "this `next` token is damaged"),
        ("/-/search.json?q=a&mode=likes", "The argument mode=likes can't be used"),
        ("/-/search.json?query=a", "There is no argument 'query' here: known are q, mode, sae"),
    ],
)
def test_refused_with_a_sentence(client: TestClient, url: str, said: str) -> None:
    answer = client.get(url)
    assert answer.status_code == 400
    assert answer.json()["ok"] is False
    assert said in answer.json()["error"]


@pytest.mark.parametrize("address", [SAE, f"{SAE}/random", "/-/docs"])
def test_the_page_says_the_same(client: TestClient, address: str) -> None:
    answer = client.get(f"{address}?sorted=density")
    assert answer.status_code == 400
    assert "There is no argument &#39;sorted&#39; here" in answer.text


def test_empty_form_fields_are_the_defaults(client: TestClient) -> None:
    plain = client.get(f"{SAE}.json").json()
    assert (
        client.get(f"{SAE}.json?density=&top_token=&dead=").json()["features"]
        == (plain["features"])
    )
