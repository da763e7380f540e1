"""Puts names of what is there into generated requests, so that they get past the first 404.

Takes the parts of a request and changes them in place, in most of the places and by a seed, so that
the rest still asks for what isn't there. Knows no schemathesis.
"""

from random import Random
from typing import Any

from app.access.shares import list_shares, read_secret, sign
from app.notebook import labels
from app.notebook.things import get_thing
from app.web.pages.live.packed_text import pack_text
from tests.live.made import MLP, RESID
from tests.web.openapi.world import World

N_FEATURES = 24
TEXTS = (" def first(items)", " of", " return items[0]\n  # the", "é \u202e 😀", " xyz" * 40, "")
READINGS = ("first", "first -items", '"def first"', "re:f.rst", "first within 3 before items", "(")
WORDS = ("first", "def", "#3", "resid#3", "de*", '"the first"', "first -def", "·of", "has:label")
WRITTEN = (
    "a word",
    "<script>alert(1)</script>",
    "\u202eabc\u200f\n# x",
    "[a](javascript:b)",
    "…" * 60,
    "",
)
ADDRESSES = (f"/{RESID}/3", f"/{RESID}/3?reading=first", f"/{MLP}/compare?features=3,7",
             f"/{RESID}?density=0..1", "/", "//evil.example", f"/{RESID}/99")  # fmt: skip
SOME = 0.85
"""Share of the requests that name what is there, in each place they name something"""


class Names:
    """Puts names of what is there where a generated request names something."""

    def __init__(self, world: World, path: str, seed: int) -> None:
        self._world = world
        self._path = path
        self._random = Random(f"{path} {seed}")
        labels_only = "/label/" in path
        things = [thing for thing in world.things if not labels_only or thing[0] == "label"]
        self._kind, self._uid = self._one(things)

    def path(self, given: dict[str, Any]) -> None:
        """Of the path; a number stays within the dictionary, or where it was."""
        there = {
            "model": "tiny",
            "sae": self._one(("resid", "mlp")),
            "kind": self._kind if "{uid}" in self._path else "",
            "uid": self._uid,
            "slug": self._one(("of-tiny-resid", "of-tiny-mlp")),
            "share_id": self._share().partition(".")[0],
            "text": self._share(),
        }
        if not self._likely():
            return
        for name in given:
            if there.get(name):
                given[name] = there[name]
        for name, most in (("feature_index", N_FEATURES), ("context_id", 8)):
            if isinstance(given.get(name), int):
                given[name] %= most

    def query(self, given: dict[str, Any]) -> None:
        """Of the query string."""
        choices: dict[str, Any] = {
            "sae": (RESID, MLP), "q": WORDS, "reading": READINGS, "top_token": WORDS,
            "contains": WORDS, "text": tuple(map(pack_text, TEXTS)), "plain": TEXTS,
            "features": ("3,7", "1,2,3", "0,23,5,7"), "band": ("0..1", "0.1..", "..50%"),
            "change": [[f"{RESID}/3:add:5"], [f"{MLP}/1:clamp:2", f"{RESID}/0:add:-1e3"]],
            "token": [["3"], ["5", "7"]], "feature": range(N_FEATURES), "position": range(12),
            "context": range(8), "start": range(4), "stop": range(3, 9),
        }  # fmt: skip
        for name in given:
            if name in choices and self._likely():
                given[name] = self._one(choices[name])
        if "next" in given:
            # A place binds the list it is a place of: with any other argument it is another one.
            given.clear()
            own = self._world.next_tokens
            is_search = "search" in self._path
            token = own["/-/search" if is_search else f"/{RESID}"]
            given |= {"next": token} | ({"q": "first", "mode": "fires"} if is_search else {})

    def form(self, given: dict[str, Any]) -> None:
        """Of the fields of a form."""
        thing = self._thing()
        there = {
            "version": thing.version,
            "seen": self._seen(thing) if self._kind == "label" else None,
            "slug": self._one(("of-tiny-resid", "")),
            "address": self._one(ADDRESSES),
            "text": self._one(WRITTEN),
            "title": self._one(WRITTEN),
            "remark": self._one(WRITTEN),
            "reading": self._one(READINGS[:4]),
        }
        for name in given:
            if there.get(name) is not None and self._likely():
                given[name] = there[name]

    def body(self, given: dict[str, Any]) -> None:
        """Of a question to the model."""
        if "text" in given and self._likely():
            given["text"] = self._one(TEXTS)
        if isinstance(given.get("token_ids"), list) and self._likely():
            given["token_ids"] = [0, *(self._below(one, 280) for one in given["token_ids"][:30])]
        for part in (given, *(given.get("changes") or ())):
            if not isinstance(part, dict):
                continue
            if "sae" in part and self._likely():
                part["sae"] = self._one((RESID, MLP))
            if "feature_index" in part and self._likely():
                part["feature_index"] = self._below(part["feature_index"], N_FEATURES)
        if isinstance(given.get("saes"), list) and self._likely():
            given["saes"] = self._one(([RESID], [RESID, MLP]))
        if isinstance(given.get("features"), list) and self._likely():
            given["features"] = [self._below(item, N_FEATURES) for item in given["features"]]
        for name, least in (("at", 0), ("position", 1), ("start", 0), ("stop", 3)):
            if isinstance(given.get(name), int) and self._likely():
                given[name] = least + given[name] % 2

    def _thing(self) -> Any:
        with self._world.notebook.connect() as connection:
            return get_thing(connection, self._kind, self._uid)

    def _seen(self, thing: Any) -> int:
        with self._world.notebook.connect() as connection:
            about = thing.model, thing.sae, thing.feature_index
            return labels.shown_of(connection, *about).version

    def _share(self) -> str:
        with self._world.notebook.connect() as connection:
            secret = read_secret(connection)
        ids = [share.share_id for share in list_shares(self._world.notebook)]
        return sign(secret, self._one(ids))

    def _below(self, value: Any, most: int) -> Any:
        return value % most if isinstance(value, int) else value

    def _likely(self) -> bool:
        return self._random.random() < SOME

    def _one(self, choices: Any) -> Any:
        return self._random.choice(choices)
