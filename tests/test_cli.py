"""The command line: what goes wrong is one sentence and exit code 2, and nothing is left behind."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from app import cli
from app.db.catalog import list_saes
from app.db.engine import open_atlas
from app.demo.synthetic import build_synthetic_atlas

FAST = ["--no-verify", "--threads", "1", "--ablation-examples", "0"]
FAST += ["--ablation-interval-examples", "0", "--quality-contexts", "2", "--batch-contexts", "8"]
FAST += ["--pruning-contexts", "0"]


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def sentence(self) -> str:
        """The error; there must be nothing else on stderr."""
        assert self.code == 2, self
        lines = self.stderr.splitlines()
        assert len(lines) == 1, self
        assert lines[0].startswith("Error: ") and lines[0].endswith("."), self
        assert "Traceback" not in lines[0]
        return lines[0].removeprefix("Error: ")


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """Runs `feature-atlas` with these arguments, in this process."""

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["feature-atlas", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capfd.readouterr()
        return Ended(int(ended.value.code or 0), said.out, said.err)

    return run


@dataclass(frozen=True)
class Place:
    """Inputs of a job that works, and where its atlas goes."""

    folder: Path
    model: Path
    sae: Path
    corpus: Path
    output: Path

    def options(self, **changed: object) -> list[object]:
        """`precompute` with some options changed, left out (None) or repeated (lists)."""
        values: dict[str, Any] = {
            "model": self.model, "sae": self.sae, "corpus": self.corpus, "output": self.output,
        } | changed  # fmt: skip
        arguments: list[object] = ["precompute", *FAST]
        for name, value in values.items():
            for item in value if isinstance(value, list) else [value]:
                if item is not None:
                    arguments += [f"--{name.replace('_', '-')}", item]
        return arguments

    def check_clean(self) -> None:
        """Nothing that looks like an atlas or like the beginning of one."""
        assert sorted(path.name for path in self.output.parent.iterdir()) == []


@pytest.fixture
def place(
    tmp_path: Path,
    model_folder: Callable[[str], Path],
    write_sae: Callable[..., Path],
    text_folder: Path,
) -> Place:
    (tmp_path / "out").mkdir()
    sae = write_sae(tmp_path / "sae")
    return Place(tmp_path, model_folder("neox"), sae, text_folder, tmp_path / "out" / "atlas.db")


def spoiled(sae: Path, name: str, **tensors: np.ndarray) -> Path:
    """A copy of a dictionary with some tensors changed."""
    folder = sae.parent / name
    shutil.copytree(sae, folder)
    changed = load_file(sae / "sae_weights.safetensors") | tensors
    save_file(changed, folder / "sae_weights.safetensors")
    return folder


def configured(sae: Path, name: str, **settings: Any) -> Path:
    """A copy of a dictionary with metadata changed."""
    folder = sae.parent / name
    shutil.copytree(sae, folder)
    config = json.loads((folder / "cfg.json").read_text())
    config["metadata"] |= settings
    (folder / "cfg.json").write_text(json.dumps(config))
    return folder


def test_an_atlas_from_the_command_line(place: Place, command: Callable[..., Ended]) -> None:
    """Two dictionaries in one pass; then what is in it, and whether it holds together."""
    again = spoiled(place.sae, "again")
    ended = command(*place.options(sae=[place.sae, again], name=["tiny/a", "tiny/b"]))
    assert ended.code == 0, ended
    assert ended.stdout == f"Open it with: feature-atlas serve {place.output}\n"
    for stage in ("events", "quality", "statistics", "silent examples", "atlas"):
        assert f"{stage}: " in ended.stderr
    assert "tokens/s" in ended.stderr
    assert f"Wrote {place.output}" in ended.stderr
    names = sorted(path.name for path in place.output.parent.iterdir())
    assert names == ["atlas.db", "atlas.decoders", "atlas.events"]

    shown = command("info", place.output)
    assert "`feature-atlas check` verifies all of it" in shown.stdout
    assert "damaged" not in shown.stdout
    assert shown.code == 0
    assert "tiny/a: 24 features on blocks.0.hook_resid_post (standard)" in shown.stdout
    assert "946 tokens in 50 contexts of 20" in shown.stdout
    assert "--sae sae --sae again" in shown.stdout
    assert "torch 2" in shown.stdout
    assert str(place.folder) not in shown.stdout.replace(str(place.output), "")

    checked = command("check", place.output)
    assert checked.code == 0
    *lines, last = checked.stdout.splitlines()
    assert {line.split()[0] for line in lines} == {"ok", "skipped"}
    assert "ok       activation histograms sum to n_active" in lines
    assert f"{place.output} is in order: 22 of 22 checks passed, 1 skipped (--seed " in last


def test_a_toml_holds_the_same_options(place: Place, command: Callable[..., Ended]) -> None:
    config = place.folder / "job.toml"
    config.write_text(
        f"""
        model = "{place.model}"
        sae = ["{place.sae}"]
        corpus = "{place.corpus}"
        output = "{place.output}"
        name = ["tiny/from-toml"]
        context-size = 24
        max_tokens = 480
        verify = false
        ablation-examples = 0
        ablation-interval-examples = 0
        quality-contexts = 2
        pruning-contexts = 0
        """
    )
    ended = command("precompute", "--config", config, "--max-tokens", "240", "--threads", "1")
    assert ended.code == 0, ended
    atlas = open_atlas(place.output)
    with atlas.connect() as connection:
        (sae,) = list_saes(connection)
    atlas.close()
    assert (sae.address, sae.corpus.context_size) == ("tiny/from-toml", 24)
    assert sae.corpus.n_contexts == 10  # the command line's 240 tokens win


def bad(what: str, sentence: str, **options: Any) -> Any:
    return pytest.param(options, sentence, id=what)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        bad("no model", "The model folder /none does not exist; name a folder", model="/none"),
        bad("no sae", "No dictionary at /none: the path does not exist", sae="/none"),
        bad("no corpus", "The corpus '/none.txt' does not exist", corpus="/none.txt"),
        bad("no output", "--output is missing: the atlas to write or add to.", output=None),
        bad(
            "no options",
            "--model is missing: folder, hub name or hf://owner/repo[@revision] of the",
            model=None,
            sae=None,
        ),
        bad("folder", "there is no folder /none", output="/none/atlas.db"),
        bad("not a folder", "there is no folder /dev/null", output="/dev/null/atlas.db"),
        bad("read-only", "Can't write /proc/atlas.db: ", output="/proc/atlas.db"),
        bad("a folder", "it is a folder; give a file name", output="/tmp"),
        bad("name", "--name is ['Tiny']: 'Tiny' is not an address like", name="Tiny"),
        bad("reserved", "is not an address like", name="tiny/random"),
        bad("endless", "each part of at most 80", name="tiny/" + 81 * "a"),
        bad("names", "There are 1 --sae and 2 --name: give one", name=["a/b", "a/c"]),
        bad("context", "longer than the model's n_ctx of 32", context_size=33),
        bad("short", "is too short: position 0 is never counted", context_size=2),
        bad(
            "range",
            "--context-size is 1: input should be greater than or equal to 2",
            context_size=1,
        ),
        bad("seed", "--seed is -1: input should be greater than or equal to 0", seed=-1),
        bad("type", "Invalid value for '--context-size'", context_size="many"),
        bad(
            "choice",
            "--packing is 'loose': input should be 'packed' or 'document'",
            packing="loose",
        ),
        bad("max", "max_tokens is 10, less than one context of 20", max_tokens=10),
        bad("format", "Unknown dictionary format 'gemma'; known are", sae_format="gemma"),
        bad("device", "can", device="abacus"),
        bad("toml", "Can't read /none.toml: No such file", config="/none.toml"),
        bad("option", "No such option: --modle", modle="x"),
    ],
)
def test_bad_options(
    place: Place, command: Callable[..., Ended], options: dict[str, Any], sentence: str
) -> None:
    assert sentence in command(*place.options(**options)).sentence
    place.check_clean()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("model = ", "is not valid TOML: Invalid value"),
        ("modle = 'x'", "there is no option 'modle'; the closest are model"),
        ("context_size = 'many'", "--context-size is 'many': input should be a valid integer"),
        ("sae = 'one'", "--sae is 'one': input should be a valid list"),
        ("model = 3", "--model is 3: input should be a valid string"),
        ("sae = []", "--sae is []: list should have at least 1 item"),
    ],
)
def test_bad_toml(place: Place, command: Callable[..., Ended], text: str, sentence: str) -> None:
    config = place.folder / "job.toml"
    config.write_text(text)
    base = {"corpus": "c", "output": place.output}
    values = {"model": "m", "sae": "s"}
    named = text.split(" ")[0]
    given = base | {key: value for key, value in values.items() if key != named}
    arguments = [part for key, value in given.items() for part in (f"--{key}", value)]
    assert sentence in command("precompute", "--config", config, *arguments).sentence
    place.check_clean()


def test_a_dictionary_of_another_width(
    place: Place, command: Callable[..., Ended], write_sae: Callable[..., Path]
) -> None:
    wide = write_sae(place.folder / "wide", d_in=20)
    sentence = command(*place.options(sae=wide)).sentence
    assert "has d_in 20, but blocks.0.hook_resid_post" in sentence
    assert "is 16 wide" in sentence
    place.check_clean()


def test_a_hook_that_is_not_there(place: Place, command: Callable[..., Ended]) -> None:
    sentence = command(*place.options(hook_name="blocks.0.hook_resid_pots")).sentence
    assert "no hook 'blocks.0.hook_resid_pots'" in sentence
    assert "close ones are: blocks.0.hook_resid_post" in sentence
    place.check_clean()


def test_a_dictionary_that_names_no_hook(
    place: Place, command: Callable[..., Ended], write_sae: Callable[..., Path]
) -> None:
    silent = write_sae(place.folder / "silent", hook_name=None)
    assert (
        "does not say where it reads: give --hook-name"
        in command(*place.options(sae=silent)).sentence
    )
    place.check_clean()


def test_a_dictionary_of_a_single_head(place: Place, command: Callable[..., Ended]) -> None:
    one = configured(place.sae, "one", hook_name="blocks.0.attn.hook_z", hook_head_index=1)
    assert "reads head 1 of blocks.0.attn.hook_z alone" in command(*place.options(sae=one)).sentence
    place.check_clean()


def test_two_dictionaries_that_do_not_go_together(
    place: Place, command: Callable[..., Ended]
) -> None:
    other = configured(place.sae, "other", prepend_bos=False)
    assert "decide with --prepend-bos" in command(*place.options(sae=[place.sae, other])).sentence
    (place.folder / "deeper").mkdir()
    shutil.copytree(place.sae, place.folder / "deeper" / "sae")
    both = [place.sae, place.folder / "deeper" / "sae"]
    assert "Two dictionaries would be called sae" in command(*place.options(sae=both)).sentence
    apart = ["a/one", "b/two"]
    sentence = command(*place.options(sae=both, name=apart)).sentence
    assert "One run has one model, but --name has a, b" in sentence
    place.check_clean()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers(
    place: Place, command: Callable[..., Ended], value: float
) -> None:
    bad = spoiled(place.sae, "bad", W_dec=np.full((24, 16), value, np.float32))
    sentence = command(*place.options(sae=bad)).sentence
    assert "W_dec in" in sentence and "NaN or infinite" in sentence
    place.check_clean()


def test_a_model_that_holds_nan(place: Place, command: Callable[..., Ended]) -> None:
    folder = place.folder / "model"
    shutil.copytree(place.model, folder)
    tensors = load_file(folder / "model.safetensors")
    name = "gpt_neox.layers.0.mlp.dense_h_to_4h.bias"
    tensors[name] = np.full_like(tensors[name], np.nan)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    sentence = command(*place.options(model=folder)).sentence
    assert f"holds NaN or infinity in {name}" in sentence
    place.check_clean()


def test_a_model_folder_without_a_model(place: Place, command: Callable[..., Ended]) -> None:
    assert "it has no config.json" in command(*place.options(model=place.sae)).sentence
    place.check_clean()


def test_a_corpus_shorter_than_one_context(place: Place, command: Callable[..., Ended]) -> None:
    text = place.folder / "short.txt"
    text.write_text("def first")
    sentence = command(*place.options(corpus=text)).sentence
    assert "holds 2 tokens, less than one context of 20" in sentence
    place.check_clean()


@pytest.mark.parametrize(
    ("ids", "sentence"),
    [
        (np.full((4, 8), 300), "the array holds token id 300 but the model's vocabulary has 300"),
        (np.full((4, 8), -1), "the array holds token id -1"),
        (np.zeros((4, 8), int), "none of the tokens counts"),
        (np.full((4, 40), 5), "longer than the model's n_ctx of 32"),
        (np.full((4, 8), 0.5), "holds float64, expected integer token ids"),
        (np.full(32, 5), "has shape [32], expected [n_contexts, context_size]"),
    ],
    ids=["too large", "negative", "special", "too long", "floats", "flat"],
)
def test_an_array_that_does_not_fit(
    place: Place, command: Callable[..., Ended], ids: np.ndarray, sentence: str
) -> None:
    np.save(place.folder / "ids.npy", ids)
    assert sentence in command(*place.options(corpus=place.folder / "ids.npy")).sentence
    place.check_clean()


def test_a_dictionary_that_explains_nothing(place: Place, command: Callable[..., Ended]) -> None:
    large = spoiled(place.sae, "large", b_dec=np.full(16, 100, np.float32))
    options = [item for item in place.options(sae=large) if item != "--no-verify"]
    ended = command(*options)
    tokens, sentence = ended.stderr.splitlines()  # which it was held against
    assert (ended.code, tokens.split(":")[0]) == (2, "tokens")
    assert "explains nothing of the activations" in sentence
    assert sentence.endswith("--no-verify skips this check.")
    place.check_clean()


def test_the_figures_of_the_check_are_told(place: Place, command: Callable[..., Ended]) -> None:
    options = [item for item in place.options(max_tokens=400) if item != "--no-verify"]
    ended = command(*options)
    assert ended.code == 0, ended
    (told,) = [line for line in ended.stderr.splitlines() if "explained variance" in line]
    assert re.fullmatch(
        r"sae: explained variance 0\.\d{4}, L0 [\d.]+ \(at most \d+ on a token\) on "
        r"\d+ tokens\.",
        told,
    ), told


@pytest.mark.parametrize("extra", [[], ["--replace"]])
def test_an_output_that_is_something_else_is_left_alone(
    place: Place, command: Callable[..., Ended], extra: list[str]
) -> None:
    place.output.write_text("my thesis")
    sentence = command(*place.options(), *extra).sentence
    assert "is not an atlas" in sentence
    assert place.output.read_text() == "my thesis"
    assert sorted(path.name for path in place.output.parent.iterdir()) == ["atlas.db"]


@pytest.mark.parametrize("name", ["serve", "info", "check"])
def test_an_atlas_that_is_none(place: Place, command: Callable[..., Ended], name: str) -> None:
    assert "There is no atlas at" in command(name, place.folder / "none.db").sentence
    (place.folder / "foreign.db").write_bytes(b"SQLite format 3\0" + bytes(4096))
    assert "not an atlas" in command(name, place.folder / "foreign.db").sentence


def test_a_damaged_atlas_is_found_out(place: Place, command: Callable[..., Ended]) -> None:
    import sqlite3

    assert command(*place.options(name="tiny/a")).code == 0
    connection = sqlite3.connect(place.output)
    connection.execute("UPDATE feature SET n_active = n_active + 1 WHERE feature_index = 0")
    connection.execute("DELETE FROM feature_panel WHERE feature_index = 5")
    connection.execute("DELETE FROM context WHERE context_id < 20")
    connection.commit()
    connection.close()
    checked = command("check", place.output)
    assert checked.code == 1
    assert "feature 0: its histogram sums to" in checked.stdout
    assert "tiny/a has 23 rows in feature_panel, expected one for each of 24" in checked.stdout
    assert "a context they point to is not stored" in checked.stdout
    assert "is not in order" in checked.stdout.splitlines()[-1]


def test_an_atlas_is_held_against_its_model(place: Place, command: Callable[..., Ended]) -> None:
    assert command(*place.options(name="tiny/a")).code == 0
    asked = ["check", place.output, "--sample", 3, "--seed", 5, "--sae", place.sae]
    checked = command(*asked, "--model", place.model)
    assert checked.code == 0
    assert "ok       activations computed again by the model (3 features)" in checked.stdout
    assert checked.stdout.endswith("23 of 23 checks passed (--seed 5).\n")
    assert "give both --model and --sae" in command(*asked).sentence
    for missing in (["--model", place.folder / "none"], ["--sae", place.folder / "none"]):
        ended = command(*asked, *missing)
        assert f"There is no {place.folder / 'none'}" in ended.sentence
        assert ended.stdout == ""  # said before anything is looked at


def test_progress_for_programs(place: Place, command: Callable[..., Ended]) -> None:
    """Every line is an object, from the first stage to the summary; mistakes as well."""
    options = place.options(name="tiny/a", progress="json")
    batch = options.index("--batch-contexts")  # a batch of the user's choice leaves no bound
    ended = command(*options[:batch], *options[batch + 2 :])
    assert ended.code == 0
    events = [json.loads(line) for line in ended.stderr.splitlines() if line.startswith("{")]
    stages = [item["stage"] for item in events if item["event"] == "stage started"]
    assert stages == [item["stage"] for item in events if item["event"] == "stage ended"]
    assert {"tokens", "trial", "events", "statistics", "atlas"} <= set(stages)
    (summary,) = [item for item in events if item["event"] == "summary"]
    assert [item["stage"] for item in summary["stages"]] == stages
    assert summary["atlas_bytes"] == place.output.stat().st_size
    assert summary["n_features"] == 24
    pace = {item["stage"]: item["of_bound"] for item in summary["stages"]}
    assert pace.pop("events") > 0
    assert set(pace.values()) == {None}
    failed = command(*place.options(name="tiny/a", progress="json"))
    assert failed.code == 2
    last = json.loads(failed.stderr.splitlines()[-1])
    assert last["event"] == "error" and last["text"].endswith(".")


def test_serve_says_what_is_wrong_with_its_options(
    place: Place, command: Callable[..., Ended]
) -> None:
    assert command(*place.options(name="tiny/a")).code == 0
    open_to_all = command("serve", place.output, "--host", "0.0.0.0").sentence
    assert "add --access-key KEY" in open_to_all
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port}" in command("serve", place.output, "--port", port).sentence
    assert "Invalid value for '--port'" in command("serve", place.output, "--port", -1).sentence


def test_an_export_that_can_not_be_is_a_sentence(
    tmp_path: Path, command: Callable[..., Ended]
) -> None:
    atlas = build_synthetic_atlas(tmp_path / "atlas.db", n_features=4)
    assert "write model/sae/number" in (
        command("export", "feature", atlas, "twelve", tmp_path / "out.html").sentence
    )
    site = ("export", "site", atlas)
    assert "goes beyond" in command(*site, tmp_path / "s", "--features", "0..9").sentence
    assert "holds no earlier export" in command(*site, tmp_path).sentence
    bad = command(*site, tmp_path / "s", "--base-url", "files.example.org").sentence
    assert "write it with its scheme" in bad
    done = command("export", "feature", atlas, "synthetic/resid-2-1k/1", tmp_path / "one.html")
    assert done.code == 0 and (tmp_path / "one.html").stat().st_size < 400_000


def test_serve_refuses_what_is_no_address(tmp_path: Path, command: Callable[..., Ended]) -> None:
    atlas = build_synthetic_atlas(tmp_path / "atlas.db", n_features=4)
    assert "public address" in command("serve", atlas, "--public-url", "here").sentence
    assert "embed host" in command("serve", atlas, "--embed-host", "a; b").sentence


def test_help_names_every_option_and_default(
    command: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")
    shown = command("precompute", "--help")
    assert shown.code == 0
    for line in (
        "--sae PATH ", "[repeatable; required]", "--name MODEL/SAE", "--packing packed|document",
        "--verify / --no-verify", "[default: yes]", "--ablation-window N", "[default: 32]",
    ):  # fmt: skip
        assert line in shown.stdout, line
    assert "list[" not in shown.stdout
    overview = command()
    assert (overview.code, overview.stderr) == (0, "")
    for name in (
        "precompute", "presets", "inspect", "explain", "serve", "demo", "export", "import", "info",
        "check",
    ):  # fmt: skip
        assert f"\n  {name} " in overview.stdout
    assert "..." not in overview.stdout.partition("Commands:")[2]


def test_commands_and_options_that_do_not_exist(command: Callable[..., Ended]) -> None:
    assert command("view").sentence == "No such command 'view' (--help lists the options)."
    assert "Missing argument" in command("serve").sentence


def test_presets_are_listed_and_an_unknown_one_is_a_sentence(
    place: Place, command: Callable[..., Ended]
) -> None:
    listed = command("presets")
    assert (listed.code, listed.stderr) == (0, "")
    assert "pythia-70m-deduped/resid-{layer}   layer 0 to 5\n" in listed.stdout
    sentence = command(*place.options(preset="pythia-70m/resid-3")).sentence
    assert (
        "There is no preset 'pythia-70m/resid-3'; the closest are pythia-70m-deduped/" in sentence
    )
    place.check_clean()


def test_ctrl_c_while_modules_load_ends_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt")
    ended = subprocess.run(
        [sys.executable, "-m", "app", "--help"],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path(cli.__file__).parents[1]}"},
    )
    assert (ended.returncode, ended.stderr) == (130, b"")
