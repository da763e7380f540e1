"""The model's activations are Hugging Face's own numbers, under TransformerLens' names."""

import json
import logging
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from app.errors import AtlasError
from app.precompute.model.agreement import Agreement, relative_difference
from app.precompute.model.forward import BridgeForward, PlainForward, Site, read
from app.precompute.model.language_model import LanguageModel

ARCHITECTURES = ["neox", "gpt2", "llama", "gemma2", "sliding", "bloom"]
Models = Callable[[str], LanguageModel]


def some_tokens(rows: int = 3, n_ctx: int = 20) -> Tensor:
    return torch.randint(1, 290, (rows, n_ctx), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_residual_stream_is_hugging_faces(tiny_model: Models, architecture: str) -> None:
    model = tiny_model(architecture)
    tokens = some_tokens()
    names = ["blocks.0.hook_resid_pre", "blocks.0.hook_resid_post", "blocks.1.hook_resid_pre"]
    found = model.activations(tokens, names)
    with torch.no_grad():
        expected = model.plain(input_ids=tokens, output_hidden_states=True).hidden_states
    assert set(found) == set(names)
    torch.testing.assert_close(found[names[0]], expected[0])
    torch.testing.assert_close(found[names[1]], expected[1])
    torch.testing.assert_close(found[names[2]], expected[1])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_plain_modules_agree_with_the_bridge_at_every_hook(
    tiny_model: Models, architecture: str
) -> None:
    model = tiny_model(architecture)
    tokens = some_tokens()
    found = model.activations(tokens, model.hook_names)
    with torch.no_grad():
        # Of the bridge's own hook at the MLP's input only the norm's input is run in every block.
        own = {name: name for name in model.hook_names}
        own |= {name: name.replace("hook_mlp_in", "ln2.hook_in") for name in own}
        expected = read(BridgeForward(model.bridge), tokens, [*own.values()])
    for name in model.hook_names:
        assert found[name].shape == (*tokens.shape, model.hook_width(name))
        assert relative_difference(found[name], expected[own[name]]) < 1e-4, name
    assert model.way(model.hook_names).startswith("the plain modules")


@pytest.mark.parametrize("architecture", ["neox", "gpt2", "gemma2"])
def test_a_norm_is_read_and_changed_before_its_gain(tiny_model: Models, architecture: str) -> None:
    model, name = tiny_model(architecture), "blocks.0.ln2.hook_normalized"
    tokens = some_tokens()
    found = model.activations(tokens, [name, "blocks.0.hook_mlp_in"])
    x = found["blocks.0.hook_mlp_in"]
    centred = x if architecture == "gemma2" else x - x.mean(dim=-1, keepdim=True)
    by_hand = centred / centred.square().mean(dim=-1, keepdim=True).sqrt()
    assert torch.allclose(found[name], by_hand, rtol=1e-3, atol=1e-3)
    changes = {name: lambda normalised: 0.5 * normalised.flip(-1) + 1}
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the bridge says that its last digits may differ
        expected = BridgeForward(model.bridge)(tokens, changes)
    changed = model.logits(tokens, changes)
    assert relative_difference(changed, expected) < 1e-4
    assert relative_difference(changed, model.logits(tokens)) > 1e-2


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "gemma2", "bloom"])
def test_a_change_in_mid_stream_goes_past_the_mlp_as_well(
    tiny_model: Models, architecture: str
) -> None:
    """The plain module's stream is changed by what attention adds to it."""
    model, tokens = tiny_model(architecture), some_tokens()
    along = torch.linspace(-1, 2, model.d_model).roll(5).sin()
    by_attention = model.logits(tokens, {"blocks.0.hook_attn_out": lambda given: given + along})
    in_between = model.logits(tokens, {"blocks.0.hook_resid_mid": lambda given: given + along})
    assert relative_difference(in_between, by_attention) < 1e-4
    behind = {
        "blocks.0.hook_resid_mid": lambda given: given + along,
        "blocks.0.hook_resid_post": lambda given: 2 * given,
    }
    after = {
        "blocks.0.hook_attn_out": lambda given: given + along,
        "blocks.0.hook_resid_post": lambda given: 2 * given,
    }
    assert relative_difference(model.logits(tokens, behind), model.logits(tokens, after)) < 1e-4
    alone = model.logits(tokens, {"blocks.0.hook_mlp_in": lambda given: given + along})
    assert relative_difference(alone, by_attention) > 1e-2


