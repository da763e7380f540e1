"""What stands behind generated requests: a real atlas with its model, a notebook with things in it.

Also the three who ask: a program with a key, a browser with a cookie and the token of a page, and
somebody with neither.
"""

import re
from dataclasses import dataclass, field

from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.access.keys import cookie_of, create_key
from app.access.shares import create_share
from app.notebook import labels, lists, notes
from app.notebook.database import open_notebook, writing
from app.notebook.records import Kind, Subject
from app.web.same_site import HEADER
from tests.live.made import MLP, RESID

N_SHARES = 100
"""Links that are open at the start; some are revoked on the way"""


@dataclass
class World:
    """An application and what can be asked of it."""

    app: FastAPI
    notebook: Engine
    bearer: dict[str, str]
    """headers of a program whose key may do everything"""
    cookie: dict[str, str]
    """headers of a browser that followed the link of another such key, with its token"""
    things: list[tuple[Kind, str]] = field(default_factory=list)
    """kind and uid of what stands in the notebook from the beginning"""
    next_tokens: dict[str, str] = field(default_factory=dict)
    """of the second page, by address"""

    def visitor(self, number: int) -> tuple[str, dict[str, str]]:
        """Who sends one of the requests: mostly a program, every third a browser."""
        if number % 16 == 15:
            return "nobody", {}
        if number % 3 == 2:
            return "browser", self.cookie
        return "program", self.bearer


def open_world(app: FastAPI, place: str) -> World:
    """Fills the notebook of an application, and signs everybody in."""
    notebook = open_notebook(place)
    _, program = create_key(notebook, "Program", "admin")
    _, person = create_key(notebook, "Ada", "admin")
    things: list[tuple[Kind, str]] = []
    with writing(notebook) as pen:
        for address in (RESID, MLP):
            model, sae = address.split("/")
            about = Subject(model, sae, 3, "hash")
            label = labels.add_label(pen, about, "Ada", "opens a list")
            note = notes.add_note(pen, about, "Ada", "# A note\n\nof two lines")
            made = lists.add_list(pen, "Ada", f"Of {address}", "*text*")
            entry = lists.add_entry(pen, made, about, "Ada", "a remark")
            things.extend((("label", label.uid), ("note", note.uid)))
            things.extend((("list", made.uid), ("entry", entry.uid)))
    for i in range(N_SHARES):
        create_share(notebook, "feature", f"/{RESID}/{i % 24}", ("tiny", "resid"), "Ada", "", 30)
    name = app.state.cookies.key_name
    browser = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
    cookie = {"cookie": f"{name}={cookie_of(person)}"}
    page = browser.get(f"/{RESID}/3", headers=cookie).text
    found = re.search(r'name="same_site" value="([^"]+)"', page)
    assert found is not None
    bearer = {"authorization": f"Bearer {program}"}
    world = World(app, notebook, bearer, {**cookie, HEADER: found[1]}, things)
    for address in (f"/{RESID}.json?size=5", "/-/search.json?q=first&mode=fires&size=2"):
        token = browser.get(address, headers=bearer).json().get("next")
        assert token, address
        world.next_tokens[address.partition(".json")[0]] = token
    return world
