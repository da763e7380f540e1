"""The whole flow of pages and forms with the notebook in PostgreSQL."""

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
