"""Labels by plain forms: where they stand, what they keep, who is told what."""

import html
import re
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from tests.web.notebook.conftest import FEATURE, MakePerson, Person


def _label(person: Person, text: str, **more: str) -> dict[str, Any]:
    answer = person.send(f"{FEATURE}/labels", text=text, **more)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{FEATURE}#notebook")
    found = person.json(f"{FEATURE}.json")["notebook"]["labels"]
    return next(label for label in found if label["text"] == text)


def test_nothing_is_written_by_looking(person: Person, make_person: MakePerson) -> None:
    assert "label it" in person.get(FEATURE).text
    place = person.client.app.state.atlas_file.path.with_suffix(".notebook.db")  # type: ignore[attr-defined]
    assert not place.exists()
    _label(person, "mine")
    assert place.exists()


def test_a_label_stands_wherever_its_feature_is_named(person: Person) -> None:
    before = person.get(FEATURE).headers["etag"]
    _label(person, "opens “classes”")
    page = person.get(FEATURE)
    assert page.headers["etag"] != before
    head = page.text.split('class="page-head"')[1].split("<dl")[0]
    assert "“<bdi>opens “classes”</bdi>”" in head
    for url in (
        "/synthetic/resid-2-1k?feature_index=3",
        "/synthetic/resid-2-1k/compare?features=3,4",
        "/-/search?q=has:label",
        "/synthetic/resid-2-1k?has=label",
        "/synthetic/resid-2-1k?contains=CLASSES",
    ):
        assert "opens “classes”" in html.unescape(person.get(url).text), url
    found = html.unescape(person.get("/-/search?q=classes").text)
    assert "opens “<mark>classes</mark>”" in found
    base = "/synthetic/resid-2-1k"
    assert person.json(f"{base}/points/3.json")["label"] == "opens “classes”"
    rows = person.json(f"{base}.json?feature_index=3,4")["features"]
    labels = {row["feature_index"]: row["label"] for row in rows}
    assert labels == {3: "opens “classes”", 4: None}
    assert person.json(f"{FEATURE}.json")["notebook"]["label"] == "opens “classes”"
    assert '"opens ""' not in person.get(f"{base}/features.csv").text
    assert "opens “classes”" in person.get(f"{base}/features.csv?has=label").text


def test_a_page_in_hand_is_fresh_until_somebody_writes(person: Person) -> None:
    _label(person, "one")
    etag = person.get(FEATURE).headers["etag"]
    again = person.client.get(FEATURE, headers={"if-none-match": etag})
    assert again.status_code == 304
    _label(person, "two")
    changed = person.client.get(FEATURE, headers={"if-none-match": etag})
    assert changed.status_code == 200


def test_a_label_keeps_its_reading_and_how_it_did(person: Person) -> None:
    twin = person.json(f"{FEATURE}.json")
    reading = f'"{twin["token_statistics"][0]["token"]}"'
    tested = person.json(f"{FEATURE}.json?reading={quote(reading)}")["reading"]
    label = _label(person, "its strongest token", reading=reading)
    evidence = label["evidence"]
    assert (label["reading"], evidence["n_both"] > 0) == (reading, True)
    for name in ("precision", "recall", "f1", "n_tokens", "n_says_yes", "n_fires", "n_both"):
        assert evidence[name] == tested[name], name
    page = html.unescape(person.get(FEATURE).text)
    assert page.count("activation explained") >= 2, "in the head and among the labels"
    assert f"reading={quote_plus(reading)}#reading" in page
    kept = person.send(f"/-/notebook/label/{label['uid']}", version=1, text="t", reading=reading)
    assert kept.status_code == 303
    assert person.json(f"{FEATURE}.json")["notebook"]["labels"][0]["evidence"] == evidence
    person.send(f"/-/notebook/label/{label['uid']}", version=2, text="t", reading="not .")
    changed = person.json(f"{FEATURE}.json")["notebook"]["labels"][0]["evidence"]
    assert changed["n_says_yes"] != evidence["n_says_yes"]


def test_a_reading_that_cannot_be_read_loses_no_text(person: Person) -> None:
    answer = person.send(f"{FEATURE}/labels", text="my words", reading="((")
    assert answer.status_code == 400
    assert "The reading can&#39;t be tested" in answer.text
    assert 'value="my words"' in answer.text and 'value="(("' in answer.text
    assert person.json(f"{FEATURE}.json")["notebook"]["labels"] == []


def test_the_second_editor_sees_both_texts(person: Person) -> None:
    uid = _label(person, "draft")["uid"]
    url = f"/-/notebook/label/{uid}"
    assert person.send(url, version=1, text="hers").status_code == 303
    told = person.send(url, version=1, text="<i>theirs</i>")
    assert told.status_code == 409
    assert "changed this label while you were writing" in told.text
    assert '<p class="theirs" dir="auto">hers</p>' in told.text
    assert 'value="&lt;i&gt;theirs&lt;/i&gt;"' in told.text
    assert 'name="version" value="2"' in told.text
    assert person.send(url, version=2, text="<i>theirs</i>").status_code == 303
    history = person.json(f"{url}.json")["history"]
    assert [one["record"]["text"] for one in history] == ["<i>theirs</i>", "hers", "draft"]
    page = person.get(url).text
    assert "hers" in page and "draft" in page and "<i>theirs" not in page


