"""`feature-atlas explain` as it is typed: what it says first, what it keeps, and how it ends."""

import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from app import cli
from app.explain import endpoint as asked
from app.explain.address import KEY_VARIABLE
from app.explain.source import Source
from app.notebook.database import open_notebook
from tests.explain.models import Knowing, kind_of
from tests.explain.running import SETTINGS, labels
from tests.explain.stand_in import Answer, Body, StandIn, says, standing_in

ROOT = Path(__file__).resolve().parents[2]
FEATURES = [1, 2, 4, 7]
MODELS = ["--explainer-model", "writer-1", "--scorer-model", "judge-1"]
KEY = "sk-very-secret-0123456789"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The error, the last line of stderr."""
        assert self.code == 2, self
        last = self.err.splitlines()[-1]
        assert last.startswith("Error: ") and last.endswith("."), self
        return last.removeprefix("Error: ")


Command = Callable[..., Ended]


@pytest.fixture
def place(atlas: Path, tmp_path: Path) -> Path:
    """A copy of the atlas with its events and no notebook."""
    path = tmp_path / "atlas.db"
    shutil.copy(atlas, path)
    (tmp_path / "atlas.events").symlink_to(atlas.with_suffix(".events"))
    return path


@pytest.fixture
def command(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Runs `feature-atlas explain ATLAS` with these arguments, in this process."""
    monkeypatch.setattr(asked, "seconds_before", lambda attempt, rng: 0.001)
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    nobody = io.StringIO()
    monkeypatch.setattr("sys.stdin", nobody)

    def run(url: str, *arguments: object, features: str = "1,2,4,7", yes: bool = True) -> Ended:
        words = ["feature-atlas", "explain", str(place), "--endpoint", url, *MODELS]
        words += ["--features", features, *map(str, arguments), *(["--yes"] if yes else [])]
        monkeypatch.setattr("sys.argv", words)
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capfd.readouterr()
        assert "Traceback" not in said.err + said.out
        return Ended(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def kept(place: Path) -> Any:
    """The notebook beside the atlas, as the command left it."""
    engines: list[Engine] = []

    def open_it() -> Engine:
        engines.append(open_notebook(str(place.with_suffix(".notebook.db"))))
        return engines[-1]

    yield open_it
    for engine in engines:
        engine.dispose()


def test_what_it_costs_and_sends_is_said_first(
    command: Command, source: Source, kept: Callable[[], Engine]
) -> None:
    with standing_in(Knowing(source, SETTINGS, FEATURES)) as server:
        done = command(server.url, "--price-in", "3", "--price-out", "15")
        n = len(server.seen)
        sent = server.seen
    assert done.code == 0
    first = done.err.splitlines()
    said = re.fullmatch(
        r"4 features, (\d+) requests: about ([\d,]+) prompt tokens and ([\d,]+) completion tokens "
        r"at 3\.5 bytes a token \(a model that thinks aloud writes more, at most ([\d,]+) "
        r"tokens\)\.",
        first[0],
    )
    assert said is not None, first
    assert int(said[1]) == n, "what was announced is what was asked"
    asked_bytes = sum(len(one.prompt.encode()) for one in sent)
    assert abs(int(said[2].replace(",", "")) / (asked_bytes / 3.5) - 1) < 0.25
    assert int(said[4].replace(",", "")) == n * 2000
    assert re.fullmatch(r"At these prices about 0\.\d\d, at most \d\.\d\d; .*", first[1])
    assert first[2].startswith(f"Sent to {server.url}/chat/completions (writer-1 and judge-1): of")
    assert "from the corpus invented lines" in first[2]
    assert first[3].startswith("Not sent: weights, ")
    out = done.out.splitlines()
    assert out[0] == "4 of 4 features are done."
    assert out[1] == (
        f"{n} answers; the endpoint counted {n * 100:,} prompt tokens and {n * 7:,} completion "
        "tokens."
    )
    assert out[2] == f"At these prices {(n * 100 * 3 + n * 7 * 15) / 1e6:.2f}."
    assert {label.text for label in labels(source, kept()).values()} == {
        f"thing {feature}" for feature in FEATURES
    }


def test_the_same_command_again_asks_nothing(command: Command, source: Source) -> None:
    with standing_in(Knowing(source, SETTINGS, FEATURES)) as server:
        command(server.url)
        n = len(server.seen)
        again = command(server.url)
        assert len(server.seen) == n
    assert (again.code, again.out) == (0, "")
    assert again.err == "4 of 4 features are done already.\n"


def test_nothing_is_sent_before_somebody_agreed(command: Command, place: Path) -> None:
    with standing_in(lambda _: says("x")) as server:
        told = command(server.url, yes=False)
        assert not server.seen
    assert told.sentence.startswith("Nothing was sent: nobody can be asked here (no terminal)")
    assert "4 features, " in told.err, "what it would have cost is said all the same"
    assert not place.with_suffix(".notebook.db").exists()


@pytest.mark.parametrize(("answer", "goes_on"), [("n", False), ("", False), ("y", True)])
def test_at_a_terminal_it_asks(place: Path, source: Source, answer: str, goes_on: bool) -> None:
    controller, terminal = pty.openpty()
    try:
        with standing_in(Knowing(source, SETTINGS, [1])) as server:
            os.write(controller, f"{answer}\n".encode())
            done = subprocess.run(
                _words(place, server, "1"),
                stdin=terminal, capture_output=True, text=True, cwd=ROOT, timeout=60, env=_env(),
            )  # fmt: skip
            assert bool(server.seen) == goes_on
    finally:
        os.close(controller)
        os.close(terminal)
    assert "Go on? [y/N]" in done.stderr
    if goes_on:
        assert (done.returncode, done.stdout.splitlines()[0]) == (0, "1 of 1 features are done.")
    else:
        assert done.returncode == 2 and done.stderr.endswith("Error: Nothing was sent.\n")


def test_a_dry_run_shows_a_prompt_and_sends_nothing(
    command: Command, place: Path, source: Source
) -> None:
    from app.explain.prompts.explanation import explanation_prompt

    with standing_in(lambda _: says("x")) as server:
        done = command(server.url, "--dry-run", yes=False)
        assert not server.seen
    prompt = explanation_prompt(source.split(1, 0), True).text
    assert (done.code, done.out) == (0, f"The first prompt about feature 1:\n\n{prompt}\n")
    assert "4 features, " in done.err and "Sent to " in done.err
    assert not place.with_suffix(".notebook.db").exists()


def test_the_key_is_nowhere_but_in_the_request(
    command: Command, place: Path, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    model = Knowing(source, SETTINGS, FEATURES)

    def behave(body: Body) -> Answer:
        if body["model"] == "judge-1":
            return Answer(400, {"error": {"message": f"bad request of {KEY}"}})
        return model(body)

    with standing_in(behave) as server:
        done = command(server.url, "--key-env", "MY_KEY", features="1")
        assert {one.headers["Authorization"] for one in server.seen} == {f"Bearer {KEY}"}
        assert all(KEY not in json.dumps(one.body) + one.path for one in server.seen)
        server.behaviour = lambda _: Answer(401, {"error": {"message": f"wrong key {KEY}"}})
        refused = command(server.url, "--key-env", "MY_KEY")
    assert "bad request of …" in done.sentence, "what a server says is repeated without it"
    assert "refuses the key (401)" in refused.sentence
    for said in (done, refused):
        assert KEY[3:] not in said.out + said.err
    for file in place.parent.iterdir():
        if file.is_file():
            assert KEY[3:].encode() not in file.read_bytes(), file


def test_what_is_unanswered_is_counted_and_asked_for_again(
    command: Command, source: Source, kept: Callable[[], Engine]
) -> None:
    model = Knowing(source, SETTINGS, FEATURES)

    def unsteady(body: Body) -> Answer:
        prompt = body["messages"][0]["content"]
        if kind_of(prompt) != "explain":
            return says("[2]") if '"thing 4"' in prompt else model(body)
        feature = model._feature_of[prompt]
        if feature == 1:
            return says(None, refusal="no")
        if feature == 2:
            return says('{"explanation": "half a sen', finish="length")
        return model(body)

    with standing_in(unsteady) as server:
        told = command(server.url)
        assert told.code == 1
        lines = told.out.splitlines()
        assert lines[0] == ("1 of 4 features are done; 1 explained but not scored; 2 unanswered.")
        reasons = sorted(line.strip() for line in lines[1:4])
        assert reasons[:2] == ["1 × a refusal", "1 × cut off at --max-tokens"]
        assert reasons[2].startswith("1 × unreadable: no JSON list of ")
        assert lines[-1] == "The same command goes on from here and asks for nothing again."
        assert sorted(labels(source, kept())) == [4, 7]
        server.behaviour, server.seen = model, []
        again = command(server.url)
        assert again.code == 0 and "1 of 4 features are done already." in again.err
        asked_again = [one.prompt for one in server.seen]
        assert len(set(asked_again)) == len(asked_again)
        assert not any('"thing 7"' in prompt for prompt in asked_again)
    assert {i: label.score for i, label in labels(source, kept()).items()} == dict.fromkeys(
        FEATURES, 1.0
    )


def test_an_endpoint_that_dies_is_one_sentence_and_loses_nothing(
    command: Command, source: Source, kept: Callable[[], Engine]
) -> None:
    many = [1, 2, 4, 7, 8, 9, 14, 15]
    named = ",".join(map(str, many))
    model = Knowing(source, SETTINGS, many)

    def dying(body: Body) -> Answer:
        return model(body) if len(server.seen) <= 20 else Answer(200, b"x" * 99, cut_after=1)

    with standing_in(dying) as server:
        told = command(server.url, features=named)
        assert re.match(r"\d+ requests in a row got no answer from ", told.sentence)
        assert "not begun or cut short" in told.out.splitlines()[0]
        before = {json.dumps(one.body) for one in server.seen[:20]}
        server.behaviour, server.seen = model, []
        again = command(server.url, features=named)
        asked_again = [json.dumps(one.body) for one in server.seen]
    assert again.code == 0
    assert not before & set(asked_again), "what was answered is not asked for again"
    assert {i: label.score for i, label in labels(source, kept()).items()} == dict.fromkeys(many, 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sae", "synthetic/two"], "There is no dictionary synthetic/two"),
        (["--has", "hope"], "--has takes label, note, star, not 'hope'"),
        (["--has", "star"], "No feature of synthetic/one that fires is left by this choice"),
        (["--sample", "0"], "--sample takes the number of features"),
        (["--price-in", "3"], "A cost needs both prices"),
        (["--notebook", "off"], "--notebook off keeps no notebook"),
        (["--key-env", "sk-secret"], "There is no key in the environment variable that --key-env"),
        (["--temperature", "3"], "Invalid value for '--temperature'"),
        (["--explainer-model", "x" * 200], "A source has at most 120 characters"),
    ],
)
def test_mistakes_are_one_sentence(command: Command, arguments: list[str], said: str) -> None:
    with standing_in(lambda _: says("x")) as server:
        told = command(server.url, *arguments)
        assert not server.seen
    assert told.sentence.startswith(said)
    assert "sk-secret" not in told.err


@pytest.mark.parametrize("features", ["40", "5..1", "some", "1-5"])
def test_features_that_are_none_are_one_sentence(command: Command, features: str) -> None:
    told = command("http://127.0.0.1:9/v1", features=features)
    assert told.sentence


def test_no_server_is_one_sentence(command: Command) -> None:
    with standing_in(lambda _: says("x")) as server:
        url = server.url
    told = command(url)
    assert told.sentence.startswith(f"Nothing answers at {url}/chat/completions")


def test_without_its_library_it_says_what_to_install(place: Path) -> None:
    program = "import sys; sys.modules['httpx2'] = None; from app.cli import main; main()"
    words = ["explain", str(place), "--endpoint", "http://127.0.0.1:9/v1", *MODELS]
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=_env(),
    )
    assert done.returncode == 2
    assert done.stderr == (
        "Error: This command needs httpx2, which is not installed: run "
        "`pip install 'feature-atlas[explain]'`.\n"
    )


def _words(place: Path, server: StandIn, features: str) -> list[str]:
    program = "from app.cli import main; main()"
    words = ["explain", str(place), "--endpoint", server.url, "--features", features]
    return [sys.executable, "-c", program, *words, *MODELS]


def _env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
