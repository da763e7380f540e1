"""What people wrote is text wherever it stands: pages, twins, files, drawings, previews.

Scripts, quotes that would end an attribute, marks that turn the direction of what follows, formulas
of spreadsheets and a megabyte of Markdown, in every field there is; then every page that shows one.
"""

import csv
import html
import io
import re
import time
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from fastapi.testclient import TestClient

from app.access.keys import create_key
from app.notebook import labels
from app.notebook.database import writing
from tests.web.notebook.conftest import FEATURE, MakePerson, Person

SAE = "/synthetic/resid-2-1k"
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"
QUOTES = "\"'`><svg/onload=alert(3)>{{7*7}}${7*7}</title></textarea></style>-->]]>"
TURNED = "a\u202egnp.exe\u2066b\u200f"
FORMULA = '=HYPERLINK("https://evil.example","x")'
MARKDOWN = "[x](javascript:alert(4)) <b onclick=alert(5)>b</b> ![i](https://evil.example/i.png)"
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"}
FIELDS = [
    ("labels", "text"), ("labels", "reading"), ("notes", "text"), ("lists", "title"),
    ("lists", "remark"),
]  # fmt: skip


class Checked(HTMLParser):
    """Reads a page as a browser would, and keeps what is wrong with it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.wrong: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.wrong.append(f"<{tag} {name}={value!r}>")
            if name in ("href", "src", "action", "formaction"):
                said = (value or "").strip().lower()
                if re.match(r"[a-z]+:", said) and not said.startswith(
                    ("http://", "https://", "mailto:")
                ):
                    self.wrong.append(f"<{tag} {name}={value!r}>")
        if tag == "script" and not (given.get("src") or given.get("type") == "application/json"):
            self.wrong.append("a script in the page")
        if tag in ("img", "iframe", "object", "embed", "style"):
            self.wrong.append(f"<{tag}>")
        if tag == "base" and "href" in given:
            self.wrong.append("<base href>")
        if tag not in VOID:
            self.open.append((tag, given))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        """What turns the text behind it must stand by itself, or in a field."""
        if not re.search("[\u202a-\u202e\u2066-\u2069\u200f]", data):
            return
        isolated = any(
            tag in ("bdi", "textarea") or "dir" in given or given.get("type") == "application/json"
            for tag, given in self.open
        )
        if not isolated:
            where = " ".join(tag for tag, _ in self.open)
            self.wrong.append(f"{data.strip()!r} turns what stands beside it in {where}")


def _check(page: str) -> list[str]:
    checked = Checked()
    checked.feed(page)
    checked.close()
    return checked.wrong


def test_the_check_finds_what_it_looks_for() -> None:
    for bad in ("<script>x</script>", "<p onclick=x>", '<a href=" javascript:x">', "<img src=x>",
                f"<p>{TURNED}</p>", "<base href=//x>"):  # fmt: skip
        assert _check(bad), bad
    for good in (f"<p><bdi>{TURNED}</bdi></p>", "<script src=/x></script>", html.escape(SCRIPT)):
        assert not _check(good), good


def _write_everywhere(person: Person, text: str) -> dict[str, str]:
    """The text in every field of every form; gives the uid of each kind of thing."""
    sent = [("labels", {"text": text}), ("notes", {"text": text}),
            ("lists", {"title": text, "remark": text})]  # fmt: skip
    for form, fields in sent:
        assert person.send(f"{FEATURE}/{form}", **fields).status_code == 303, form
    made = person.send("/-/lists", page="/-/lists", title=f"second {text}", text=text)
    assert made.status_code == 303
    assert person.send(f"{FEATURE}/star", starred="true").status_code == 303
    notebook = person.json(f"{FEATURE}.json")["notebook"]
    every = person.json("/-/lists.json")["lists"]
    uids = {kind: notebook[f"{kind}s"][0]["uid"] for kind in ("label", "note")}
    uids["list"] = every[0]["uid"]
    for kind, uid in uids.items():  # a history of two versions, the first withdrawn and restored
        url = f"/-/notebook/{kind}/{uid}"
        assert person.send(f"{url}/withdraw", version=1).status_code == 303
        assert person.send(f"{url}/restore", version=2).status_code == 303
    slugs = {f"slug{i}": one["slug"] for i, one in enumerate(every)}
    return uids | slugs


def _pages(uids: dict[str, str]) -> list[str]:
    lists = [f"/-/lists/{slug}" for name, slug in uids.items() if name.startswith("slug")]
    things = [
        f"/-/notebook/{kind}/{uid}" for kind, uid in uids.items() if not kind.startswith("slug")
    ]
    return [
        FEATURE, f"{FEATURE}?embed=summary,facts,related", f"{FEATURE}/page.html",
        f"{SAE}?has=label", f"{SAE}?contains=a", f"{SAE}/compare?features=3,4",
        f"{SAE}/map?feature=3", f"{SAE}/context/5?feature=3", "/-/search?q=has:label", SAE,
        "/-/search?q=%233", "/-/search?q=a&mode=labels", "/-/lists", "/", *lists, *things,
    ]  # fmt: skip


TEXTS = pytest.mark.parametrize(
    "text",
    [SCRIPT, QUOTES, TURNED, FORMULA, MARKDOWN],
    ids=["script", "quotes", "marks", "formula", "markdown"],
)


@TEXTS
def test_it_is_text_on_every_page(person: Person, text: str) -> None:
    uids = _write_everywhere(person, text)
    shown, wrong = 0, {}
    for url in _pages(uids):
        page = person.get(url)
        assert page.status_code in (200, 303), (url, page.status_code)
        wrong[url] = [
            one for one in _check(page.text) if one != "<style>" or "page.html" not in url
        ]
        shown += text in html.unescape(page.text)
    assert {url: found for url, found in wrong.items() if found} == {}
    assert shown >= 8, "the pages that are to show it do"
    for url in _pages(uids):
        told = re.findall(
            r'<(?:title|meta)[^>]*?(?:>([^<]*)<|content="([^"]*)")', person.get(url).text
        )
        said = "".join(html.unescape(part) for pair in told for part in pair)
        assert not re.search("[\u202a-\u202e\u2066-\u2069\u200f]", said), url


@TEXTS
def test_it_is_exact_in_every_twin_and_file(person: Person, text: str) -> None:
    uids = _write_everywhere(person, text)
    label = " ".join(text.split())
    assert person.json(f"{FEATURE}.json")["notebook"]["label"] == label
    assert person.json(f"{SAE}/points/3.json")["label"] == label
    [row] = person.json(f"{SAE}.json?feature_index=3")["features"]
    assert row["label"] == label
    [row] = person.json(f"{SAE}/features.json?feature_index=3")["features"]
    assert row["label"] == label
    listed = person.json(f"/-/lists/{uids['slug0']}.json")
    assert (listed["title"], listed["features"][0]["remark"]) == (label, text)
    note = person.json(f"/-/notebook/note/{uids['note']}.json")
    assert {one["record"]["text"] for one in note["history"]} == {text}
    table = person.get(f"{SAE}/features.csv?feature_index=3").text
    [row] = csv.DictReader(io.StringIO(table))
    assert row["label"].removeprefix("'") == label
    assert row["label"].startswith("'") == (label[0] in "=+-@'")
    for drawing in (
        f"{FEATURE}/figure.svg?panel=examples",
        f"{FEATURE}/figure.svg?panel=activation",
    ):
        answer = person.get(drawing)
        assert answer.status_code == 200
        assert "\u202e" not in answer.text
        for element in ElementTree.fromstring(answer.text).iter():
            assert not element.tag.endswith("script")
            assert not any(name.startswith("on") for name in element.attrib)
            assert not any("javascript:" in value for value in element.attrib.values())
    assert person.get(f"{FEATURE}/card.png").content.startswith(b"\x89PNG")


@pytest.mark.parametrize(("form", "name"), FIELDS)
@pytest.mark.parametrize("size", [10**6, 2**20 + 1], ids=["1 MB", "above"])
def test_a_megabyte_is_a_clear_word_in_every_field(
    person: Person, form: str, name: str, size: int
) -> None:
    piece = "**[a](b)** `c` > d\n"
    text = (piece * (size // len(piece) + 1))[:size]
    begun = time.process_time()
    answer = person.send(f"{FEATURE}/{form}", **{"text": "x", "title": "x"} | {name: text})
    assert time.process_time() - begun < 10
    assert answer.status_code in (400, 413)
    assert re.search(r"has at most [\d,]+ characters|longer than 1 MB", answer.text)
    notebook = person.json(f"{FEATURE}.json")["notebook"]
    assert (notebook["labels"], notebook["notes"], notebook["lists"]) == ([], [], [])


def test_a_name_that_would_be_markup_is_a_name(make_person: MakePerson) -> None:
    person = make_person()
    notebook = person.client.app.state.notebook  # type: ignore[attr-defined]
    name = f"{QUOTES[:60]}"
    _, token = create_key(notebook, name, "write")
    person.client.get("/", params={"key": token})
    uids = _write_everywhere(person, "plain words")
    person.send("/-/shares", address=FEATURE, days="1")
    for url in ("/-/shares", *(one for one in _pages(uids) if "page.html" not in one)):
        assert _check(person.get(url).text) == [], url
    assert name in html.unescape(person.get(FEATURE).text)


def test_what_another_program_put_there_is_text_as_well(person: Person) -> None:
    """Straight into the tables: labels of a language model, with every field it may fill."""
    person.send(f"{FEATURE}/star", starred="true")
    notebook = person.client.app.state.notebook  # type: ignore[attr-defined]
    _write_everywhere(person, "words")
    with writing(notebook) as connection:
        [label] = labels.labels_of(connection, "synthetic", "resid-2-1k", 3)
        columns = (
            "text",
            "reading",
            "source",
            "explainer",
            "prompt_version",
            "score_kind",
            "author",
        )
        for name in columns:
            connection.exec_driver_sql(f"UPDATE label SET {name} = ?", (SCRIPT + TURNED,))
        connection.exec_driver_sql("UPDATE label SET score = 0.5")
    urls = (FEATURE, f"/-/notebook/label/{label.uid}", SAE, "/-/search?q=alert&mode=labels")
    wrong = {url: _check(person.get(url).text) for url in urls}
    assert {url: found for url, found in wrong.items() if found} == {}


def test_the_check_reads_real_pages(client: TestClient) -> None:
    """Nothing on an ordinary page is taken for an attack."""
    found: list[Any] = [_check(client.get(url).text) for url in ("/", SAE, FEATURE, "/-/docs")]
    assert found == [[], [], [], []]
