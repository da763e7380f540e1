"""`feature-atlas inspect`: every fact with its source, and the check on real activations."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from app import cli
from app.precompute import inspection


@pytest.fixture
def inspect(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs the command in this process: (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["feature-atlas", "inspect", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capfd.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def sae(tmp_path: Path, write_sae: Callable[..., Path]) -> Path:
    return write_sae(tmp_path / "resid", "jumprelu")


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    text = tmp_path / "text.txt"
    words = np.random.default_rng(1).choice([" def", " first", " return", " the", " of"], 400)
    text.write_text("".join(words))
    return text


def test_facts_stand_beside_their_sources(
    inspect: Callable[..., tuple[int, str, str]], sae: Path
) -> None:
    code, said, _ = inspect(sae)
    assert code == 0
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert lines[0] == str(sae)
    assert "format saelens (cfg.json lies beside sae_weights.safetensors)" in lines
    assert 'architecture jumprelu (cfg.json has architecture = "jumprelu")' in lines
    assert "features 24 (W_enc [16, 24])" in lines
    assert "computed as jumprelu (threshold [24])" in lines
    assert "threshold [24] float32" in lines
    assert "checked at" not in said


def test_what_is_stored_and_takes_no_part_is_told(
    inspect: Callable[..., tuple[int, str, str]], sae: Path
) -> None:
    file = sae / "sae_weights.safetensors"
    save_file(load_file(file) | {"n_fired": np.zeros(24, np.int64)}, file)
    _, said, _ = inspect(sae)
    assert "n_fired [24] int64  (not part of the dictionary)" in said
    _, said, _ = inspect(sae, "--json")
    assert json.loads(said)["surplus"] == ["n_fired"]


def test_the_check_is_that_of_the_job(
    inspect: Callable[..., tuple[int, str, str]],
    sae: Path,
    texts: Path,
    model_folder: Callable[[str], Path],
    plain_activations: Callable[[Path, Path], np.ndarray],
) -> None:
    model = model_folder("neox")
    code, said, error = inspect(sae, "--model", model, "--corpus", texts, "--json")
    found = json.loads(said)["checked"]
    x = plain_activations(model, texts)
    assert found["n_tokens"] == len(x)
    a = {name: value.astype(float) for name, value in load_file(next(sae.glob("*.saf*"))).items()}
    pre = x @ a["W_enc"] + a["b_enc"]
    acts = np.where(pre > np.maximum(a["threshold"], 0), pre, 0)
    rest = x - acts @ a["W_dec"] - a["b_dec"]
    explained = 1 - (rest**2).sum() / ((x - x.mean(axis=0)) ** 2).sum()
    figures = found["figures"]
    assert figures["explained_variance"] == pytest.approx(explained, abs=1e-4)
    assert figures["l0"] == pytest.approx((acts > 0).sum(axis=1).mean(), abs=1e-2)
    assert figures["most"] == (acts > 0).sum(axis=1).max()
    assert (code, error) == (0, "")
    assert found["complaint"] is None


@pytest.fixture
def plain_activations() -> Callable[[Path, Path], np.ndarray]:
    """Counted activations at blocks.0.hook_resid_post by the plain module: [n, 16], float64."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    def read(model: Path, text: Path) -> np.ndarray:
        module = AutoModelForCausalLM.from_pretrained(model).eval()
        tokenizer = AutoTokenizer.from_pretrained(model)
        ids = tokenizer(text.read_text())["input_ids"]
        found: list[np.ndarray] = []
        layer = module.get_submodule("gpt_neox.layers.0")
        layer.register_forward_hook(
            lambda *hooked: found.append(
                (hooked[2][0] if isinstance(hooked[2], tuple) else hooked[2]).numpy()
            )
        )
        # Contexts of 20, as the dictionary says, BOS (which is token 0) in front.
        rows = [[0, *ids[start : start + 19]] for start in range(0, len(ids), 19)]
        kept = []
        for row in (row for row in rows if len(row) == 20):
            with torch.no_grad():
                module(input_ids=torch.tensor(row)[None])
            kept.append(found[-1].reshape(20, -1)[1:])
        return np.concatenate(kept).astype(np.float64)

    return read


def test_without_a_corpus_the_text_is_named(
    inspect: Callable[..., tuple[int, str, str]],
    sae: Path,
    model_folder: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inspection, "VERIFIED_TOKENS", 300)
    code, said, _ = inspect(sae, "--model", model_folder("neox"))
    assert "tokens of Python's language reference (built in), with BOS" in said
    assert "explained variance" in said
    assert code == 0


