"""Every route of the application has a class here: who gets what by it is tested, one by one.

A new route fails the first test until somebody decided who may ask it.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.notebook import labels, lists, notes
from app.notebook.database import writing
from app.notebook.records import Subject
from app.web.pages.studies.ways import STUDY_PAGES

from .conftest import OTHER, SAE, Atlas, share, token_of
from .test_limited_key import _routes

OPEN, ALL, ONE, LINKS, ASK, WRITE, WRITE_LIST = (
    "open",
    "all",
    "one",
    "links",
    "ask",
    "write",
    "list",
)
"""Anybody; whoever reads; of one dictionary; whoever writes; a question to the model; writing about
a feature; writing about lists and links"""

GETS = {
    "/-/health": OPEN,
    "/-/static/{version}/{name:path}": OPEN,
    "/-/open/{text}": OPEN,
    "/-/openapi.json": ALL,
    "/": ALL,
    "/index.json": ALL,
    "/-/shares/{share_id:name}.json": LINKS,
    "/{model}/{sae}/random": ONE,
    "/{model}/{sae}/card.png": ONE,
    "/{model}/{sae}/features.{kind}": ONE,
    "/{model}/{sae}/points.json": ONE,
    "/{model}/{sae}/points/{feature_index:number}.json": ONE,
    "/{model}/{sae}/{feature_index:number}/card.png": ONE,
    "/{model}/{sae}/{feature_index:number}/figure.svg": ONE,
    "/{model}/{sae}/{feature_index:number}/page.html": ONE,
    "/-/suggest.json": ALL,
}
TWINNED = {
    "/-/docs": ALL,
    "/-/search": ALL,
    "/-/lists": ALL,
    "/-/lists/{slug:name}": ALL,
    "/-/notebook/{kind}/{uid:name}": ALL,
    "/-/live/top": ALL,
    "/-/live/steer": ALL,
    "/-/shares": LINKS,
    "/-/shares/{share_id:name}": LINKS,
    "/{model}/{sae}": ONE,
    "/{model}/{sae}/map": ONE,
    "/{model}/{sae}/compare": ONE,
    "/{model}/{sae}/context/{context_id:number}": ONE,
    "/{model}/{sae}/{feature_index:number}": ONE,
    "/{model}/{sae}/{feature_index:number}/live": ONE,
    "/{model}/{sae}/{feature_index:number}/connections": ONE,
    **{f"/{{model}}/{{sae}}/{page.name}": ONE for page in STUDY_PAGES},
}
POSTS = {
    "/-/live/activations.json": ASK,
    "/-/live/ablation.json": ASK,
    "/-/live/top.json": ASK,
    "/-/live/steer.json": ASK,
    "/-/shares": WRITE_LIST,
    "/-/shares/{share_id:name}/revoke": WRITE_LIST,
    "/-/lists": WRITE_LIST,
    "/-/notebook/{kind}/{uid:name}": WRITE,
    "/-/notebook/{kind}/{uid:name}/withdraw": WRITE,
    "/-/notebook/{kind}/{uid:name}/restore": WRITE,
    "/-/notebook/label/{uid:name}/show": WRITE,
    "/{model}/{sae}/{feature_index:number}/labels": WRITE,
    "/{model}/{sae}/{feature_index:number}/notes": WRITE,
    "/{model}/{sae}/{feature_index:number}/star": WRITE,
    "/{model}/{sae}/{feature_index:number}/lists": WRITE,
}
CLASSES = (
    {("GET", path): kind for path, kind in GETS.items()}
    | {("GET", path): kind for path, kind in TWINNED.items()}
    | {("GET", f"{path}.json"): kind for path, kind in TWINNED.items()}
    | {("POST", path): kind for path, kind in POSTS.items()}
)

SHARED = {
    "feature": (f"{SAE}/3", (
        "/{model}/{sae}/{feature_index:number}", "/{model}/{sae}/{feature_index:number}.json",
        "/{model}/{sae}/{feature_index:number}/card.png",
        "/{model}/{sae}/{feature_index:number}/figure.svg",
        "/{model}/{sae}/{feature_index:number}/page.html",
    )),
    "comparison": (f"{SAE}/compare?features=3,17", (
        "/{model}/{sae}/compare", "/{model}/{sae}/compare.json",
    )),
    "list": (SAE, (
        "/{model}/{sae}", "/{model}/{sae}.json", "/{model}/{sae}/features.{kind}",
        "/{model}/{sae}/card.png", "/{model}/{sae}/points.json",
    )),
    "notebook": ("/-/lists/ours", ("/-/lists/{slug:name}", "/-/lists/{slug:name}.json")),
}  # fmt: skip
"""What is shared, and the only routes such a link opens (each for that one thing alone)"""
ARGUMENTS = {"/compare": "features=3,17", "/figure.svg": "panel=activation"}


@dataclass
class There:
    """What the paths are filled with: things of the notebook about feature 3 of a dictionary."""

    atlas: Atlas
    sae: str
    uids: dict[str, str] = field(default_factory=dict)
    slug: str = "ours"

    def fill(self, path: str) -> str:
        """An address of a route, about what is there."""
        label = self.uids["label"]
        words = {"model": "synthetic", "sae": self.sae, "feature_index": "3", "context_id": "5",
                 "kind": "csv" if "features." in path else "label", "uid": label,
                 "slug": self.slug, "share_id": "0" * 16, "text": "no.link",
                 "version": "0", "name": "css/base.css"}  # fmt: skip
        filled = re.sub(r"\{(\w+)(:\w+)?\}", lambda found: words[found[1]], path)
        asked = [more for part, more in ARGUMENTS.items() if part in filled]
        return "?".join([filled, *asked])


def _written(atlas: Atlas, sae: str, slug: str) -> There:
    about = Subject("synthetic", sae, 3, "hash")
    with writing(atlas.notebook) as pen:
        label = labels.add_label(pen, about, "Ada", f"about {sae}")
        notes.add_note(pen, about, "Ada", "text")
        made = lists.add_list(pen, "Ada", slug)
        lists.add_entry(pen, made, about, "Ada")
    return There(atlas, sae, {"label": label.uid, "list": made.uid}, made.slug)


@pytest.fixture
def here(locked: Atlas) -> There:
    return _written(locked, SAE.split("/")[2], "ours")


@pytest.fixture
def there(locked: Atlas) -> There:
    return _written(locked, OTHER.split("/")[2], "theirs")


def _all_routes(app: Any) -> set[tuple[str, str]]:
    return {
        (method, route.path)
        for route in _routes(app.routes)
        for method in set(route.methods or ()) - {"HEAD"}
    }


def test_every_route_has_a_class(locked: Atlas) -> None:
    assert _all_routes(locked.app) == set(CLASSES)


def _ask(
    who: TestClient, method: str, address: str, token: str = "", content: str = "seen=0&version=1"
) -> int:
    if method == "GET":
        return who.get(address).status_code
    form = {"content-type": "application/x-www-form-urlencoded", "x-same-site": token}
    if address.endswith(".json"):
        form = {"content-type": "application/json"}
        content = '{"text": "a", "sae": "synthetic/resid-2-1k", "saes": ["synthetic/resid-2-1k"]}'
    return who.post(address, content=content, headers=form).status_code


def test_nobody_gets_what_is_not_open_to_all(here: There) -> None:
    for (method, path), kind in CLASSES.items():
        status = _ask(here.atlas.visitor(), method, here.fill(path))
        assert (status == 401) == (kind != OPEN), (method, path, status)


@pytest.mark.parametrize("kind", SHARED)
def test_a_link_opens_its_own_routes_and_no_other(here: There, there: There, kind: str) -> None:
    address, opened = SHARED[kind]
    guest = here.atlas.visitor()
    assert guest.get(share(here.atlas.signed_in(), address)).status_code == 303
    for (method, path), of in CLASSES.items():
        wanted = method == "GET" and path in opened
        asked = here.fill(path)
        if kind == "list":
            asked = asked.partition("?")[0]
        status = _ask(guest, method, asked)
        if of == OPEN:
            assert status != 401
        else:
            assert (status == 200) == wanted and (wanted or status == 401), (method, path, status)
            if wanted and kind != "notebook":
                assert _ask(guest, method, there.fill(path)) == 401, path


def test_a_limited_reader_reads_one_dictionary_and_writes_nothing(
    here: There, there: There
) -> None:
    reader = here.atlas.signed_in("Rita", "read", dictionary=("synthetic", here.sae))
    token = token_of(here.atlas.signed_in("Ada"), f"{SAE}/3")
    for (method, path), kind in CLASSES.items():
        mine, theirs = (_ask(reader, method, one.fill(path), token) for one in (here, there))
        where = (method, path, mine, theirs)
        if kind == ONE:
            names = ("live", "matches", "connections")
            alone = tuple(f"/{name}{twin}" for name in names for twin in ("", ".json"))
            assert mine in (200, 303) or (mine == 404 and path.endswith(alone)), where
            assert theirs == 404, where
        elif kind in (ALL, ASK):
            by_thing = "{uid" in path or "{slug" in path
            assert mine in (200, 400, 404) and (not by_thing or (mine, theirs) == (200, 404)), where
        elif kind != OPEN:
            assert mine == 403 and theirs in (403, 404), where


def test_a_reader_writes_nothing_even_with_a_token_of_their_own(here: There) -> None:
    """The pages of a reader carry no token; it is made of what they have, so they could have it."""
    key_id, text = here.atlas.key("Rita", "read")
    header = {"authorization": f"Bearer {text}"}
    for (method, path), kind in CLASSES.items():
        if kind in (WRITE, WRITE_LIST):
            form = {"seen": "0", "version": "1", "title": "mine", "address": f"{SAE}/3"}
            answer = here.atlas.visitor().post(here.fill(path), data=form, headers=header)
            assert answer.status_code == 403, (method, path)
    assert key_id


def test_a_limited_writer_writes_about_one_dictionary(here: There, there: There) -> None:
    writer = here.atlas.signed_in("Will", "write", dictionary=("synthetic", here.sae))
    token = token_of(writer, f"{SAE}/3")
    written = 0
    for (method, path), kind in CLASSES.items():
        if kind != WRITE:
            continue
        content = "version=1&seen=0&text=a+text&title=t"
        theirs = _ask(writer, method, there.fill(path), token, content)
        mine = _ask(writer, method, here.fill(path), token, content)
        assert theirs == 404, (path, theirs)
        assert mine in (303, 400, 409), (path, mine)
        written += mine == 303
    assert written >= 5


def test_what_lies_under_a_dash_is_no_dictionary(locked: Atlas) -> None:
    """`/-/open/…` and static files are open to all: no page may answer in their place."""
    raised = locked.visitor(raise_server_exceptions=False)
    asked = 0
    for method, path in CLASSES:
        if not path.startswith("/{model}/{sae}"):
            continue
        for own in ("/-/open", "/-/static", "/-/health"):
            address = re.sub(r"\{\w+:number\}", "0", path).replace("/{model}/{sae}", own)
            address = address.replace("{kind}", "csv")
            status = _ask(raised, method, address)
            assert status in (401, 403, 404, 405) or address == "/-/health", (
                method,
                address,
                status,
            )
            asked += 1
    assert asked > 30
