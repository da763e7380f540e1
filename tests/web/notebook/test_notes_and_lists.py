"""Notes, stars and lists by plain forms; hostile and huge texts; a database that fails."""

import re

import pytest

from app.notebook import lists
from app.notebook.database import writing
from app.notebook.records import Subject
from tests.web.notebook.conftest import FEATURE, MakePerson, Person

_HOSTILE = "<script>alert(1)</script> [x](javascript:alert(1)) ‮gnp.exe‬ \"'><img src=x onerror=y>"


def test_a_note_is_markdown_that_cannot_do_anything(person: Person) -> None:
    assert person.send(f"{FEATURE}/notes", text=f"# Title\n\n*so* {_HOSTILE}").status_code == 303
    page = person.get(FEATURE).text
    written = page.split('<div class="prose"')[1].split("</div>")[0]
    assert "<h3>Title</h3>" in written and "<em>so</em>" in written
    assert not re.search(r"<(?!/?(h3|em|p|a)\b)", written)
    assert "javascript:alert" not in re.sub(r">[^<]*<", "><", written)
    assert "‮gnp.exe‬" in written


@pytest.mark.parametrize(
    ("form", "fields", "kept"),
    [
        ("labels", {"text": _HOSTILE}, "label"),
        ("lists", {"title": _HOSTILE, "remark": _HOSTILE}, "list"),
    ],
)
def test_hostile_texts_are_texts_wherever_they_stand(
    person: Person, form: str, fields: dict[str, str], kept: str
) -> None:
    assert person.send(f"{FEATURE}/{form}", **fields).status_code == 303
    lists = person.json("/-/lists.json")["lists"]
    urls = [FEATURE, "/synthetic/resid-2-1k?has=label", "/-/search?q=alert", "/-/lists"]
    urls += [f"/-/lists/{one['slug']}" for one in lists]
    for url in urls:
        page = person.get(url).text
        assert "<script>alert" not in page and "<img" not in page, url
    assert kept in ("label", "list")


def test_a_megabyte_of_markdown_is_refused_in_a_clear_word(person: Person) -> None:
    answer = person.send(f"{FEATURE}/notes", text="*a* " * 2**18)
    assert answer.status_code == 400
    assert "A field of this form is longer than 1 MB: nothing was saved." in answer.text
    long = person.send(f"{FEATURE}/notes", text="*a* " * 20_000)
    assert long.status_code == 400
    assert "A note has at most 50,000 characters; this one has 79,999." in long.text
    assert "*a* " * 19_999 in long.text, "what was typed is still in its field"
    assert person.json(f"{FEATURE}.json")["notebook"]["notes"] == []


def test_a_long_note_is_linked_to_and_whole_on_its_own_page(person: Person) -> None:
    text = "word " * 4_000
    assert person.send(f"{FEATURE}/notes", text=text).status_code == 303
    page = person.get(FEATURE).text
    assert "Read this note of 19,999 characters" in page
    assert len(page) < 150_000
    uid = person.json(f"{FEATURE}.json")["notebook"]["notes"][0]["uid"]
    whole = person.get(f"/-/notebook/note/{uid}").text
    assert whole.count("word ") >= 4_000 - 1


def test_a_note_that_two_changed_shows_both(person: Person) -> None:
    person.send(f"{FEATURE}/notes", text="draft")
    uid = person.json(f"{FEATURE}.json")["notebook"]["notes"][0]["uid"]
    url = f"/-/notebook/note/{uid}"
    assert person.send(url, version=1, text="hers\nand more").status_code == 303
    told = person.send(url, version=1, text="\n\ntheirs")
    assert told.status_code == 409
    assert "hers\nand more</p>" in told.text
    assert re.search(r"<textarea[^>]*>\n\n\ntheirs</textarea>", told.text)


def test_stars_are_on_the_readers_own_page(person: Person) -> None:
    assert "None. The star" in person.get("/-/lists").text
    person.send(f"{FEATURE}/star", starred="true")
    assert 'aria-pressed="true"' in person.get(FEATURE).text
    stars = person.json("/-/lists.json")["stars"]
    assert [star["feature_index"] for star in stars] == [3]
    assert person.json("/synthetic/resid-2-1k.json?has=star")["n_matching"] == 1
    person.send(f"{FEATURE}/star", starred="false")
    assert person.json("/-/lists.json")["stars"] == []


def test_a_list_has_an_address_and_a_remark_on_each_feature(person: Person) -> None:
    assert person.send(f"{FEATURE}/lists", title="For *Python*", remark="self").status_code == 303
    person.send("/synthetic/resid-1-1k/5/lists", slug="for-python", remark="other")
    listed = person.json("/-/lists/for-python.json")
    assert listed["title"] == "For *Python*"
    assert [(f["sae"], f["feature_index"], f["remark"]) for f in listed["features"]] == [
        ("resid-2-1k", 3, "self"),
        ("resid-1-1k", 5, "other"),
    ]
    assert all(f["short"] and f["state"] is None for f in listed["features"])
    page = person.get("/-/lists/for-python").text
    assert f'href="{FEATURE}"' in page and "other" in page
    assert "For *Python*" in person.get(FEATURE).text
    uid = listed["features"][0]["uid"]
    edit = f"/-/notebook/entry/{uid}"
    assert person.send(edit, version=1, remark="better").headers["location"] == (
        "/-/lists/for-python"
    )
    assert person.send(f"{edit}/withdraw", version=2).status_code == 303
    assert len(person.json("/-/lists/for-python.json")["features"]) == 1