def test_names_and_sizes(tiny_model: Models) -> None:
    model = tiny_model("llama")
    assert (model.n_layers, model.d_model, model.n_ctx, model.d_vocab) == (2, 16, 32, 300)
    assert model.hook_names[0] == "hook_embed"
    assert model.hook_width("blocks.1.hook_resid_mid") == 16
    assert model.hook_width("blocks.1.attn.hook_z") == 16
    assert model.hook_width("blocks.0.mlp.hook_post") == 24
    # Attention and MLP read the same stream in GPT-NeoX: there is nothing between them.
    assert "blocks.0.hook_resid_mid" not in tiny_model("neox").hook_names


@pytest.mark.parametrize("ask", ["width", "activations"])
def test_unknown_hook_lists_close_ones(tiny_model: Models, ask: str) -> None:
    model = tiny_model("llama")
    with pytest.raises(AtlasError, match=r"blocks\.7\.hook_resid_post.*blocks\.0\.hook_resid_post"):
        if ask == "width":
            model.hook_width("blocks.7.hook_resid_post")
        else:
            model.activations(some_tokens(), ["blocks.7.hook_resid_post"])


def test_nothing_above_the_deepest_hook_runs(tiny_model: Models) -> None:
    model = tiny_model("neox")
    model.activations(some_tokens(), ["blocks.0.hook_resid_post"])  # the comparison is behind us
    ran: list[str] = []
    handles = [
        layer.register_forward_hook(lambda *_, name=name: ran.append(name))
        for name, layer in model.plain.named_modules()
        if name in ("gpt_neox.layers.0.mlp", "gpt_neox.layers.1.mlp", "lm_head")
    ]
    model.activations(some_tokens(), ["blocks.0.hook_resid_post", "blocks.0.attn.hook_z"])
    for handle in handles:
        handle.remove()
    assert ran == ["gpt_neox.layers.0.mlp"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_padding_to_the_right_changes_nothing(tiny_model: Models, architecture: str) -> None:
    model = tiny_model(architecture)
    tokens = some_tokens(rows=1)
    padded = torch.cat([tokens, torch.zeros(1, 4, dtype=torch.long)], dim=1)
    mask = torch.tensor([[1] * 20 + [0] * 4])
    name = "blocks.1.hook_resid_post"
    expected = model.activations(tokens, [name])[name]
    torch.testing.assert_close(model.activations(padded, [name])[name][:, :20], expected)
    masked = model.activations(padded, [name], attention_mask=mask)[name][:, :20]
    torch.testing.assert_close(masked, expected)


@pytest.mark.parametrize("architecture", ["neox", "gpt2", "llama"])
def test_logits_with_an_activation_changed(tiny_model: Models, architecture: str) -> None:
    model = tiny_model(architecture)
    tokens = some_tokens()
    clean = model.logits(tokens)
    with torch.no_grad():
        torch.testing.assert_close(clean, model.plain(input_ids=tokens).logits)
    for name in model.hook_names:
        same = model.logits(tokens, {name: lambda x: x.clone()})
        torch.testing.assert_close(same, clean)
        # Position 5 changed: what came before cannot know.
        changed = model.logits(tokens, {name: add_at(5)})
        torch.testing.assert_close(changed[:, :5], clean[:, :5])
        assert not torch.allclose(changed[:, 5:], clean[:, 5:])


def add_at(position: int) -> Callable[[Tensor], Tensor]:
    def visitor(activation: Tensor) -> Tensor:
        changed = activation.clone()
        changed[:, position] += torch.linspace(0, 3, changed.shape[-1])
        return changed

    return visitor


def test_bridge_is_used_where_the_plain_modules_differ(
    tiny_model: Models, caplog: pytest.LogCaptureFixture
) -> None:
    model = tiny_model("llama")
    wrong = PlainForward(model.plain, {"blocks.0.hook_resid_post": Site("model.norm", "hook_out")})
    bridge = BridgeForward(model.bridge)
    agreement = Agreement(wrong, bridge, model.tolerance)
    with torch.no_grad(), caplog.at_level(logging.WARNING):
        assert agreement.way(some_tokens(), ["blocks.0.hook_resid_post"], {}) is bridge
        assert agreement.way(some_tokens(), ["blocks.0.hook_resid_post"], {}) is bridge
    assert len(caplog.records) == 1
    assert "through the bridge" in caplog.text


def test_says_how_a_hook_is_run(model_folder: Callable[[str], Path]) -> None:
    model = LanguageModel.load(model_folder("neox"))
    name, other = "blocks.0.hook_resid_post", "blocks.1.hook_mlp_out"
    model.activations(some_tokens(), [name, other])
    (said,) = model.ways([name, name])
    assert said.startswith(f"{name}: through the plain modules with sdpa attention")
    assert said.endswith("(allowed: 0.001).")
    assert model.twin().ways([name]) == [said]
    assert model.way([name, other]) == "the plain modules with sdpa attention"
    model._agreement.differences[name] = 0.5
    assert "through the bridge, as the plain modules differ by 0.5" in model.ways([name])[0]
    # One pass reads both hooks, so both are read as the one needs it.
    assert "through the bridge, as a hook that is read" in model.ways([name, other])[1]
    assert model.way([other]) == "the plain modules with sdpa attention"


@pytest.mark.parametrize("architecture", ["neox", "gpt2", "llama"])
def test_attention_is_fused(
    tiny_model: Models, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch's kernel runs once a block up to the hook, causal by itself: no mask is built."""
    model = tiny_model(architecture)
    name = "blocks.0.hook_resid_post"
    model.activations(some_tokens(), [name])
    fused = torch.nn.functional.scaled_dot_product_attention
    seen: list[tuple[Any, Any]] = []

    def watched(*inputs: Any, **options: Any) -> Tensor:
        seen.append((options.get("attn_mask"), options.get("is_causal")))
        return fused(*inputs, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", watched)
    model.activations(some_tokens(), [name])
    assert seen == [(None, True)]


def test_bfloat16(model_folder: Callable[[str], Path], tiny_model: Models) -> None:
    half = LanguageModel.load(model_folder("neox"), dtype="bfloat16")
    name = "blocks.0.hook_resid_post"
    found = half.activations(some_tokens(), [name])[name]
    assert found.dtype == torch.bfloat16
    expected = tiny_model("neox").activations(some_tokens(), [name])[name]
    assert relative_difference(found, expected) < half.tolerance


def test_weights_hash_is_of_the_weights(
    model_folder: Callable[[str], Path], tiny_model: Models, tmp_path: Path
) -> None:
    copy = copy_of(model_folder("neox"), tmp_path)
    assert LanguageModel.load(copy).weights_hash() == tiny_model("neox").weights_hash()
    change_weights(copy, lambda tensor: tensor + 1e-3)
    assert LanguageModel.load(copy).weights_hash() != tiny_model("neox").weights_hash()


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match="does not exist"):
        LanguageModel.load(tmp_path / "nowhere")


def test_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match=r"no config\.json"):
        LanguageModel.load(tmp_path)


def test_not_a_language_model(model_folder: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copy_of(model_folder("neox"), tmp_path)
    (folder / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(AtlasError, match="No causal language model could be loaded"):
        LanguageModel.load(folder)


def test_missing_tokenizer(model_folder: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copy_of(model_folder("neox"), tmp_path)
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(AtlasError, match="No tokenizer could be loaded"):
        LanguageModel.load(folder)


def test_nan_in_weights(model_folder: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copy_of(model_folder("neox"), tmp_path)
    change_weights(folder, lambda tensor: tensor * torch.nan)
    with pytest.raises(AtlasError, match=r"NaN or infinity in .*embed_in"):
        LanguageModel.load(folder)


def test_missing_device(model_folder: Callable[[str], Path]) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    with pytest.raises(AtlasError, match="cannot be put on the device 'cuda'"):
        LanguageModel.load(model_folder("neox"), device="cuda")


def copy_of(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "model"))


def change_weights(folder: Path, change: Callable[[Tensor], Tensor]) -> None:
    """Change the embedding of a saved GPT-NeoX model."""
    path = folder / "model.safetensors"
    weights = load_file(path)
    weights["gpt_neox.embed_in.weight"] = change(weights["gpt_neox.embed_in.weight"])
    save_file(weights, path, metadata={"format": "pt"})
