"""The log of a real server: who wrote what, and no key in any shape, traces included."""

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from app.access.keys import cookie_of, create_key
from app.notebook.database import open_notebook
from app.web.log import BLANK, KeylessFormatter

KEY = "a key/of sixteen+letters"
SAE = "/synthetic/resid-2-1k"
_PROGRAM = """
import sys
from fastapi import Request
from app.web import serve as server

made = server.create_app

def create_app(settings):
    app = made(settings)
    @app.get("/-/broken/now")
    def broken(request: Request):
        said = f"{request.url} {dict(request.headers)} {request.cookies}"
        raise RuntimeError(said + " " + str(request.scope["query_string"]))
    return app

server.create_app = create_app
from pathlib import Path
server.serve(Path(sys.argv[1]), port=0, access_key=sys.argv[2], notebook=sys.argv[3])
"""


class Running:
    """A server in a process of its own, its log in a file."""

    def __init__(self, atlas: Path, notebook: str, log: Path) -> None:
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(atlas), KEY, notebook], stderr=file
            )

    def url(self) -> str:
        """Where it is, from what it says when it starts."""
        while self.process.poll() is None:
            if found := re.search(r"http://127\.0\.0\.1:\d+", self.log.read_text()):
                return found[0]
        raise AssertionError(self.log.read_text())

    def end(self) -> str:
        """All it logged after it said where it is."""
        self.process.terminate()
        self.process.wait(timeout=20)
        return self.log.read_text().split("Ctrl-C ends the server.\n", 1)[1]


@pytest.fixture
def running(atlas_path: Path, tmp_path: Path) -> Iterator[Running]:
    server = Running(atlas_path, str(tmp_path / "notebook.db"), tmp_path / "log")
    yield server
    server.process.kill()
    server.process.wait(timeout=20)


def test_who_wrote_what_and_no_key(running: Running, tmp_path: Path) -> None:
    notebook = open_notebook(str(tmp_path / "notebook.db"))
    key, token = create_key(notebook, "Ada Lovelace", "write")
    url = running.url()
    alone = {"connection": "close"}  # after a mistake of ours the server hangs up
    bearer = {"authorization": f"Bearer {token}", **alone}
    with httpx.Client(base_url=url, headers=alone) as browser:
        for good in (KEY, token):
            browser.get("/", params={"key": good})
            browser.get("/-/broken/now", params={"key": good})
            browser.get("/-/broken/now")
        page = browser.get(f"{SAE}/3").text
        form = {
            "address": f"{SAE}/3",
            "same_site": re.findall(r'same_site" value="(\w+)"', page)[0],
        }
        made = browser.post("/-/shares", params={"key": "x", "note": token}, data=form)
        made = browser.post("/-/shares", params={"note": token}, data=form)
        assert made.status_code == 303, made.text
        link = browser.get(f"{made.headers['location']}.json").json()["link"].rpartition("/")[2]
        browser.get(f"/-/open/{link}")
        browser.get("/-/broken/now")
        browser.get(f"/-/broken/now?{token}&{link}")
        browser.post("/-/shares", data={**form, "same_site": "wrong"})
    with httpx.Client(base_url=url, headers=bearer) as program:
        program.get("/-/broken/now")
        program.post("/-/shares", data={"address": f"{SAE}/3"})
        program.get("/-/broken/now", headers={"x-other": token, "cookie": f"a={cookie_of(token)}"})
    log = running.end()
    notebook.dispose()
    assert log.count("RuntimeError") >= 5, "the log has the traces"
    for secret in (KEY, quote(KEY, safe=""), quote(KEY), token, token[3:], cookie_of(token),
                   cookie_of(KEY), link.partition(".")[2]):  # fmt: skip
        assert secret not in log
    lines = [line for line in log.splitlines() if "feature_atlas.writes" in line]
    who = f"Ada Lovelace (write, key {key.key_id}) from 127.0.0.1: POST /-/shares"
    assert [line.partition("writes: ")[2] for line in lines] == [
        f"{who} 303", f"{who} 403", f"{who} 303",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "said",
    [
        "fa_" + "a" * 43, "x fa_" + "A-_9" * 11, "cookie: feature-atlas-1=" + "0f" * 32,
        "GET /-/open/" + "0" * 16 + "." + "a" * 43, "GET /?key=whatever&x=1", "Bearer abc.def",
        f"{KEY} {quote(KEY, safe='')}",
    ],
)  # fmt: skip
def test_whatever_looks_like_one_is_blanked(said: str) -> None:
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "%s", (said,), None)
    text = KeylessFormatter(KEY).format(record)
    assert BLANK in text
    for part in ("aaaa", "A-_9", "0f0f", "whatever", "abc.def", "sixteen"):
        assert part not in text


def test_the_rest_is_left_alone() -> None:
    said = "Ada (write, key 1a2b3c4d) from ::1: POST /synthetic/resid-2-1k/3/labels 303"
    record = logging.LogRecord("x", logging.INFO, "f", 1, said, (), None)
    assert KeylessFormatter(KEY).format(record).endswith(said)
