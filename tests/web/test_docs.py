"""`/-/docs`: every address and argument, without an asset from elsewhere."""

from fastapi.testclient import TestClient


def test_it_names_every_address_and_argument(client: TestClient) -> None:
    page = client.get("/-/docs").text
    for path in ("/{model}/{sae}", "/{model}/{sae}.json", "/index.json", "/-/search.json",
                 "/{model}/{sae}/{feature_index}.json", "/{model}/{sae}/random"):  # fmt: skip
        assert path in page
    for argument in ("sort", "top_token_share", "next", "mode", "ablation"):
        assert f'<th scope="row" class="mono">{argument}</th>' in page


def test_programs_get_openapi(client: TestClient) -> None:
    described = client.get("/-/openapi.json").json()
    names = {p["name"] for p in described["paths"]["/-/search.json"]["get"]["parameters"]}
    assert names == {"q", "mode", "sae", "token", "size", "next"}
