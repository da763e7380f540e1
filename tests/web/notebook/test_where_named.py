"""A label names its feature in headings, titles, previews, frames, drawings and menus."""

import html
import re

from tests.web.notebook.conftest import FEATURE, MakePerson, Person

LABEL = "opens a class <b>"
NEIGHBOUR = "its neighbour"


def _called(person: Person, text: str = LABEL, feature: str = FEATURE) -> None:
    assert person.send(f"{feature}/labels", text=text).status_code == 303


def _text(person: Person, url: str) -> str:
    answer = person.get(url)
    assert answer.status_code == 200, url
    return html.unescape(answer.text)


def test_headings_and_titles(person: Person) -> None:
    heading = re.search(r"<h1>(.*?)</h1>", _text(person, FEATURE), re.DOTALL)
    assert heading and "“" not in heading[1]
    _called(person)
    page = _text(person, FEATURE)
    assert f"<h1>“<bdi>{LABEL}</bdi>”</h1>" in page
    assert f"<title>3 · “{LABEL}” · resid-2-1k · Feature Atlas</title>" in page
    tags = dict(re.findall(r'<meta (?:property|name)="([^"]*)" content="([^"]*)">', page))
    assert tags["og:title"] == f"resid-2-1k #3: “{LABEL}”"
    assert tags["description"].startswith(f"“{LABEL}”, says ")
    assert tags["description"].endswith(tags["og:description"].split(". ", 1)[1])
    assert f"<strong>3 · “<bdi>{LABEL}</bdi>”</strong>" in page
    assert 'data-copy-markdown="resid-2-1k #3: “opens a class \\<b\\>”"' in page


def test_a_long_label_is_cut_in_lists_and_whole_in_its_title(person: Person) -> None:
    long = "so many words " * 20
    _called(person, long)
    row = _text(person, "/synthetic/resid-2-1k?has=label").split("<tbody>")[1]
    assert f'<bdi title="{long.strip()}">' in row
    assert re.search(r">so many [^<]{60,90}…</bdi>”</a>", row)
    assert f"<h1 class=long>“<bdi>{long.strip()}</bdi>”</h1>" in _text(person, FEATURE)


def test_frames_and_drawings(make_person: MakePerson) -> None:
    person = make_person(embed_hosts=("wiki.example.org",))
    plain_card = person.get(f"{FEATURE}/card.png").content
    plain_figure = person.get(f"{FEATURE}/figure.svg?panel=examples").text
    _called(person)
    assert f"<h1>“<bdi>{LABEL}</bdi>”</h1>" in _text(person, f"{FEATURE}?embed")
    figure = person.get(f"{FEATURE}/figure.svg?panel=examples").text
    assert "“opens a class &lt;b&gt;” – examples" in figure
    assert figure.count("<rect") == plain_figure.count("<rect"), "only its title is another"
    card = person.get(f"{FEATURE}/card.png").content
    assert card != plain_card
    _called(person, "引发异常")  # the picture's font has none of it
    unreadable = person.get(f"{FEATURE}/card.png").content
    assert unreadable == plain_card, "a row of boxes names nothing"


def test_features_that_are_near_are_called_by_their_labels(person: Person) -> None:
    twin = person.json(f"{FEATURE}.json")
    near = twin["neighbors"][0]["feature_index"]
    _called(person, NEIGHBOUR, f"/synthetic/resid-2-1k/{near}")
    related = _text(person, FEATURE).split('id="related"')[1]
    assert f"“<bdi>{NEIGHBOUR}</bdi>”" in related
    compared = _text(person, f"/synthetic/resid-2-1k/compare?features=3,{near}")
    assert f"“<bdi>{NEIGHBOUR}</bdi>”" in compared


def test_every_page_leads_to_the_notebook_and_says_who_one_is(make_person: MakePerson) -> None:
    person = make_person()
    for url in ("/", "/synthetic/resid-2-1k", FEATURE, "/-/search?q=self", "/-/lists", "/-/docs"):
        menu = _text(person, url).split('class="copy-menu site-menu"')[1].split("</details>")[0]
        assert 'href="/-/lists"' in menu and "q=has%3Alabel" in menu, url
        assert "feature-atlas serve ATLAS --live" in menu and "/-/live" not in menu, url
        assert "You may read and write" in menu and "/-/shares" not in menu, url
    without = _text(make_person(notebook="off"), "/")
    assert "/-/lists" not in without and "Token, phrase or feature number" in without
    public = _text(make_person(public=True), "/").split('class="copy-menu site-menu"')[1]
    assert "Open to all" in public and "You may read." in public


def test_the_first_page_shows_what_was_written(person: Person) -> None:
    assert "Labelled" not in _text(person, "/") and "h-lists" not in _text(person, "/")
    _called(person)
    person.send(f"{FEATURE}/lists", title="Of classes")
    page = _text(person, "/")
    assert 'href="/synthetic/resid-2-1k?has=label#features"' in page
    assert 'href="/-/lists/of-classes"' in page
    saes = person.json("/index.json")["models"][0]["saes"]
    assert [sae["n_labelled"] for sae in saes] == [1, 0]


def test_filters_by_what_was_written_are_offered_once_there_is_something(person: Person) -> None:
    base = "/synthetic/resid-2-1k"
    filters = ("labelled", "with-a-note", "starred")
    assert not any(f'id="set-{name}"' in person.get(base).text for name in filters)
    person.send(f"{FEATURE}/notes", text="a note")
    page = person.get(base).text
    assert all(f'id="set-{name}"' in page for name in filters)
    assert person.json(f"{base}.json?has=note")["n_matching"] == 1


def test_what_names_a_feature_is_fresh_until_somebody_writes(person: Person) -> None:
    drawn = (f"{FEATURE}/figure.svg?panel=activation", f"{FEATURE}/card.png")
    for url in (*drawn, "/-/suggest.json?q=ope", "/", f"{FEATURE}/page.html?labels=yes"):
        etag = person.get(url).headers["etag"]
        again = {"if-none-match": etag}
        assert person.client.get(url, headers=again).status_code == 304, url
        _called(person, f"{LABEL} {url}")
        assert person.client.get(url, headers=again).status_code == 200, url