def test_a_list_is_renamed_and_keeps_its_address(person: Person) -> None:
    made = person.send("/-/lists", page="/-/lists", title="First name", text="why")
    assert made.headers["location"] == "/-/lists/first-name"
    uid = person.json("/-/lists/first-name.json")["uid"]
    changed = person.send(f"/-/notebook/list/{uid}", version=1, title="Second", text="**why**")
    assert changed.headers["location"] == "/-/lists/first-name"
    page = person.get("/-/lists/first-name").text
    assert "<bdi>Second</bdi>" in page and "<strong>why</strong>" in page
    empty = person.send("/-/lists", page="/-/lists", title=" ", text="kept words")
    assert empty.status_code == 400 and "kept words" in empty.text
    nowhere = person.send(f"{FEATURE}/lists", remark="where to?")
    assert nowhere.status_code == 400 and "where to?" in nowhere.text


def test_a_feature_of_a_dictionary_that_is_gone_stays_on_its_list(person: Person) -> None:
    person.send(f"{FEATURE}/lists", title="Old")
    notebook = person.client.app.state.notebook  # type: ignore[attr-defined]
    with writing(notebook) as connection:
        connection.exec_driver_sql("UPDATE list_entry SET sae = 'gone'")
    listed = person.json("/-/lists/old.json")["features"]
    assert listed[0]["state"] == "its dictionary is not in this atlas"
    assert "synthetic/gone" in person.get("/-/lists/old").text


def test_a_full_disk_is_a_sentence_and_the_text_is_still_there(person: Person) -> None:
    person.send(f"{FEATURE}/star", starred="true")
    notebook = person.client.app.state.notebook  # type: ignore[attr-defined]
    notebook.dispose()
    with writing(notebook) as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    long = "words that took an hour " * 1_000
    answer = person.send(f"{FEATURE}/notes", text=long)
    assert answer.status_code == 503
    assert "disk of the notebook is full" in answer.text
    assert "words that took an hour" in answer.text
    assert person.get(FEATURE).status_code == 200


def test_an_atlas_is_shown_though_its_notebook_is_damaged(person: Person) -> None:
    person.send(f"{FEATURE}/labels", text="somewhere")
    notebook = person.client.app.state.notebook  # type: ignore[attr-defined]
    notebook.dispose()
    place = person.client.app.state.atlas_file.path.with_suffix(".notebook.db")  # type: ignore[attr-defined]
    for path in place.parent.glob(f"{place.name}-*"):
        path.unlink()
    place.write_bytes(b"no database " * 1_000)
    page = person.get("/synthetic/resid-2-1k")
    assert page.status_code in (200, 503)


def test_names_are_read_again_only_where_something_changed(
    person: Person, make_person: MakePerson
) -> None:
    for index in (3, 4, 5):
        person.send(f"/synthetic/resid-2-1k/{index}/labels", text=f"label {index}")
    other = make_person()
    url = "/synthetic/resid-2-1k.json?has=label"
    assert person.json(url)["n_matching"] == other.json(url)["n_matching"] == 3
    person.send("/synthetic/resid-2-1k/6/labels", text="label 6")
    rows = other.json(url)["features"]
    assert {row["feature_index"]: row["label"] for row in rows} == {
        index: f"label {index}" for index in (3, 4, 5, 6)
    }


def test_a_long_list_is_shown_page_by_page(person: Person) -> None:
    notebook = person.client.app.state.notebook  # type: ignore[attr-defined]
    person.send("/-/lists", page="/-/lists", title="Long")
    with writing(notebook) as pen:
        one = lists.find_list(pen, "long")
        for index in range(450):
            about = Subject("synthetic", "resid-2-1k", index, "another dictionary")
            lists.add_entry(pen, one, about, "Ada", f"remark {index}")
    listed = person.json("/-/lists/long.json")["features"]
    assert len(listed) == 450
    shown: list[str] = []
    url = "/-/lists/long"
    while url:
        page = person.get(url).text
        shown += re.findall(r'class="remark">remark (\d+)<', page)
        following = re.search(r'href="([^"]*)" rel="next"', page)
        url = following[1] if following else ""
    assert shown == [one["remark"].removeprefix("remark ") for one in listed]
    first, last = person.get("/-/lists/long").text, person.get("/-/lists/long?start=400").text
    assert "1 to 200 of 450" in first and 'rel="prev"' not in first
    assert "401 to 450 of 450" in last and 'href="/-/lists/long?start=200" rel="prev"' in last
    assert person.get("/-/lists/long?start=1000").text.count('class="remark"') == 200
    assert person.get("/-/lists/long?start=-1").status_code == 400


def test_the_title_of_a_list_there_is_names_it(person: Person) -> None:
    person.send(f"{FEATURE}/lists", title="One  list", remark="first")
    person.send("/synthetic/resid-2-1k/4/lists", title="One list", remark="second")
    [only] = person.json("/-/lists.json")["lists"]
    assert (only["slug"], only["n_features"]) == ("one-list", 2)
    person.send("/-/lists", page="/-/lists", title="One list")  # a second one, on purpose
    person.send("/synthetic/resid-2-1k/5/lists", title="One list")
    found = {one["slug"]: one["n_features"] for one in person.json("/-/lists.json")["lists"]}
    assert found == {"one-list": 2, "one-list-2": 0, "one-list-3": 1}, "of two, neither is meant"


def test_lists_to_choose_from_are_those_changed_last(person: Person) -> None:
    notebook = person.client.app.state.notebook  # type: ignore[attr-defined]
    person.send(f"{FEATURE}/notes", text="the notebook begins")
    with writing(notebook) as pen:
        for number in range(50):
            lists.add_list(pen, "Ada", f"List {number}")
    page = person.get(FEATURE).text
    offered = re.findall(r'<option value="list-(\d+)">', page)
    assert len(offered) == 40 and len(set(offered)) == 40
    assert len(page.encode()) < 150_000
