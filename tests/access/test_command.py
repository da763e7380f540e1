"""`feature-atlas keys | shares` as a person types them: shown once, kept as hashes, ended."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app import cli
from app.access.keys import cookie_of
from app.access.shares import create_share
from app.demo.synthetic import build_synthetic_atlas
from app.notebook.database import open_notebook
from app.settings import Settings
from app.web.factory import create_app

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "atlas.db"
    return build_synthetic_atlas(path, n_features=5, saes=("one", "two"))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """A command: its exit code, what it gives, what it says."""

    def ran(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["feature-atlas", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        given, said = capfd.readouterr()
        return code, given, said

    return ran


def test_a_key_lives_from_its_making_to_its_end(
    run: Run, atlas: Path, place: str, tmp_path: Path
) -> None:
    where = ("--notebook", place)
    made = run("keys", "create", atlas, "--name", "Ada", "--role", "write", "--days", "30", *where)
    assert made[0] == 0
    token = made[1].strip()
    assert re.fullmatch(r"fa_[A-Za-z0-9_-]{43}", token), "the key alone goes to a pipe"
    assert "role write, everything, until" in made[2]
    code, listed, _ = run("keys", "list", *where)
    assert (code, token in listed) == (0, False)
    [key_id] = re.findall(r"^([0-9a-f]{8})  Ada   write  all", listed, re.MULTILINE)
    app = create_app(Settings(atlas=atlas, notebook=place))
    client = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
    bearer = {"authorization": f"Bearer {token}"}
    assert client.get("/", headers=bearer).status_code == 200
    if "://" not in place:
        for file in tmp_path.glob("notebook.db*"):
            held = file.read_bytes()
            assert token.encode() not in held and token[3:].encode() not in held
            assert cookie_of(token).encode() not in held
    code, said, _ = run("keys", "revoke", key_id, *where)
    assert (code, said) == (0, f"The key {key_id} of Ada opens nothing any more.\n")
    assert client.get("/", headers=bearer).status_code == 401
    assert "revoked" in run("keys", "list", *where)[1]
    app.state.notebook.dispose()


def test_a_key_for_one_dictionary(run: Run, atlas: Path, tmp_path: Path) -> None:
    place = str(tmp_path / "notebook.db")
    _, token, said = run("keys", "create", atlas, "--name", "Rita", "--dictionary", "synthetic/one",
                         "--notebook", place)  # fmt: skip
    assert "role read, synthetic/one, without an end" in said
    app = create_app(Settings(atlas=atlas, notebook=place))
    client = TestClient(app, base_url="http://127.0.0.1")
    bearer = {"authorization": f"Bearer {token.strip()}"}
    assert client.get("/synthetic/one", headers=bearer).status_code == 200
    assert client.get("/synthetic/two", headers=bearer).status_code == 404
    app.state.notebook.dispose()


def test_links_are_listed_and_revoked(run: Run, place: str) -> None:
    notebook = open_notebook(place)
    share = create_share(notebook, "feature", "/synthetic/one/3", None, "Ada", "", 7)
    notebook.dispose()
    code, listed, _ = run("shares", "list", "--notebook", place)
    assert code == 0 and re.search(f"^{share.share_id}  feature  /synthetic/one/3", listed, re.M)
    code, said, _ = run("shares", "revoke", share.share_id, "--notebook", place)
    assert (code, "opens nothing any more" in said) == (0, True)
    assert "revoked" in run("shares", "list", "--notebook", place)[1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("keys", "create", "--name", "Ada", "--role", "root"), "choose read, write, admin"),
        (("keys", "create", "--name", " "), "visible characters"),
        (("keys", "create", "--name", "a", "--days", "0"), "can't be good for 0 days"),
        (("keys", "create", "--name", "a", "--days", "nan"), "can't be good for nan days"),
        (("keys", "create", "--name", "a", "--dictionary", "one"), "model/sae"),
        (("keys", "create", "--name", "a", "--role", "admin", "--dictionary", "synthetic/one"),
         "can't be limited"),
        (("keys", "create", "--name", "a", "--dictionary", "synthetic/none"), "synthetic/one"),
        (("keys", "revoke", "12345678"), "There is no key '12345678'"),
        (("keys", "revoke", "\x00"), "There is no key"),
        (("shares", "revoke", "nothing"), "There is no share link 'nothing'"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence(
    run: Run, atlas: Path, place: str, words: tuple[str, ...], sentence: str
) -> None:
    own = (atlas,) if words[1] == "create" else ()
    code, given, said = run(*words, *own, "--notebook", place)
    assert (code, given) == (2, "")
    assert re.search(sentence, said, re.IGNORECASE) and "Traceback" not in said
    assert said.count("\n") == 1
    assert run("keys", "list", "--notebook", place)[1] == "No key was ever made here.\n"


def test_without_a_notebook_there_are_no_keys(run: Run, atlas: Path) -> None:
    code, _, said = run("keys", "list", "--notebook", "off")
    assert code == 2 and "notebook" in said.lower()
    code, _, said = run("keys", "list")
    assert code == 2 and "--notebook" in said
