"""The recipe from end to end, shrunk to a few seconds: it trains, saves, reads back and judges."""

from math import log as ln
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, GPTNeoXForCausalLM

from app.demo.corpus import Document
from app.demo.recipe.__main__ import make_dictionaries, make_model
from app.demo.recipe.evaluate import load_dictionary
from app.demo.recipe.log import Log, read_log
from app.demo.recipe.settings import DictionarySettings, ModelSettings, RecipeSettings
from app.demo.recipe.train_model import build_model, load_model, train_model

SETTINGS = RecipeSettings(
    held_out_share=0.25,
    n_threads=1,
    context_size=16,
    model=ModelSettings(
        d_vocab=300,
        d_model=16,
        n_layers=2,
        n_heads=2,
        d_mlp=32,
        n_ctx=32,
        n_tokens=60 * 256,
        batch_contexts=8,
        micro_batch_contexts=4,
        warmup_steps=4,
        report_steps=20,
        bfloat16=False,
    ),
    dictionaries=(
        DictionarySettings(
            name="tiny", layer=0, d_sae=64, l0=4, n_steps=200, batch_tokens=256, lr=3e-3
        ),
    ),
)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    documents = [
        Document(f"file_{i}.py", f"def method_{i}(self):\n    return self.value[{i}] + {i}\n" * 30)
        for i in range(24)
    ]
    make_model(documents, SETTINGS, folder / "model")
    make_dictionaries(documents, SETTINGS, folder)
    return folder


def test_the_saved_model_learnt_something_and_is_half_precision(output: Path) -> None:
    log = read_log(output / "model")
    assert log["result"]["nats_per_token"] < 0.6 * ln(SETTINGS.model.d_vocab)
    assert log["step"]["step"] == log["step"]["of"] == 60
    size = (output / "model" / "model.safetensors").stat().st_size
    assert size < 2.5 * log["result"]["n_parameters"] + 10_000
    assert all(p.dtype == torch.float32 for p in load_model(output / "model").parameters())


def test_the_tokenizer_gives_back_the_text_and_has_one_special_id(output: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(output / "model")
    text = "def f(x):\n\treturn 'naïve ☃'\n"
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert tokenizer.all_special_ids == [0]
    assert 0 not in ids


def test_the_saved_dictionary_reaches_the_sparsity_asked_for(output: Path) -> None:
    weights = load_dictionary(output / "dictionaries" / "tiny")
    assert {name: tuple(tensor.shape) for name, tensor in weights.items()} == {
        "W_enc": (16, 64),
        "b_enc": (64,),
        "W_dec": (64, 16),
        "b_dec": (16,),
        "threshold": (64,),
    }
    torch.testing.assert_close(weights["W_dec"].norm(dim=1), torch.ones(64), rtol=0, atol=2e-3)
    result = read_log(output / "dictionaries" / "tiny")["result"]
    assert 2 < result["l0"] < 8
    assert result["explained_variance"] > 0.5
    assert result["n_dead"] == round(result["share_dead"] * 64)


def test_a_stopped_training_ends_as_one_that_ran_through(tmp_path: Path) -> None:
    tokens = np.random.default_rng(0).integers(1, 300, size=2000)

    def train(name: str, stop_at: int | None) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        model = build_model(SETTINGS.model)
        measured = iter(range(10))

        def measure(_model: GPTNeoXForCausalLM) -> float:
            if next(measured) == stop_at:
                raise KeyboardInterrupt
            return 0.0

        log = Log(tmp_path / name)
        train_model(model, tokens, SETTINGS.model, 0, log, tmp_path / f"{name}.pt", measure)
        return model.state_dict()

    through = train("through", stop_at=None)
    with pytest.raises(KeyboardInterrupt):
        train("stopped", stop_at=1)
    torch.testing.assert_close(train("stopped", stop_at=None), through, rtol=0, atol=0)