def test_several_labels_stand_side_by_side_and_one_is_chosen(person: Person) -> None:
    first = _label(person, "first")
    _label(person, "second")
    assert person.json(f"{FEATURE}.json")["notebook"]["label"] == "second"
    url = f"/-/notebook/label/{first['uid']}/show"
    assert person.send(url, seen=0).status_code == 303
    notebook = person.json(f"{FEATURE}.json")["notebook"]
    assert (notebook["label"], [one["chosen"] for one in notebook["labels"]]) == (
        "first",
        [True, False],
    )
    late = person.send(url, seen=0, chosen="false")
    assert late.status_code == 409 and "Somebody chose" in late.text
    assert person.send(url, seen=1, chosen="false").status_code == 303
    assert person.json(f"{FEATURE}.json")["notebook"]["label"] == "second"


def test_a_withdrawn_label_names_nothing_and_can_come_back(person: Person) -> None:
    uid = _label(person, "wrong")["uid"]
    url = f"/-/notebook/label/{uid}"
    assert person.send(f"{url}/withdraw", version=1).headers["location"] == url
    assert person.json(f"{FEATURE}.json")["notebook"]["labels"] == []
    assert "Restore it" in person.get(url).text
    assert person.json("/synthetic/resid-2-1k.json?has=label")["n_matching"] == 0
    assert person.send(f"{url}/restore", version=2).status_code == 303
    assert person.json(f"{FEATURE}.json")["notebook"]["label"] == "wrong"


def test_has_label_in_the_search_box(person: Person) -> None:
    _label(person, "opens classes")
    person.send("/synthetic/resid-1-1k/5/labels", text="closes classes")
    found = person.json("/-/search.json?q=has:label")
    assert found["mode"] == "labels"
    assert [(one["sae"], one["feature_index"]) for one in found["results"]] == [
        ("resid-2-1k", 3),
        ("resid-1-1k", 5),
    ]
    only = person.json("/-/search.json?q=has:label+clos*")["results"]
    assert [one["label"] for one in only] == ["closes classes"]
    none = person.json("/-/search.json?q=has:label+nothing")["results"]
    assert none == []
    page = person.get("/-/search?q=classes&mode=labels")
    assert page.status_code == 200 and "Labels say" in page.text
    paged = person.json("/-/search.json?q=has:label&size=1")
    following = person.json(paged["next_url"])["results"]
    assert [one["sae"] for one in following] == ["resid-1-1k"]


def test_a_label_of_another_dictionary_is_shown_as_such(
    person: Person, make_person: MakePerson
) -> None:
    _label(person, "of old")
    other = make_person()
    memory = other.client.app.state  # type: ignore[attr-defined]
    atlas = memory.atlas_file.current()
    sae = memory.memory.get(atlas.build_id).saes(atlas)["synthetic/resid-2-1k"]
    object.__setattr__(sae.record, "weights_hash", "rebuilt")
    page = other.get(FEATURE).text
    assert "Written about another dictionary of this name" in page
    assert "label it" in page
    assert other.json(f"{FEATURE}.json")["notebook"]["label"] is None
    assert other.json("/synthetic/resid-2-1k.json?has=label")["n_matching"] == 0


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/-/notebook/label/none", 404),
        ("/-/notebook/bird/none", 404),
        ("/-/lists/none", 404),
        ("/synthetic/resid-2-1k/999/labels", 405),
        ("/-/notebook/label/none/show", 405),
    ],
)
def test_what_is_not_there_is_a_sentence(person: Person, url: str, status: int) -> None:
    answer = person.get(url)
    assert answer.status_code == status
    assert re.search(r'<p class="lede">[^<]+\.', answer.text)


def test_a_form_from_elsewhere_writes_nothing(person: Person) -> None:
    answer = person.client.post(f"{FEATURE}/labels", data={"text": "from elsewhere"})
    assert answer.status_code == 403
    assert person.json(f"{FEATURE}.json")["notebook"]["labels"] == []


def test_an_old_page_can_still_write_after_the_notebook_was_made(person: Person) -> None:
    found = re.search(r'name="same_site" value="([^"]+)"', person.get(FEATURE).text)
    assert found is not None
    _label(person, "first")
    old = {"same_site": found[1], "text": "from the page opened before"}
    assert person.client.post(f"{FEATURE}/labels", data=old).status_code == 303


def test_without_a_notebook_there_is_none(make_person: MakePerson) -> None:
    person = make_person(notebook="off")
    page = person.get(FEATURE)
    assert page.status_code == 200
    assert 'id="notebook"' not in page.text and "Label it" not in page.text
    assert person.get("/-/lists").status_code == 404
    assert person.json(f"{FEATURE}.json")["notebook"]["labels"] == []


def test_who_may_only_read_sees_labels_and_no_form(make_person: MakePerson, person: Person) -> None:
    _label(person, "for all to see")
    reader = make_person(host="0.0.0.0", public=True, allowed_hosts=("127.0.0.1",))
    page = reader.get(FEATURE).text
    assert "for all to see" in page
    assert '<form method="post"' not in page
    answer = reader.client.post(f"{FEATURE}/labels", data={"text": "no"})
    assert answer.status_code == 403
