"""The whole flow of pages and forms with the notebook in PostgreSQL."""

import pytest

from tests.web.notebook.conftest import FEATURE, MakePerson


def test_two_servers_share_one_notebook(make_person: MakePerson, postgres_place: str) -> None:
    one, other = make_person(notebook=postgres_place), make_person(notebook=postgres_place)
    assert one.send(f"{FEATURE}/labels", text="opens classes", reading="class").status_code == 303
    assert one.send(f"{FEATURE}/notes", text="**so** \u202e").status_code == 303
    assert one.send(f"{FEATURE}/star", starred="true").status_code == 303
    assert one.send(f"{FEATURE}/lists", title="Python", remark="see").status_code == 303
    notebook = other.json(f"{FEATURE}.json")["notebook"]
    assert (notebook["label"], len(notebook["notes"])) == ("opens classes", 1)
    url = f"/-/notebook/label/{notebook['labels'][0]['uid']}"
    assert other.send(url, version=1, text="by the other").status_code == 303
    told = one.send(url, version=1, text="by the one")
    assert told.status_code == 409 and "by the other" in told.text and "by the one" in told.text
    for has in ("label", "note", "star"):
        assert one.json(f"/synthetic/resid-2-1k.json?has={has}")["n_matching"] == 1, has
    found = one.json("/-/search.json?q=has:label+other")["results"]
    assert [hit["feature_index"] for hit in found] == [3]
    assert one.json("/-/lists/python.json")["features"][0]["remark"] == "see"


@pytest.mark.parametrize(
    "name", ["%00", "a%00b", "%ff%fe", "0" * 65, "0" * 10_000, "'%3B--", "%2E"]
)
def test_names_no_database_takes_are_not_there(
    make_person: MakePerson, postgres_place: str, name: str
) -> None:
    """PostgreSQL refuses a text with U+0000 in it: asked for as a name, that is a 404 like any."""
    person = make_person(notebook=postgres_place)
    addresses = ["/-/lists", "/-/shares", "/-/open"]
    addresses += [f"/-/notebook/{kind}" for kind in ("label", "note", "list", "entry")]
    for address in addresses:
        assert person.get(f"{address}/{name}").status_code == 404, address
    for address in (f"/-/notebook/label/{name}/withdraw", f"/-/shares/{name}/revoke"):
        assert person.send(address, version=1).status_code == 404, address
    form = {"text": "a\0b", "title": "a\0b", "remark": "a\0b", "slug": "a\0b", "reading": "a\0b"}
    for form_name in ("labels", "notes", "lists"):
        assert person.send(f"{FEATURE}/{form_name}", **form).status_code == 400, form_name
    assert person.send("/-/shares", address=f"{FEATURE}?reading=a\0b", days=1).status_code == 303
    assert person.get(f"{FEATURE}?has=label&reading=%00").status_code == 400