def turn_decoder(sae: Path) -> None:
    """Makes a dictionary that explains nothing."""
    file = sae / "sae_weights.safetensors"
    arrays = load_file(file)
    save_file(arrays | {"W_dec": -arrays["W_dec"]}, file)


def test_a_wrong_hook_is_shown_with_its_figures_and_refused(
    inspect: Callable[..., tuple[int, str, str]],
    sae: Path,
    texts: Path,
    model_folder: Callable[[str], Path],
) -> None:
    turn_decoder(sae)
    code, said, error = inspect(sae, "--model", model_folder("neox"), "--corpus", texts)
    assert code == 2
    assert "explained variance  -" in said
    assert "explains nothing of the activations" in error


def test_a_corpus_needs_a_model(
    inspect: Callable[..., tuple[int, str, str]], sae: Path, texts: Path
) -> None:
    code, _, error = inspect(sae, "--corpus", texts)
    assert code == 2
    assert error == "Error: --corpus is text for a model to read: give --model too.\n"


def test_what_is_no_dictionary_is_one_sentence(
    inspect: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    save_file({"lm_head": np.zeros((2, 2), np.float32)}, tmp_path / "model.safetensors")
    code, _, error = inspect(tmp_path)
    assert code == 2
    assert "found model.safetensors (holding lm_head), expected " in error
    assert "hyperparams.json with checkpoints/final.safetensors (llama_scope)" in error


def test_the_facts_are_told_where_the_model_is_missing(
    inspect: Callable[..., tuple[int, str, str]], sae: Path, tmp_path: Path
) -> None:
    code, said, error = inspect(sae, "--model", tmp_path / "nowhere")
    assert (code, error.count("\n")) == (2, 1)
    assert "architecture  " in said and "stored" in said and "checked at" not in said
    assert "There is no " in error
    code, said, _ = inspect(sae, "--model", tmp_path / "nowhere", "--json")
    assert code == 2
    assert json.loads(said)["checked"] is None


def test_a_complaint_names_no_option_of_another_command(
    inspect: Callable[..., tuple[int, str, str]],
    sae: Path,
    texts: Path,
    model_folder: Callable[[str], Path],
) -> None:
    turn_decoder(sae)
    _, said, error = inspect(sae, "--model", model_folder("neox"), "--corpus", texts, "--json")
    assert "--no-verify" not in said + error


def test_what_a_terminal_would_obey_is_shown_escaped(
    inspect: Callable[..., tuple[int, str, str]], tmp_path: Path, write_sae: Callable[..., Path]
) -> None:
    sae = write_sae(tmp_path / "a", hook_name="hook\x1b[2J\u202e\nname")
    file = sae / "sae_weights.safetensors"
    save_file(load_file(file) | {"n_fired\x1b]0;gone\x07": np.zeros(24, np.int64)}, file)
    _, said, _ = inspect(sae)
    assert r"hook\x1b[2J\u202e\nname" in said
    assert r"n_fired\x1b]0;gone\x07 [24]" in said
    for asked in ((), ("--json",)):
        _, said, _ = inspect(sae, *asked)
        assert not {"\x1b", "\u202e", "\x07"} & set(said)
    save_file(load_file(file) | {"W_\x1b[2J": np.zeros(24, np.float32)}, file)
    code, _, error = inspect(sae)
    assert code == 2
    assert r"also holds W_\x1b[2J, which" in error and "\x1b" not in error


def test_a_pre_bias_of_zeros_is_told_alike_in_both_places(
    inspect: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    texts: Path,
    write_sae: Callable[..., Path],
    model_folder: Callable[[str], Path],
) -> None:
    sae = write_sae(tmp_path / "a")
    (sae / "cfg.json").write_text(
        (sae / "cfg.json")
        .read_text()
        .replace('"apply_b_dec_to_input": false', '"apply_b_dec_to_input": true')
    )
    file = sae / "sae_weights.safetensors"
    save_file(load_file(file) | {"b_dec": np.zeros(16, np.float32)}, file)
    _, said, _ = inspect(sae, "--model", model_folder("neox"), "--corpus", texts)
    assert "b_dec, which is all zeros" in said
    assert "without pre-bias    the same: nothing is subtracted" in said


def test_what_may_not_be_read_is_one_sentence(
    inspect: Callable[..., tuple[int, str, str]], sae: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exists(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", exists)
    code, _, error = inspect(sae)
    assert code == 2
    assert error.startswith(f"Error: {sae} may not be read by this user: change its permissions")


def test_the_only_dictionary_below_is_said(
    inspect: Callable[..., tuple[int, str, str]], sae: Path
) -> None:
    code, said, _ = inspect(sae.parent)
    assert code == 0
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert lines[0] == str(sae)
    assert f"found at resid (the only dictionary below {sae.parent})" in lines
